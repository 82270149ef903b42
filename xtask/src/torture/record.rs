//! The file that `cargo xtask torture` writes.

use crate::records::read_json;
use crate::workspace::write_atomically;
use anyhow::{Context, Result};
use dm_record::Machine;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where the results are kept.
pub const FILE: &str = "report/torture.json";

/// The results of all promises that were tested in full.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct TortureFile {
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
    /// Seed of the random moments and places.
    pub seed: u64,
    /// Version and git revision of the program.
    pub program: String,
    /// The machine.
    pub machine: Machine,
}

impl TortureFile {
    /// Puts a result into the file at `path`, in place of an older one of the same promise. `order` has all promises.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn keep(path: &Path, result: PromiseResult, order: &[&str]) -> Result<()> {
        let mut file: Self = if path.is_file() { read_json(path)? } else { Self::default() };
        file.results.retain(|kept| kept.promise != result.promise && order.contains(&kept.promise.as_str()));
        file.results.push(result);
        file.results.sort_by_key(|kept| order.iter().position(|&promise| promise == kept.promise));
        let text = serde_json::to_string_pretty(&file)? + "\n";
        write_atomically(path, text.as_bytes()).with_context(|| path.display().to_string())
    }
}

impl PromiseResult {
    /// The result in one line.
    pub fn line(&self) -> String {
        let Self { trials, failed, figure, seconds, .. } = self;
        let figure = if figure.is_empty() { String::new() } else { format!(", {figure}") };
        format!("{failed} of {trials} trials failed{figure} ({seconds:.0} s)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_takes_the_place_of_an_older_one_of_its_promise() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("torture.json");
        let result = |promise: &str, trials| PromiseResult {
            promise: promise.to_owned(),
            test: "kills".to_owned(),
            trials,
            failed: 1,
            figure: String::new(),
            seconds: 2.0,
            seed: 1,
            program: "dm 0.1.0".to_owned(),
            machine: Machine::default(),
        };
        for (promise, trials) in [("second", 1), ("gone", 2), ("first", 3), ("second", 4)] {
            TortureFile::keep(&path, result(promise, trials), &["first", "second", "gone"]).unwrap();
        }
        TortureFile::keep(&path, result("first", 5), &["first", "second"]).unwrap();
        let file: TortureFile = read_json(&path).unwrap();
        let kept: Vec<_> = file.results.iter().map(|kept| (kept.promise.as_str(), kept.trials)).collect();
        assert_eq!(kept, [("first", 5), ("second", 4)]);
        assert_eq!(file.results[0].line(), "1 of 5 trials failed (2 s)");
    }
}
