//! `cargo xtask bench`: times our training step and forward pass in turns with those of other programs, whole epochs, and a sampled
//! image; measures throughput over batch sizes, image sizes and threads. Worker processes do the timed work and answer requests
//! (`crates/dm-train/benches/against_torch`, `xtask/peers`).

mod comparison;
mod programs;
mod scaling;
mod table;
mod worker_process;

use crate::workspace;
use anyhow::{Context, Result, ensure};
use programs::{Isa, Programs, empty_results};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The arguments of `cargo xtask bench`.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["against_torch", "against_peers", "scaling"])))]
pub struct Args {
    /// Compare with PyTorch: training step, forward pass, memory, and the time of an image
    #[arg(long)]
    against_torch: bool,
    /// Compare also with ONNX Runtime, OpenVINO and JAX, as far as Python has them
    #[arg(long)]
    against_peers: bool,
    /// Images per second over batch size, threads and image size, and memory over the number of images drawn
    #[arg(long)]
    scaling: bool,
    /// Limit all programs to this instruction set. ONNX Runtime has no such switch
    #[arg(long, value_enum)]
    isa: Option<Isa>,
    /// A Python that has the other programs
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
    /// Number of timed turns of every program
    #[arg(long, value_name = "N", default_value = "7", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Write all results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The bench program to use, instead of building it
    #[arg(long, value_name = "PATH")]
    ours: Option<PathBuf>,
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
    let onnx = tempfile::tempdir().context("a folder for ONNX files")?;
    let programs = Programs { ours, python, isa: args.isa, onnx: onnx.path().to_owned() };
    let rounds = usize::from(args.rounds);
    let mut results = empty_results(rounds, args.isa);
    if args.against_torch || args.against_peers {
        comparison::run(&programs, args.against_peers, rounds, &mut results)?;
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
