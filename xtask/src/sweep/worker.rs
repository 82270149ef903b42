//! The remaining work of one run: train or resume, sample, degrade and restore test images, evaluate. Progress is reported,
//! not printed. `dm` decides whether a run folder can be resumed with a config.

use super::folder;
use super::process::{Log, interrupted};
use super::progress::State;
use super::study::{Evaluation, Job, RUN};
use super::training_progress::TrainingProgress;
use crate::records::{RESTORATION_FILE, SCORE_FILE, read_manifest};
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use dm_record::RunStatus;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// Number of log lines in the message about a failed command.
const TAIL_LINES: usize = 10;
/// Rows and columns of the forward strip.
const STRIP: (&str, &str) = ("4", "12");
/// Number of timesteps that test images are restored from.
const TIMESTEPS: &str = "6";
/// Files that `dm` writes into the folder of images, beside the scores.
const WRITTEN: [&str; 6] =
    ["images.safetensors", "grid.png", "strip.png", "forward.png", "restore.png", RESTORATION_FILE];

/// Settings that all runs of a sweep share.
pub struct Setup {
    pub dm: PathBuf,
    pub out: PathBuf,
    /// Delete the run folder first.
    pub clean: bool,
    /// Threads of each child process, where several runs are trained at a time.
    pub threads: Option<usize>,
    pub device: Device,
}

/// Where `dm` computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Device {
    Cpu,
    Cuda,
    Metal,
}

impl Device {
    /// The name on the command line of `dm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }
}

/// Does the remaining work of a run. Returns `State::Complete` or `State::Interrupted`.
pub fn run(job: &Job, setup: &Setup, report: &dyn Fn(State)) -> Result<State> {
    let run = setup.out.join(&job.name);
    let log = setup.out.join("logs").join(format!("{}.txt", job.name));
    let Some(mut log) = Log::lock(&log, || report(State::Locked))? else {
        return Ok(State::Interrupted);
    };
    if setup.clean {
        folder::delete(&run)?;
        log.clear()?;
    }
    let was_complete = is_complete(&run)?;
    if !was_complete {
        folder::delete_results(&run)?;
    }
    let status = train(job, setup, &run, &mut log, &|state| {
        if !was_complete {
            report(state);
        }
    })?;
    if interrupted() {
        return Ok(State::Interrupted);
    }
    check_success(status, "train", &log)?;
    ensure!(is_complete(&run)?, "{}: dm train succeeded, but the manifest is not complete", run.display());
    let is_sampled = folder::is_sampled(&run, &job.sample);
    let is_open = |evaluation: &&Evaluation| !folder::is_evaluated(&run, evaluation);
    let rest: Vec<_> = job.evaluations.iter().filter(is_open).collect();
    if !is_sampled || !rest.is_empty() {
        report(State::Sampling);
    }
    if !is_sampled && !sample(job, setup, &run, &mut log)? {
        return Ok(State::Interrupted);
    }
    for evaluation in &rest {
        if !evaluate(evaluation, setup, &run, &mut log)? {
            return Ok(State::Interrupted);
        }
    }
    Ok(State::Complete { made: !was_complete || !is_sampled || !rest.is_empty() })
}

fn is_complete(run: &Path) -> Result<bool> {
    Ok(read_manifest(run)?.is_some_and(|manifest| manifest.status == RunStatus::Complete))
}

/// Trains or resumes a run. `dm` skips a complete run, and refuses a folder of another config.
fn train(job: &Job, setup: &Setup, run: &Path, log: &mut Log, report: &dyn Fn(State)) -> Result<ExitStatus> {
    let mut command = dm_on_device(setup, "train");
    command.arg(&job.config).arg("--run").arg(run).arg("--resume");
    command.args(job.set.iter().flat_map(|pair| ["--set", pair]));
    let mut progress = TrainingProgress::new(run);
    log.watch(&mut command, || {
        if let Some(state) = progress.poll() {
            report(state);
        }
    })
}

/// Samples, degrades, restores and evaluates; false after an interrupt.
fn sample(job: &Job, setup: &Setup, run: &Path, log: &mut Log) -> Result<bool> {
    let (sample, part) = (&job.sample, folder::open_generated(run)?);
    let nfe: Vec<String> = sample.nfe.into_iter().flat_map(|n| ["--nfe".into(), n.to_string()]).collect();
    let mut generate = dm_on_device(setup, "sample");
    generate.arg(run).args(["-n", &sample.n.to_string(), "--seed", &sample.seed.to_string()]).args(&nfe);
    generate.arg("--strip").arg("--out").arg(&part);
    let mut degrade = dm(setup, "degrade");
    degrade.arg(run).args(["--count", STRIP.0, "--columns", STRIP.1, "--out"]).arg(part.join("forward.png"));
    let mut restore = dm_on_device(setup, "restore");
    restore.arg(run).args(["--count", &sample.restored.to_string(), "--timesteps", TIMESTEPS]).args(&nfe);
    restore.arg("--out").arg(part.join("restore.png")).arg("--scores").arg(part.join(RESTORATION_FILE));
    let mut commands = vec![("sample", generate), ("degrade", degrade), ("restore", restore)];
    let mut written = WRITTEN.to_vec();
    if let Some(measure) = &sample.measure {
        let (n, seeds) = (measure.n.to_string(), measure.seeds.to_string());
        let mut eval = dm_on_device(setup, "eval");
        eval.arg(run).args(["-n", &n, "--seeds", &seeds, "--pool"]).args(&nfe);
        eval.args(["--metrics", &measure.metrics.join(",")]).arg("--out").arg(part.join(SCORE_FILE));
        eval.args(measure.reference.iter().flat_map(|reference| ["--reference", reference]));
        commands.push(("eval", eval));
        written.push(SCORE_FILE);
    }
    for (name, command) in &mut commands {
        let status = log.watch(command, || ())?;
        if interrupted() {
            return Ok(false);
        }
        check_success(status, name, log)?;
    }
    for name in written {
        std::fs::metadata(part.join(name)).with_context(|| format!("{name}: dm did not write it"))?;
    }
    folder::close_generated(run, sample)?;
    Ok(true)
}

/// Makes a further evaluation; false after an interrupt.
fn evaluate(evaluation: &Evaluation, setup: &Setup, run: &Path, log: &mut Log) -> Result<bool> {
    let file = folder::open_evaluation(run, evaluation)?;
    let mut words = evaluation.command.split_whitespace();
    let subcommand = words.next().unwrap_or_default();
    let folder = run.display().to_string();
    let words = words.map(|word| word.replace(RUN, &folder));
    let mut command = dm_on_device(setup, subcommand);
    command.arg(run).args(words);
    if subcommand == "restore" {
        command.arg("--out").arg(file.with_extension("png")).arg("--scores").arg(&file);
    } else {
        command.arg("--out").arg(&file);
    }
    let status = log.watch(&mut command, || ())?;
    if interrupted() {
        return Ok(false);
    }
    check_success(status, subcommand, log)?;
    folder::close_evaluation(run, evaluation)?;
    Ok(true)
}

fn dm(setup: &Setup, subcommand: &str) -> Command {
    let mut command = Command::new(&setup.dm);
    command.arg(subcommand).current_dir(workspace::root());
    if let Some(threads) = setup.threads {
        command.env("RAYON_NUM_THREADS", threads.to_string());
    }
    command
}

/// A command that computes on the device of the sweep.
fn dm_on_device(setup: &Setup, subcommand: &str) -> Command {
    let mut command = dm(setup, subcommand);
    if setup.device != Device::Cpu {
        command.args(["--device", setup.device.name()]);
    }
    command
}

fn check_success(status: ExitStatus, subcommand: &str, log: &Log) -> Result<()> {
    if !status.success() {
        let tail = log.tail(TAIL_LINES);
        let hint =
            if tail.ends_with("another config") { "; --clean deletes the run and starts over" } else { "" };
        bail!("dm {subcommand} failed ({status}); its log ends:\n{tail}{hint}");
    }
    Ok(())
}
