//! A file of one JSON object per line, to which lines are appended.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use dm_nn::params::file::write_atomic;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// The lines of one file. Each line has a key `step`.
pub struct JsonLines {
    path: PathBuf,
}

impl JsonLines {
    /// The lines of the file at `path`, which need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Appends a line.
    ///
    /// # Errors
    /// If writing fails.
    pub fn append(&self, line: &impl Serialize) -> Result<()> {
        let io = |e| Error::io(&self.path, e);
        let line = serde_json::to_string(line).map_err(|e| io(e.into()))?;
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).map_err(io)?;
        file.write_all(format!("{line}\n").as_bytes()).map_err(io)
    }

    /// Removes an incomplete last line, and the lines of steps beyond `step`, which a killed run wrote after its last checkpoint.
    /// A file that does not exist has no lines.
    ///
    /// # Errors
    /// If reading or writing fails.
    pub fn truncate(&self, step: u64) -> Result<()> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            bytes => bytes.map_err(|e| Error::io(&self.path, e))?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let keep = |line: &&str| {
            let at = serde_json::from_str::<Value>(line).ok().and_then(|v| v["step"].as_u64());
            at.is_some_and(|at| at <= step)
        };
        let kept: String = text.lines().filter(keep).flat_map(|line| [line, "\n"]).collect();
        if kept == text { Ok(()) } else { Ok(write_atomic(&self.path, kept.as_bytes())?) }
    }
}
