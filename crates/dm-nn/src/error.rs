//! The one error type of this crate. Every variant names the file or object, the field, what was found and what was
//! expected, so that a command line can print it as it is.

use std::path::{Path, PathBuf};

/// Everything that can go wrong below the diffusion process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said. Part of the message, so no `source`: whoever prints the chain would repeat it.
        cause: std::io::Error,
    },
    /// A file's content is not what its format demands.
    #[error("{path}: {field}: found {found}, expected {expected}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The field of the file (a header entry, a tensor's name, an item's index).
        field: String,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// An argument or a configuration value is outside its domain.
    #[error("{field}: found {found}, expected {expected}")]
    Invalid {
        /// The argument or configuration key.
        field: String,
        /// What was given.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An I/O error at `path`.
    pub fn io(path: &Path, cause: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), cause }
    }

    /// A format error in the file at `path`.
    pub fn format(
        path: &Path,
        field: impl Into<String>,
        found: impl ToString,
        expected: impl ToString,
    ) -> Self {
        Self::Format {
            path: path.to_owned(),
            field: field.into(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }

    /// An argument outside its domain.
    pub fn invalid(field: impl Into<String>, found: impl ToString, expected: impl ToString) -> Self {
        Self::Invalid { field: field.into(), found: found.to_string(), expected: expected.to_string() }
    }
}
