//! The error type of this crate.

use std::path::Path;

use dm_nn::one_line;

/// Everything that can go wrong in degrading, sampling, and reading or writing models.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration value or an argument is outside its domain.
    #[error("{field}: found {found}, expected {expected}")]
    Invalid {
        /// The configuration key or argument.
        field: String,
        /// The value that was given.
        found: String,
        /// The values that are allowed.
        expected: String,
    },
    /// A network, a data set or a file of the crate below failed.
    #[error(transparent)]
    Network(#[from] dm_nn::Error),
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error for a configuration value or an argument outside its domain.
    pub fn invalid(field: impl Into<String>, found: impl ToString, expected: impl ToString) -> Self {
        Self::Invalid {
            field: one_line(&field.into()),
            found: one_line(&found.to_string()),
            expected: one_line(&expected.to_string()),
        }
    }

    /// An error for a field of the file at `path` that does not follow the file format.
    pub fn format(
        path: &Path,
        field: impl Into<String>,
        found: impl ToString,
        expected: impl ToString,
    ) -> Self {
        Self::Network(dm_nn::Error::format(path, field, found, expected))
    }
}
