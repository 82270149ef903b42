//! The folders that results are written into.

use std::path::Path;

use anyhow::{Context, Result};

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
