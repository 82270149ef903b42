//! The options that say where the JSON form of a result goes.

use std::path::PathBuf;

use anyhow::{Context, Result};
use dm_nn::params::file::write_atomic;
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
    /// If writing fails.
    pub fn finish(
        &self,
        terminal: &Terminal,
        result: &impl Serialize,
        lines: impl FnOnce() -> Vec<String>,
    ) -> Result<()> {
        let text = serde_json::to_string_pretty(result)?;
        if let Some(path) = &self.out {
            folder::create_for(path)
                .and_then(|()| Ok(write_atomic(path, text.as_bytes())?))
                .context("--out")?;
        }
        if self.json { terminal.line(text) } else { terminal.lines(lines()) }
    }
}
