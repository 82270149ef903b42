//! The checkpoints in a run folder: the newest one, earlier ones by their step, and the best one.

#![warn(clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Name of the newest checkpoint.
pub const NEWEST: &str = "checkpoint.safetensors";
/// Name of the checkpoint with the lowest Frechet distance.
pub const BEST: &str = "checkpoint-best.safetensors";
/// The parts of the name of an earlier checkpoint before and after its step.
const EARLIER: (&str, &str) = ("checkpoint-", ".safetensors");

/// The path to which the checkpoint of step `step` in `folder` is moved when there is a newer one.
pub(crate) fn earlier_path(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("{}{step:08}{}", EARLIER.0, EARLIER.1))
}

/// The earlier checkpoints in `folder` with their steps, the newest first.
///
/// # Errors
/// If the folder cannot be read.
pub(crate) fn earlier(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let entry = entry.map_err(|e| Error::io(folder, e))?;
        let name = entry.file_name();
        let step = name.to_str().and_then(|name| name.strip_prefix(EARLIER.0)?.strip_suffix(EARLIER.1));
        let is_number = |step: &&str| step.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(step) = step.filter(is_number).and_then(|step| step.parse().ok()) {
            found.push((step, entry.path()));
        }
    }
    found.sort();
    found.reverse();
    Ok(found)
}

/// Every checkpoint in `folder`, in the order in which a run that continues tries them: the newest first, the best one last.
///
/// # Errors
/// If the folder cannot be read.
pub fn all(folder: &Path) -> Result<Vec<PathBuf>> {
    let earlier = earlier(folder)?.into_iter().map(|(_, path)| path);
    let paths = std::iter::once(folder.join(NEWEST)).chain(earlier).chain([folder.join(BEST)]);
    Ok(paths.filter(|path| path.is_file()).collect())
}
