//! `cargo xtask bench`: our training step and forward pass in turns with PyTorch's, a whole epoch, the time of a sampled
//! image, and how all of it scales. Two kinds of processes do the work and answer requests
//! (`crates/dm-train/benches/against_torch`, `xtask/peers/torch_bench.py`); they decide what exactly is timed.

mod comparison;
mod machine;
mod scaling;
mod table;
mod worker_process;

use crate::workspace;
use anyhow::{Context, Result, ensure};
use dm_record::BenchFile;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use worker_process::{Worker, WorkerProcess};

/// What to measure.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["against_torch", "scaling"])))]
pub struct Args {
    /// Compare with PyTorch: training step, forward pass, memory, and the time of an image
    #[arg(long)]
    against_torch: bool,
    /// Images per second over batch size and threads, and memory over the number of images drawn
    #[arg(long)]
    scaling: bool,
    /// A Python that has PyTorch
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
    /// Number of turns of every program
    #[arg(long, value_name = "N", default_value = "7", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Write all results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The bench program to use, instead of building it
    #[arg(long, value_name = "PATH")]
    ours: Option<PathBuf>,
}

/// The two programs that are compared.
struct Programs {
    ours: PathBuf,
    python: PathBuf,
}

impl Programs {
    /// Starts our program, on `threads` threads or on all of them.
    fn ours(&self, threads: Option<usize>) -> Result<Box<dyn Worker>> {
        let mut command = Command::new(&self.ours);
        command.arg("serve");
        if let Some(threads) = threads {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        Ok(Box::new(WorkerProcess::start("ours", command)?))
    }

    /// Starts a variant of PyTorch.
    fn torch(&self, variant: &str) -> Result<Box<dyn Worker>> {
        let mut command = Command::new(&self.python);
        command.arg(workspace::root().join("xtask/peers/torch_bench.py")).arg(variant);
        Ok(Box::new(WorkerProcess::start(variant, command)?))
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if let Some(file) = &args.json {
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        ensure!(dir.is_dir(), "--json: {}: no such folder", dir.display());
    }
    let absolute = |path: &PathBuf| std::path::absolute(path).with_context(|| path.display().to_string());
    // A bare name is looked up in PATH, a path is relative to this folder.
    let python =
        if args.python.components().count() > 1 { absolute(&args.python)? } else { args.python.clone() };
    let ours = args.ours.as_ref().map_or_else(workspace::build_bench, absolute)?;
    let programs = Programs { ours, python };
    let rounds = usize::from(args.rounds);
    let mut results = empty(rounds);
    if args.against_torch {
        comparison::run(&programs, rounds, &mut results)?;
    }
    if args.scaling {
        scaling::run(&programs, rounds, &mut results)?;
    }
    print!("{}", table::render(&results));
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&results).context("writing the results as JSON")?;
        workspace::write_atomically(file, (text + "\n").as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Results before anything is measured.
fn empty(rounds: usize) -> BenchFile {
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

/// Adds the name of a program once.
fn add_program(results: &mut BenchFile, name: String) {
    if !results.programs.contains(&name) {
        results.programs.push(name);
    }
}

/// The middle of `values`, or the mean of the middle two of an even number; `None` without values.
fn median(values: &[f64]) -> Option<f64> {
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
