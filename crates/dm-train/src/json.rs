//! JSON in the metadata of tensor files.

#![warn(clippy::indexing_slicing)]

use dm_nn::params::file::TensorFile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// `value` as JSON; `field` names it in errors.
pub(crate) fn write(field: &str, value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::invalid(field, e, "a value that JSON can hold"))
}

/// The metadata entry `key` of `file`, read as JSON. `expected` describes the entry in errors.
pub(crate) fn read<V: DeserializeOwned>(file: &TensorFile, key: &str, expected: &str) -> Result<V> {
    let text = file.metadata(key)?;
    serde_json::from_str(text).map_err(|_| Error::format(file.path(), key, text, expected))
}
