//! The file that `cargo xtask torture` writes.

use dm_record::Machine;
use serde::{Deserialize, Serialize};

/// Where the results are kept.
pub const FILE: &str = "report/torture.json";

/// The results of all promises.
#[derive(Debug, Serialize, Deserialize)]
pub struct TortureFile {
    /// The machine.
    pub machine: Machine,
    /// Seed of the random moments and places.
    pub seed: u64,
    /// One entry per promise.
    pub results: Vec<PromiseResult>,
}

/// The trials of one promise.
#[derive(Debug, Serialize, Deserialize)]
pub struct PromiseResult {
    /// The promise in words.
    pub promise: String,
    /// What was done.
    pub test: String,
    /// Number of trials.
    pub trials: usize,
    /// Number of trials that failed.
    pub failed: usize,
    /// The figure that was reached; empty where there is none.
    pub figure: String,
    /// Seconds that the trials took together.
    pub seconds: f64,
}

impl PromiseResult {
    /// The result in one line.
    pub fn line(&self) -> String {
        let Self { trials, failed, figure, seconds, .. } = self;
        let figure = if figure.is_empty() { String::new() } else { format!(", {figure}") };
        format!("{failed} of {trials} trials failed{figure} ({seconds:.0} s)")
    }
}
