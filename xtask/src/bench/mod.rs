//! `cargo xtask bench`: our training step and forward pass in turns with PyTorch's, a whole epoch, the time of a sampled
//! image, and how all this scales. The work itself is done by two kinds of processes that answer requests
//! (`crates/dm-train/benches/against_torch`, `xtask/peers/torch_bench.py`); what is timed how is theirs.

mod contest;
mod figures;
mod machine;
mod peer;
mod scaling;
mod table;

use crate::workspace;
use anyhow::{Context, Result, ensure};
pub use figures::Figures;
use peer::{Peer, Worker};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What to measure.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["against_torch", "scaling"])))]
pub struct Args {
    /// Compare with PyTorch: training step, forward pass, memory, and the time of an image
    #[arg(long)]
    against_torch: bool,
    /// Images a second against batch and threads, and memory against the number of images drawn
    #[arg(long)]
    scaling: bool,
    /// A Python that has PyTorch
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
    /// How often everyone has a turn
    #[arg(long, value_name = "N", default_value = "7", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The bench program to use, instead of building it
    #[arg(long, value_name = "PATH")]
    ours: Option<PathBuf>,
}

/// Where the two kinds of processes come from.
struct Sides {
    ours: PathBuf,
    python: PathBuf,
}

impl Sides {
    /// One of our processes, on `threads` threads or all.
    fn ours(&self, threads: Option<usize>) -> Result<Box<dyn Worker>> {
        let mut command = Command::new(&self.ours);
        command.arg("serve");
        if let Some(threads) = threads {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        Ok(Box::new(Peer::start("ours", command)?))
    }

    /// A process of PyTorch that runs networks as `variant` says.
    fn torch(&self, variant: &str) -> Result<Box<dyn Worker>> {
        let mut command = Command::new(&self.python);
        command.arg(workspace::root().join("xtask/peers/torch_bench.py")).arg(variant);
        Ok(Box::new(Peer::start(variant, command)?))
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if let Some(file) = &args.json {
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        ensure!(dir.is_dir(), "--json: {}: no such folder", dir.display());
    }
    let absolute = |path: &PathBuf| std::path::absolute(path).with_context(|| path.display().to_string());
    // A bare name is looked up in PATH, a path is meant from here.
    let python =
        if args.python.components().count() > 1 { absolute(&args.python)? } else { args.python.clone() };
    let ours = args.ours.as_ref().map_or_else(workspace::build_bench, absolute)?;
    let sides = Sides { ours, python };
    let rounds = usize::from(args.rounds);
    let mut all = Figures::new(rounds);
    if args.against_torch {
        contest::run(&sides, rounds, &mut all)?;
    }
    if args.scaling {
        scaling::run(&sides, rounds, &mut all)?;
    }
    print!("{}", table::render(&all));
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&all).context("writing the figures as JSON")?;
        workspace::write_atomically(file, (text + "\n").as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}
