//! `dm train`: a config becomes a run folder.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dm_nn::data::Dataset;
use dm_train::config::Config;
use dm_train::event::Observer;
use dm_train::observers::{Metrics, Samples, Saver};
use dm_train::run::{Run, is_complete};
use dm_train::train::train;

use super::train_judge;
use crate::device::{self, DeviceKind};
use crate::evaluation::{self, Evaluation};
use crate::locate;
use crate::progress::Progress;
use crate::terminal::Terminal;

/// Train a model, or a judge, from a config file.
///
/// Everything a run is told, learns and reports goes into its folder. Press Ctrl-C to stop; the state is saved, and
/// --resume continues exactly there. A killed run continues from its last checkpoint.
#[derive(clap::Args)]
pub struct Args {
    /// The config, for example data/configs/ink-unet.toml.
    pub(super) config: PathBuf,
    /// The run folder [default: runs/NAME, with the name in the config].
    #[arg(long, value_name = "DIR")]
    pub(super) run: Option<PathBuf>,
    /// Change a key of the config, for example --set training.epochs=3 (may be repeated).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) overrides: Vec<String>,
    /// Continue the run in the folder, or begin it where there is none.
    #[arg(long)]
    pub(super) resume: bool,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    pub(super) device: DeviceKind,
    /// Folder with the four IDX files [default: data.dir of the config].
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    if dm_train::judge::Config::is_at(&args.config)? {
        return train_judge::run(args, terminal);
    }
    let config = Config::read(&args.config, &args.overrides)?;
    let folder = args.run.clone().unwrap_or_else(|| Path::new("runs").join(&config.name));
    let device = device::open(args.device)?;
    let data = Dataset::read(&locate::data(args.data.as_ref().unwrap_or(&config.data.dir)))?;
    config.check_data(&data.train)?;
    let judge = evaluation::judge(&config, &device)?;
    let run = Run::open(&folder, &config, args.resume, git_revision())?;
    run.check_data(&data.sha256)?;
    if is_complete(&folder) {
        terminal.line(format!("{} is complete", folder.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let (mut state, elapsed_s) = run.state(&config, &data, &device)?;

    let stop = stop_on_signal()?;
    let (start, before) = (Instant::now(), Duration::from_secs_f64(elapsed_s));
    let evaluating = Cell::new(Duration::ZERO);
    let clock = || before + start.elapsed().saturating_sub(evaluating.get());
    let training = &config.training;
    let mut observers: Vec<Box<dyn Observer + '_>> = vec![
        Box::new(Progress::new(terminal, state.total_steps(), state.step, training.batch as u64)),
        Box::new(Metrics::new(folder.join("metrics.jsonl"), &clock)),
        Box::new(Samples::new(folder.join("samples"))),
    ];
    if let Some(judge) = judge {
        observers.push(Box::new(Evaluation::new(terminal, judge, &data, &folder, &evaluating)?));
    }
    // The last: what is saved has been reported.
    observers.push(Box::new(Saver::new(&run, training.checkpoint_every, &clock)));
    let complete = train(&mut state, &data, &mut observers, &|| stop.load(Ordering::Relaxed))?;
    if !complete {
        return Ok(ExitCode::from(130));
    }
    let minutes = clock().as_secs_f64() / 60.0;
    terminal.line(format!("{}: {} steps in {minutes:.1} min", folder.display(), state.step));
    terminal.line(format!("draw from it: dm sample {}", folder.display()));
    Ok(ExitCode::SUCCESS)
}

/// A flag that turns true at the first Ctrl-C or termination signal; the second ends the program at once.
pub(super) fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}

/// The git revision of the working directory, if it is one.
pub(super) fn git_revision() -> Option<String> {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
