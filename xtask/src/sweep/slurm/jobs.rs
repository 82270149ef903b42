//! The jobs of a submitted sweep, which a file beside its scripts lists.

use crate::records::read_json;
use crate::workspace::write_atomically;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::Path;

const FILE: &str = "jobs.json";

/// The ids of the jobs, and the runs in the order of the arrays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submitted {
    pub train: String,
    pub evaluate: String,
    pub figures: String,
    pub runs: Vec<String>,
}

impl Submitted {
    /// Reads the file in `folder`; `None` if nothing has been submitted.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        if path.is_file() { read_json(&path).map(Some) } else { Ok(None) }
    }

    /// Writes the file in `folder`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_atomically(&folder.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// The ids of all jobs.
    pub fn ids(&self) -> Vec<String> {
        [&self.train, &self.evaluate, &self.figures].map(Clone::clone).into()
    }

    /// The number of a run's tasks in both arrays.
    pub fn number(&self, run: &str) -> Option<usize> {
        self.runs.iter().position(|name| name == run).map(|place| place + 1)
    }
}
