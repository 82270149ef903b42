//! `cargo xtask sweep`: trains and samples every run of a study, then writes a summary and figures. Complete runs are skipped,
//! interrupted runs are resumed. Files in `xtask/sweeps/` list the runs, and `dm` trains them.

mod archive;
mod folder;
mod process;
mod progress;
mod study;
mod summary;
mod worker;

use crate::records::{SCORE_FILE, Scores};
use crate::{figures, workspace};
use anyhow::{Context, Result, ensure};
use progress::State;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
pub use study::Job;
use study::Profile;
use worker::Setup;

/// The study of the three shipped models.
const DIGITS: &str = "digits";

/// Exit code after Ctrl-C, as shells define it.
const INTERRUPTED: u8 = 130;

/// The arguments of `cargo xtask sweep`.
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
    /// Delete the folders of the chosen runs first, and start over
    #[arg(long)]
    clean: bool,
    /// The `dm` binary to use, instead of building it
    #[arg(long, value_name = "PATH")]
    dm: Option<PathBuf>,
}

/// The arguments of `cargo xtask figures`.
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
    /// Copy the small files of every run (config, manifest, metrics, scores, pictures) to this folder and draw there: an archive
    /// without the weights
    #[arg(long, value_name = "DIR", conflicts_with_all = ["scores", "recorded"])]
    archive: Option<PathBuf>,
}

/// The runs of a study, and their folder.
#[derive(clap::Args)]
struct Place {
    /// Which runs: a file of xtask/sweeps/ (digits, zoo, ink, ablation, seeds)
    #[arg(long, value_name = "NAME", default_value = DIGITS)]
    study: String,
    /// The size of the study: how long to train, how much to sample
    #[arg(long, value_enum, default_value = "laptop")]
    profile: Profile,
    /// Where the run folders go [default: runs/PROFILE for digits, runs/STUDY-PROFILE for the others]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder of the studies
    #[arg(long, value_name = "DIR", hide = true)]
    sweeps: Option<PathBuf>,
}

impl Place {
    fn out(&self) -> Result<PathBuf> {
        let profile = self.profile.name();
        let name = if self.study == DIGITS { profile.into() } else { format!("{}-{profile}", self.study) };
        absolute(&self.out.clone().unwrap_or_else(|| workspace::root().join("runs").join(name)))
    }

    fn jobs(&self) -> Result<Vec<Job>> {
        let root = workspace::root();
        let sweeps = self.sweeps.clone().unwrap_or_else(|| root.join("xtask/sweeps"));
        study::load(&study::find(&sweeps, &self.study)?, root, self.profile)
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| path.display().to_string())
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let out = args.place.out()?;
    let all = args.place.jobs()?;
    let jobs = study::select(all.clone(), &args.only)?;
    let dm = args.dm.as_deref().map_or_else(workspace::build_dm, absolute)?;
    std::fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    if args.clean {
        announce_deletion(&jobs, &out)?;
    }
    process::catch_interrupts()?;
    let at_once = usize::from(args.jobs).min(jobs.len());
    let threads = (at_once > 1 && std::env::var_os("RAYON_NUM_THREADS").is_none())
        .then(|| (std::thread::available_parallelism().map_or(1, usize::from) / at_once).max(1));
    let setup = Setup { dm, out, clean: args.clean, threads };

    let ends = work(&jobs, &setup, at_once);
    finish(&all, &setup.out)?;
    Ok(if process::interrupted() {
        ExitCode::from(INTERRUPTED)
    } else if ends.iter().all(|end| matches!(end, State::Complete { .. })) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// `cargo xtask figures`: writes summary and figures from recorded files.
pub fn redraw(args: &FigureArgs) -> Result<ExitCode> {
    if let Some(folder) = &args.scores {
        let folder = absolute(folder)?;
        let out = folder.with_file_name("figures");
        announce_figures(figures::draw_all(&figures::OF_SCORES, &Scores::read(&folder)?, &out)?, &out);
    } else if args.recorded {
        let report = workspace::root().join("report");
        announce_figures(draw_recorded(&report)?, &report.join("figures"));
    } else {
        let (jobs, mut out) = (args.place.jobs()?, args.place.out()?);
        if let Some(archive) = &args.archive {
            let archive = absolute(archive)?;
            ensure!(archive != out, "--archive: found the folder of the runs themselves, expected another");
            archive::copy(&jobs, &out, &archive)?;
            out = archive;
        }
        finish(&jobs, &out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what `--clean` is about to delete.
fn announce_deletion(jobs: &[Job], out: &Path) -> Result<()> {
    for run in jobs.iter().map(|job| out.join(&job.name)).filter(|run| run.is_dir()) {
        let (files, bytes) = folder::size(&run)?;
        eprintln!("--clean: deleting {} ({files} files, {:.1} MB)", run.display(), bytes as f64 / 1e6);
    }
    Ok(())
}

/// Runs all jobs, `at_once` at a time; returns the final state of each job.
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
                    // The receiver outlives all workers, so sending cannot fail.
                    let report = |state| drop(send.send((index, state)));
                    let end = if process::interrupted() {
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

/// Writes the summary and the figures of every run that has started.
fn finish(all: &[Job], out: &Path) -> Result<()> {
    let rows = summary::rows(all, out)?;
    if rows.is_empty() {
        return Ok(());
    }
    summary::write(&rows, out)?;
    print!("{}\n\n{}\n", summary::table(&rows), summary::notes(&rows).join("\n"));
    let figures = out.join("figures");
    announce_figures(draw(all, out, &figures)?, &figures);
    Ok(())
}

/// The runs of the shipped models, as the workspace at `root` lists them.
pub fn digits(root: &Path) -> Result<Vec<Job>> {
    study::load(&study::find(&root.join("xtask/sweeps"), DIGITS)?, workspace::root(), Profile::Full)
}

/// Draws the figures of the recorded runs and scores in `runs` and `scores` of the folder `report`.
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
            let path = folder.join(folder::GENERATED).join(SCORE_FILE);
            if path.is_file() {
                scores.add(&job.name, &path)?;
            }
        }
    }
    let of_runs = figures::draw_all(&figures::OF_RUNS, &runs[..], to)?;
    Ok(of_runs + figures::draw_all(&figures::OF_STUDIES, &scores, to)?)
}

fn announce_figures(drawn: usize, folder: &Path) {
    let plural = if drawn == 1 { "" } else { "s" };
    println!("{drawn} figure{plural} in {}", folder.display());
}
