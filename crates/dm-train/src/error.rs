//! The error type of this crate.

use std::path::{Path, PathBuf};

use dm_nn::one_line;

/// Everything that can go wrong in training and in reading and writing its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A config file or a run folder is not valid.
    #[error("{path}: {message}", path = one_line(&path.to_string_lossy()))]
    Config {
        /// The config file or run folder.
        path: PathBuf,
        /// The key, what was found and what was expected.
        message: String,
    },
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
    /// The loss or the gradient is infinite or not a number.
    #[error(
        "step {step}: found a loss of {loss} and a gradient norm of {grad_norm}, expected finite numbers (try a smaller \
         optimizer.learning_rate or a smaller optimizer.grad_clip_norm above 0)"
    )]
    Diverged {
        /// Number of the step, from 1.
        step: u64,
        /// The objective of the step.
        loss: f64,
        /// Norm of the whole gradient before clipping.
        grad_norm: f64,
    },
    /// An observer of another crate failed.
    #[error(transparent)]
    Observer(Box<dyn std::error::Error + Send + Sync>),
    /// The diffusion process failed.
    #[error(transparent)]
    Process(#[from] dm_degrade::Error),
    /// A network, a data set or a file failed.
    #[error(transparent)]
    Network(#[from] dm_nn::Error),
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The error of a value outside its domain.
    pub fn invalid(field: impl Into<String>, found: impl ToString, expected: impl ToString) -> Self {
        Self::Invalid {
            field: one_line(&field.into()),
            found: one_line(&found.to_string()),
            expected: one_line(&expected.to_string()),
        }
    }

    /// The error of an invalid config file or run folder at `path`.
    pub fn config(path: &Path, message: impl ToString) -> Self {
        Self::Config { path: path.to_owned(), message: one_line(&message.to_string()) }
    }

    /// The error of a file at `path` whose `field` is not what its format demands.
    pub fn format(
        path: &Path,
        field: impl Into<String>,
        found: impl ToString,
        expected: impl ToString,
    ) -> Self {
        Self::Network(dm_nn::Error::format(path, field, found, expected))
    }

    /// The error of reading or writing `path`.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Network(dm_nn::Error::io(path, source))
    }
}
