//! A file of one JSON object per line, appended as things happen. What the lines say is left out.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use dm_nn::params::file::write_atomic;
use serde_json::Value;

use crate::error::{Error, Result};

/// The lines of one file, each with a key `step`.
pub struct Lines {
    path: PathBuf,
}

impl Lines {
    /// Lines go to `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If the disk says so.
    pub fn append(&self, line: &Value) -> Result<()> {
        let io = |e| Error::io(&self.path, e);
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).map_err(io)?;
        file.write_all(format!("{line}\n").as_bytes()).map_err(io)
    }

    /// Removes lines of steps beyond `step`, which a killed run wrote after its last checkpoint, and a cut last line.
    ///
    /// # Errors
    /// If the disk says so.
    pub fn cut(&self, step: u64) -> Result<()> {
        let Ok(text) = fs::read_to_string(&self.path) else { return Ok(()) };
        let keep = |line: &&str| {
            let at = serde_json::from_str::<Value>(line).ok().and_then(|v| v["step"].as_u64());
            at.is_some_and(|at| at <= step)
        };
        let kept: String = text.lines().filter(keep).flat_map(|line| [line, "\n"]).collect();
        if kept == text { Ok(()) } else { Ok(write_atomic(&self.path, kept.as_bytes())?) }
    }
}
