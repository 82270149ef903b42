//! The error type of this crate.
//!
//! Every message names the file or the argument, the field, what was found and what was expected. A command line can print
//! it unchanged: a message is one line, and what it quotes from a file is escaped and cut to a readable length.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::one_line::one_line;

/// An error of data files, parameter files, networks or their configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing a file failed.
    #[error("{path}: {cause}", path = one_line(&path.to_string_lossy()))]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system. It is part of the message and therefore not also the error's `source`:
        /// printing the chain of errors would repeat it.
        cause: std::io::Error,
    },
    /// The content of a file does not follow the file's format.
    #[error("{path}: {field}: found {found}, expected {expected}", path = one_line(&path.to_string_lossy()))]
    Format {
        /// The file.
        path: PathBuf,
        /// The field of the file: a header entry, the name of a tensor or the index of an item.
        field: String,
        /// The content found in the file.
        found: String,
        /// The content that the format requires.
        expected: String,
    },
    /// An argument or a configuration value is outside its domain.
    #[error("{field}: found {found}, expected {expected}")]
    Invalid {
        /// The argument or the configuration key.
        field: String,
        /// The given value.
        found: String,
        /// The allowed values.
        expected: String,
    },
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error for the file at `path`, which could not be read or written.
    pub fn io(path: &Path, cause: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), cause }
    }

    /// An error for the file at `path`, whose content does not follow its format.
    pub fn format(
        path: &Path,
        field: impl Into<String>,
        found: impl ToString,
        expected: impl ToString,
    ) -> Self {
        Self::Format {
            path: path.to_owned(),
            field: one_line(&field.into()),
            found: one_line(&found.to_string()),
            expected: one_line(&expected.to_string()),
        }
    }

    /// An error for an argument or a configuration value outside its domain.
    pub fn invalid(field: impl Into<String>, found: impl ToString, expected: impl ToString) -> Self {
        Self::Invalid {
            field: one_line(&field.into()),
            found: one_line(&found.to_string()),
            expected: one_line(&expected.to_string()),
        }
    }
}

/// Checks that `value` is in `range`; `field` names it in the error.
pub(crate) fn check_range(field: &str, value: usize, range: RangeInclusive<usize>) -> Result<()> {
    if range.contains(&value) {
        Ok(())
    } else {
        Err(Error::invalid(field, value, format!("{} to {}", range.start(), range.end())))
    }
}
