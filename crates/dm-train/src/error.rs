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
    /// An input, the loss, a gradient or a weight is infinite or not a number, or the loss has exploded.
    #[error("step {step}: {tensor}: found {found}, expected {expected} ({hint})")]
    Diverged {
        /// Number of the step, from 1. It has not been completed, and nothing of it is saved.
        step: u64,
        /// What has diverged, for example `gradient of mid.conv.weight`.
        tensor: String,
        /// The value.
        found: String,
        /// What is allowed.
        expected: String,
        /// What to do.
        hint: &'static str,
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

    /// The error of step `step`, counted from 1, in which `tensor` has the element `found`, which is infinite or not a number.
    pub fn diverged(step: u64, tensor: impl Into<String>, found: impl ToString, hint: &'static str) -> Self {
        let (found, expected) = (found.to_string(), "a finite number".to_owned());
        Self::Diverged { step, tensor: tensor.into(), found, expected, hint }
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
