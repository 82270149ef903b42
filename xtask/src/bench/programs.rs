//! The programs that a benchmark starts, and functions that its parts share.

use super::worker_process::WorkerProcess;
use crate::machine;
use crate::workspace;
use anyhow::Result;
use dm_record::BenchFile;
use std::path::PathBuf;
use std::process::Command;

/// The two programs that are compared.
pub struct Programs {
    pub ours: PathBuf,
    pub python: PathBuf,
}

impl Programs {
    /// Starts our program, on `threads` threads or on all of them.
    pub fn ours(&self, threads: Option<usize>) -> Result<WorkerProcess> {
        let mut command = Command::new(&self.ours);
        command.arg("serve");
        if let Some(threads) = threads {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        WorkerProcess::start("ours", command)
    }

    /// Starts a variant of PyTorch.
    pub fn torch(&self, variant: &str) -> Result<WorkerProcess> {
        let mut command = Command::new(&self.python);
        command.arg(workspace::root().join("xtask/peers/torch_bench.py")).arg(variant);
        WorkerProcess::start(variant, command)
    }
}

/// Results before anything is measured.
pub fn empty_results(rounds: usize) -> BenchFile {
    BenchFile {
        machine: machine::this(),
        rounds,
        programs: Vec::new(),
        fma_peak_gflops: None,
        rows: Vec::new(),
        epoch: None,
        sampling: Vec::new(),
        scaling: Vec::new(),
        drawing: Vec::new(),
        notes: Vec::new(),
    }
}

/// Adds the name of a program, unless the results contain it already.
pub fn add_program(results: &mut BenchFile, name: String) {
    if !results.programs.contains(&name) {
        results.programs.push(name);
    }
}

/// The middle of `values`, or the mean of the middle two of an even number; `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    Some(f64::midpoint(sorted[(sorted.len() - 1) / 2], upper))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians_depend_neither_on_order_nor_on_one_outlier() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[4.0]), Some(4.0));
        assert_eq!(median(&[9.0, 1.0]), Some(5.0));
        assert_eq!(median(&[3.0, 1000.0, 2.0, 1.0, 2.5]), Some(2.5));
    }
}
