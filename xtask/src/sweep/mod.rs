//! `cargo xtask sweep`: trains and samples every run of a profile, skipping what is complete and resuming what is
//! not, then writes a summary and figures. What the runs are stands in `xtask/sweeps/`; how a model is trained is
//! the business of `dm`.

mod child;
mod keep;
mod plan;
mod progress;
mod spec;
mod summary;
mod worker;

use crate::scores::Scores;
use crate::{figures, measured, workspace};
use anyhow::{Context, Result, ensure};
use progress::State;
pub use spec::Job;
use spec::Profile;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use worker::Setup;

/// The set that stands for the project: the three models that ship.
const DIGITS: &str = "digits";

/// Exit code after Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

/// What to sweep.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Only this run (may be given several times)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Number of runs at a time; the processor's threads are shared among them
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Delete the folders of the chosen runs first, and train anew
    #[arg(long)]
    fresh: bool,
    /// The `dm` binary to use, instead of building it
    #[arg(long, value_name = "PATH")]
    dm: Option<PathBuf>,
}

/// What to draw again.
#[derive(clap::Args)]
pub struct FigureArgs {
    #[command(flatten)]
    place: Place,
    /// Draw the score files in this folder instead, as `dm eval --out` and `--panels` write them, into `figures` beside it
    #[arg(long, value_name = "DIR", conflicts_with_all = ["profile", "out"])]
    scores: Option<PathBuf>,
    /// Draw the figures of the report instead, from the records in `report`
    #[arg(long, conflicts_with_all = ["profile", "out", "scores"])]
    recorded: bool,
    /// Copy what is small of every run (config, manifest, metrics, scores, pictures) to this folder and draw there: a record
    /// that can be kept without the weights
    #[arg(long, value_name = "DIR", conflicts_with_all = ["scores", "recorded"])]
    record: Option<PathBuf>,
}

/// Which runs, and where they are.
#[derive(clap::Args)]
struct Place {
    /// Which runs: a file of xtask/sweeps/ (digits, zoo, ink, ablation, seeds)
    #[arg(long, value_name = "NAME", default_value = DIGITS)]
    set: String,
    /// How much work it is
    #[arg(long, value_enum, default_value = "laptop")]
    profile: Profile,
    /// Where the run folders go [default: runs/PROFILE for digits, runs/SET-PROFILE for the others]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder of the sweep files
    #[arg(long, value_name = "DIR", hide = true)]
    sweeps: Option<PathBuf>,
}

impl Place {
    fn out(&self) -> Result<PathBuf> {
        let profile = self.profile.name();
        let name = if self.set == DIGITS { profile.to_owned() } else { format!("{}-{profile}", self.set) };
        let default = || workspace::root().join("runs").join(name);
        let out = self.out.clone().unwrap_or_else(default);
        std::path::absolute(&out).with_context(|| out.display().to_string())
    }

    fn jobs(&self) -> Result<Vec<Job>> {
        let root = workspace::root();
        let sweeps = self.sweeps.clone().unwrap_or_else(|| root.join("xtask/sweeps"));
        spec::load(&spec::find(&sweeps, &self.set)?, root, self.profile)
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let out = args.place.out()?;
    let all = args.place.jobs()?;
    let jobs = spec::select(all.clone(), &args.only)?;
    let dm = match &args.dm {
        Some(dm) => std::path::absolute(dm).with_context(|| dm.display().to_string())?,
        None => workspace::build_dm()?,
    };
    std::fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    if args.fresh {
        announce_deletion(&jobs, &out)?;
    }
    child::catch_interrupts()?;
    let at_once = usize::from(args.jobs).min(jobs.len());
    let threads = (at_once > 1 && std::env::var_os("RAYON_NUM_THREADS").is_none())
        .then(|| (std::thread::available_parallelism().map_or(1, usize::from) / at_once).max(1));
    let setup = Setup { dm, out, fresh: args.fresh, threads };

    let ends = work(&jobs, &setup, at_once);
    finish(&all, &setup.out)?;
    Ok(if child::interrupted() {
        ExitCode::from(INTERRUPTED)
    } else if ends.iter().all(|end| matches!(end, State::Complete { .. })) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// `cargo xtask figures`: summary and figures from what is there.
pub fn redraw(args: &FigureArgs) -> Result<ExitCode> {
    if let Some(folder) = &args.scores {
        let folder = std::path::absolute(folder).with_context(|| folder.display().to_string())?;
        let out = folder.with_file_name("figures");
        tell(figures::draw_all(&figures::OF_SCORES, &Scores::read(&folder)?, &out)?, &out);
        return Ok(ExitCode::SUCCESS);
    }
    if args.recorded {
        let report = workspace::root().join("report");
        tell(draw_recorded(&report)?, &report.join("figures"));
        return Ok(ExitCode::SUCCESS);
    }
    let (jobs, out) = (args.place.jobs()?, args.place.out()?);
    let Some(record) = &args.record else {
        finish(&jobs, &out)?;
        return Ok(ExitCode::SUCCESS);
    };
    let record = std::path::absolute(record).with_context(|| record.display().to_string())?;
    ensure!(record != out, "--record: found the folder of the runs themselves, expected another");
    keep::copy(&jobs, &out, &record)?;
    finish(&jobs, &record)?;
    Ok(ExitCode::SUCCESS)
}

/// Says what `--fresh` is about to delete.
fn announce_deletion(jobs: &[Job], out: &Path) -> Result<()> {
    for run in jobs.iter().map(|job| out.join(&job.name)).filter(|run| run.is_dir()) {
        let (files, bytes) = plan::weigh(&run)?;
        eprintln!("--fresh: deleting {} ({files} files, {:.1} MB)", run.display(), bytes as f64 / 1e6);
    }
    Ok(())
}

/// Runs all jobs, `at_once` at a time; the state each of them ended in.
fn work(jobs: &[Job], setup: &Setup, at_once: usize) -> Vec<State> {
    let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { return };
                    // The receiver outlives all workers, so nothing sent is lost.
                    let report = |state| drop(send.send((index, state)));
                    let end = if child::interrupted() {
                        State::Interrupted
                    } else {
                        report(State::Starting);
                        worker::run(job, setup, &report)
                            .unwrap_or_else(|error| State::Failed(format!("{error:#}")))
                    };
                    report(end);
                }
            });
        }
        drop(send);
        progress::show(&names, &receive)
    })
}

/// Summary and figures of every run of the profile that has begun.
fn finish(all: &[Job], out: &Path) -> Result<()> {
    let rows = summary::rows(all, out)?;
    if rows.is_empty() {
        return Ok(());
    }
    summary::write(&rows, out)?;
    print!("{}\n{}\n", summary::table(&rows), summary::notes(&rows).join("\n"));
    let figures = out.join("figures");
    tell(draw(all, out, &figures)?, &figures);
    Ok(())
}

/// The runs that stand for the project, of the workspace at `root`.
pub fn digits(root: &Path) -> Result<Vec<Job>> {
    // Paths of configs are checked against our own workspace, whose sweep this is.
    spec::load(&spec::find(&root.join("xtask/sweeps"), DIGITS)?, workspace::root(), Profile::Full)
}

/// Draws the figures of the runs in `report/runs` and of the scores in `report/scores`, whatever of them is there.
pub fn draw_recorded(report: &Path) -> Result<usize> {
    let digits = digits(workspace::root())?;
    let figures = report.join("figures");
    let of_runs = draw(&digits, &report.join("runs"), &figures)?;
    Ok(of_runs + figures::draw_all(&figures::OF_SCORES, &Scores::read(&report.join("scores"))?, &figures)?)
}

fn draw(all: &[Job], from: &Path, to: &Path) -> Result<usize> {
    let (mut runs, mut scores) = (Vec::new(), Scores::default());
    for (place, job) in all.iter().enumerate() {
        let folder = from.join(&job.name);
        if folder.join("manifest.json").is_file() {
            runs.push(figures::Run::read(place, &job.title, &job.loss, &folder)?);
            scores.add(&job.name, &folder.join(plan::GENERATED).join(measured::SCORES))?;
        }
    }
    let of_runs = figures::draw_all(&figures::OF_RUNS, &runs[..], to)?;
    Ok(of_runs + figures::draw_all(&figures::OF_MEASURED, &scores, to)?)
}

fn tell(drawn: usize, folder: &Path) {
    let plural = if drawn == 1 { "" } else { "s" };
    println!("{drawn} figure{plural} in {}", folder.display());
}
