//! `cargo xtask torture`: holds `dm` to its promises by injecting faults into real runs: kills, signals, full disks, damaged
//! files, simultaneous starts. Every promise that was tested in full is kept in `report/torture.json`; `--quick` makes fewer
//! trials, writes nothing, and is part of CI.

mod config;
mod damage;
mod disk;
mod divergence;
mod findings;
mod kills;
mod lab;
mod memory;
mod process;
mod record;
mod resume;
mod run_files;
mod stops;
mod writers;
mod writes;

use crate::machine;
use crate::workspace::{self, root};
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use findings::Findings;
use lab::Lab;
use process::finish;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

pub use record::{FILE, PromiseResult, TortureFile};

/// The arguments of `cargo xtask torture`.
#[derive(clap::Args)]
pub struct Args {
    /// Fewer trials, in under four minutes; writes no report
    #[arg(long)]
    quick: bool,
    /// Test this promise only (may be given several times)
    #[arg(long, value_enum, value_name = "PROMISE")]
    only: Vec<Promise>,
    /// The program to test, instead of building it
    #[arg(long, value_name = "PATH")]
    dm: Option<PathBuf>,
    /// Seed of the random moments and places
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
}

/// What `dm` promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Promise {
    /// A checkpoint is whole or absent
    Checkpoints,
    /// A resumed run gives the bits of a run that was never stopped
    Resume,
    /// A write that fails is reported, and the last checkpoint loads
    Writes,
    /// A damaged file is noticed, and the previous checkpoint is used
    Damage,
    /// A signal stops every command within two seconds
    Stop,
    /// Divergence stops a run before the update
    Divergence,
    /// A run folder has one writer, and a cache is never wrong
    Writers,
    /// A run is not resumed with another config
    Config,
    /// Old checkpoints are removed
    Disk,
    /// Memory does not grow with the number of images
    Memory,
}

impl Promise {
    fn words(self) -> &'static str {
        match self {
            Self::Checkpoints => "a checkpoint is whole or absent",
            Self::Resume => "resume is exact",
            Self::Writes => "every failing write is survived",
            Self::Damage => "damage is noticed",
            Self::Stop => "stop when asked",
            Self::Divergence => "divergence is not hidden",
            Self::Writers => "one writer per run",
            Self::Config => "the wrong config is refused",
            Self::Disk => "the disk does not fill",
            Self::Memory => "memory is bounded",
        }
    }

    fn test(self, lab: &mut Lab) -> Result<Findings> {
        match self {
            Self::Checkpoints => kills::test(lab),
            Self::Resume => resume::test(lab),
            Self::Writes => writes::test(lab),
            Self::Damage => damage::test(lab),
            Self::Stop => stops::test(lab),
            Self::Divergence => divergence::test(lab),
            Self::Writers => writers::test(lab),
            Self::Config => config::test(lab),
            Self::Disk => disk::test(lab),
            Self::Memory => memory::test(lab),
        }
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let dm = args.dm.as_ref().map_or_else(workspace::build_dm, |path| Ok(std::path::absolute(path)?))?;
    let mut lab = Lab::new(dm, args.quick, args.seed)?;
    let promises = if args.only.is_empty() { Promise::value_variants() } else { &args.only };
    let order: Vec<&str> = Promise::value_variants().iter().map(|promise| promise.words()).collect();
    let (machine, program) = (machine::this(), version(&lab)?);
    let mut failed = 0;
    for &promise in promises {
        println!("{} ...", promise.words());
        let began = Instant::now();
        let found = promise.test(&mut lab).with_context(|| promise.words().to_owned())?;
        let result = PromiseResult {
            promise: promise.words().to_owned(),
            test: found.test,
            trials: found.trials,
            failed: found.failures.len(),
            figure: found.figure,
            seconds: began.elapsed().as_secs_f64(),
            seed: args.seed,
            program: program.clone(),
            machine: machine.clone(),
        };
        println!("  {}", result.line());
        for failure in found.failures.iter().take(10) {
            println!("  failed: {failure}");
        }
        failed += result.failed;
        if !args.quick {
            TortureFile::keep(&root().join(FILE), result, &order)?;
            println!("  written to {FILE}; cargo xtask tables puts the table into README.md");
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What `dm --version` prints in its first line: the version and the git revision.
fn version(lab: &Lab) -> Result<String> {
    let ended = finish(lab.command(&["--version"]))?;
    ensure!(ended.is(0), "dm --version: {}", ended.said());
    Ok(ended.stdout.lines().next().unwrap_or_default().to_owned())
}
