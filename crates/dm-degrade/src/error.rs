//! The one error type of this crate.

/// Everything that can go wrong in the process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration value or an argument is outside its domain.
    #[error("{field}: found {found}, expected {expected}")]
    Invalid {
        /// The configuration key or argument.
        field: String,
        /// What was given.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// The network below failed.
    #[error(transparent)]
    Network(#[from] dm_nn::Error),
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A value outside its domain.
    pub fn invalid(field: impl Into<String>, found: impl ToString, expected: impl ToString) -> Self {
        Self::Invalid { field: field.into(), found: found.to_string(), expected: expected.to_string() }
    }
}
