//! Results in files: the folders that hold them, and records as JSON.

use std::path::Path;

use anyhow::{Context, Result};
use dm_nn::params::file::write_atomic;
use serde::Serialize;

/// Creates the folder that the file `path` will be written into, with all folders above it.
///
/// # Errors
/// If a folder cannot be created.
pub fn create_for(path: &Path) -> Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::create_dir_all(folder).with_context(|| folder.display().to_string()),
        None => Ok(()),
    }
}

/// Writes `record` as JSON to the file `path`, and creates the folder of the file.
///
/// # Errors
/// If the record cannot be written as JSON, or writing fails.
pub fn write_json(path: &Path, record: &impl Serialize) -> Result<()> {
    create_for(path)?;
    Ok(write_atomic(path, serde_json::to_string_pretty(record)?.as_bytes())?)
}
