//! metrics.jsonl: a file of one JSON object per line, to which lines are appended.

#![warn(clippy::indexing_slicing)]

use std::fs::{self, File};
use std::io::ErrorKind;

use dm_nn::storage::write_atomic;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::run_folder::RunFolder;

/// The lines of the metrics of a run. Each line has a key `step`.
pub struct JsonLines<'a> {
    folder: &'a RunFolder,
}

impl<'a> JsonLines<'a> {
    /// The metrics of the run in `folder`, which need not exist yet.
    pub fn new(folder: &'a RunFolder) -> Self {
        Self { folder }
    }

    /// Appends a line.
    ///
    /// # Errors
    /// If writing fails.
    pub fn append(&self, line: &impl Serialize) -> Result<()> {
        let (path, storage) = (self.folder.metrics_path(), self.folder.storage());
        let io = |e| Error::io(&path, e);
        let line = serde_json::to_string(line).map_err(|e| io(e.into()))?;
        let mut file = storage.open_to_append(&path).map_err(io)?;
        storage.write(&mut file, format!("{line}\n").as_bytes()).map_err(io)
    }

    /// Flushes all lines to the disk. A file that does not exist has no lines.
    ///
    /// # Errors
    /// If the disk does not confirm it.
    pub fn sync(&self) -> Result<()> {
        let path = self.folder.metrics_path();
        match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            file => file.and_then(|file| self.folder.storage().sync(&file)).map_err(|e| Error::io(&path, e)),
        }
    }

    /// Removes an incomplete last line, and the lines of steps beyond `step`, which a killed run wrote after its last checkpoint.
    /// A file that does not exist has no lines.
    ///
    /// # Errors
    /// If reading or writing fails.
    pub fn truncate(&self, step: u64) -> Result<()> {
        let path = self.folder.metrics_path();
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            bytes => bytes.map_err(|e| Error::io(&path, e))?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let keep = |line: &&str| {
            let at = serde_json::from_str::<Value>(line).ok().and_then(|v| v.get("step")?.as_u64());
            at.is_some_and(|at| at <= step)
        };
        let kept: String = text.lines().filter(keep).flat_map(|line| [line, "\n"]).collect();
        if kept == text { Ok(()) } else { Ok(write_atomic(self.folder.storage(), &path, kept.as_bytes())?) }
    }
}
