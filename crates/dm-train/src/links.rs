//! Symbolic links in a run folder.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// Checks that no entry of the run folder at `path` is a symbolic link. A run appends to the files of its folder and replaces them,
/// and through a link it would write outside the folder. The folder itself may be a link, and need not exist.
///
/// # Errors
/// If there is a link, or the folder cannot be read.
pub(crate) fn refuse_links(path: &Path) -> Result<()> {
    if !path.is_dir() {
        return Ok(());
    }
    let io = |e| Error::io(path, e);
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_type().map_err(io)?.is_symlink() {
            let expected = "a file or folder of the run: a run writes nothing outside its folder";
            return Err(Error::format(&entry.path(), "run folder", "a symbolic link", expected));
        }
    }
    Ok(())
}
