//! The one error type of this crate.

use std::path::{Path, PathBuf};

/// Everything that can go wrong in training and around its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A config file that is not what it should be.
    #[error("{path}: {message}", path = path.display())]
    Config {
        /// The config file.
        path: PathBuf,
        /// Key, found and expected.
        message: String,
    },
    /// A value outside its domain.
    #[error("{field}: found {found}, expected {expected}")]
    Invalid {
        /// The key.
        field: String,
        /// What was given.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// A loss that is no longer a number.
    #[error(
        "step {step}: the loss is {loss}, expected a finite number (try a smaller optimizer.learning_rate or clip)"
    )]
    Diverged {
        /// The step.
        step: u64,
        /// The loss.
        loss: f64,
    },
    /// An observer of another crate failed.
    #[error(transparent)]
    Observer(Box<dyn std::error::Error + Send + Sync>),
    /// The process below failed.
    #[error(transparent)]
    Process(#[from] dm_degrade::Error),
    /// Networks, data or files below failed.
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

    /// A config file that is not what it should be.
    pub fn config(path: &Path, message: impl ToString) -> Self {
        Self::Config { path: path.to_owned(), message: message.to_string() }
    }

    /// An I/O error at `path`.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Network(dm_nn::Error::io(path, source))
    }
}
