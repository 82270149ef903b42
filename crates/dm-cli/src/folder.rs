//! The folders that results are written into.

use std::path::Path;

use anyhow::{Context, Result};

/// Makes the folder `path` is to be written into, with all above it.
pub fn make_for(path: &Path) -> Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::create_dir_all(folder).with_context(|| folder.display().to_string()),
        None => Ok(()),
    }
}
