//! The options that say where the JSON form of a result goes.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::folder;
use crate::terminal::Terminal;

/// Where a result goes.
#[derive(clap::Args)]
pub struct OutputArgs {
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Also write the JSON to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl OutputArgs {
    /// Writes and prints `result`; `lines` are its table.
    ///
    /// # Errors
    /// If `result` cannot be written as JSON, or writing fails.
    pub fn finish(
        &self,
        terminal: &Terminal,
        result: &impl Serialize,
        lines: impl FnOnce() -> Vec<String>,
    ) -> Result<()> {
        if let Some(path) = &self.out {
            folder::write_json(path, result).context("--out")?;
        }
        if self.json { terminal.line(serde_json::to_string_pretty(result)?) } else { terminal.lines(lines()) }
    }
}
