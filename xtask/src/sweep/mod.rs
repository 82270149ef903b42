//! `cargo xtask sweep`: trains and samples every run of a study, then writes a summary and figures. Complete runs are skipped,
//! interrupted runs are resumed. Files in `xtask/sweeps/` list the runs, and `dm` trains them, here or on a cluster
//! (`executor.rs`).

mod archive;
mod executor;
mod folder;
mod local;
pub mod over_seeds;
mod process;
mod progress;
mod slurm;
mod study;
mod summary;
mod training_progress;
mod worker;

use crate::records::{SCORE_FILE, Scores, read_json};
use crate::{figures, workspace};
use anyhow::{Context, Result, ensure};
use dm_record::{BenchFile, SummaryRow};
use executor::{Executor, Outcome};
use local::Local;
use progress::State;
use slurm::{Options, Slurm};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
pub use study::Job;
use study::Profile;
use worker::{Device, Setup};

/// The study of the three shipped models.
const DIGITS: &str = "digits";

/// The studies whose full profile is recorded in `report/runs`; of the others it is the laptop profile.
const FULLY_RECORDED: [&str; 2] = [DIGITS, "headline"];

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
    /// Where dm computes [default: cpu, or cuda with --gpus]
    #[arg(long, value_enum)]
    device: Option<Device>,
    /// Where the runs are trained: on this machine, or on a cluster that shares this folder
    #[arg(long, value_enum, default_value = "local")]
    executor: ExecutorKind,
    /// Write no summary and no figures. For the tasks of an array, which would write the same files
    #[arg(long, hide = true)]
    no_summary: bool,
    #[command(flatten)]
    slurm: Options,
}

/// The executors by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ExecutorKind {
    Local,
    Slurm,
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
    /// Which runs: the name of a file of xtask/sweeps/ without its ending, for example zoo
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

    /// The same place as options for `xtask`, with the folder of the runs `out`.
    fn words(&self, out: &Path) -> Result<Vec<String>> {
        let mut words =
            vec!["--study".into(), self.study.clone(), "--profile".into(), self.profile.name().into()];
        let mut folder = |option: &str, path: &Path| {
            words.extend([option.to_owned(), path.display().to_string()]);
        };
        folder("--out", out);
        if let Some(sweeps) = &self.sweeps {
            folder("--sweeps", &absolute(sweeps)?);
        }
        Ok(words)
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
    let executor = args.executor(&out, jobs.len())?;
    let dm = args.dm.as_deref().map_or_else(workspace::build_dm, absolute)?;
    let at_once = usize::from(args.jobs).min(jobs.len());
    let threads = (at_once > 1 && std::env::var_os("RAYON_NUM_THREADS").is_none())
        .then(|| (std::thread::available_parallelism().map_or(1, usize::from) / at_once).max(1));
    let setup = Setup { dm, out, clean: args.clean, threads, device: args.device() };

    let Outcome::Ended(ends) = executor.run(&jobs, &setup)? else { return Ok(ExitCode::SUCCESS) };
    if !args.no_summary {
        finish(&all, &setup.out)?;
    }
    Ok(if process::interrupted() {
        ExitCode::from(INTERRUPTED)
    } else if ends.iter().all(|end| matches!(end, State::Complete { .. })) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Args {
    /// The executor of `runs` runs whose folders are in `out`.
    fn executor(&self, out: &Path, runs: usize) -> Result<Box<dyn Executor>> {
        if self.executor == ExecutorKind::Local {
            self.slurm.check_unused()?;
            return Ok(Box::new(Local { at_once: usize::from(self.jobs).min(runs) }));
        }
        ensure!(
            self.jobs == 1,
            "--jobs: found {}, expected --array-limit with the executor slurm",
            self.jobs
        );
        let (options, name) =
            (self.slurm.clone(), format!("{}-{}", self.place.study, self.place.profile.name()));
        Ok(Box::new(Slurm { options, name, place: self.place.words(out)? }))
    }

    fn device(&self) -> Device {
        let default = if self.slurm.gpus.is_some() { Device::Cuda } else { Device::Cpu };
        self.device.unwrap_or(default)
    }
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

/// Writes the summary and the figures of every run that has started.
fn finish(all: &[Job], out: &Path) -> Result<()> {
    let rows = summary::rows(all, out)?;
    if rows.is_empty() {
        return Ok(());
    }
    summary::write(&rows, out)?;
    print!("{}", summary::text(&rows));
    let figures = out.join("figures");
    announce_figures(draw(all, &rows, out, &figures)?, &figures);
    Ok(())
}

/// The runs of the shipped models, as the workspace at `root` lists them.
pub fn digits(root: &Path) -> Result<Vec<Job>> {
    recorded(root, DIGITS)
}

/// The runs of a study in the profile that `report/runs` records, as the workspace at `root` lists them.
pub fn recorded(root: &Path, study: &str) -> Result<Vec<Job>> {
    let profile = if FULLY_RECORDED.contains(&study) { Profile::Full } else { Profile::Laptop };
    listed(root, study, profile)
}

fn listed(root: &Path, study: &str, profile: Profile) -> Result<Vec<Job>> {
    study::load(&study::find(&root.join("xtask/sweeps"), study)?, workspace::root(), profile)
}

/// Draws the figures of the recorded runs and scores in `runs` and `scores` of the folder `report`.
pub fn draw_recorded(report: &Path) -> Result<usize> {
    let digits = digits(workspace::root())?;
    let figures = report.join("figures");
    let runs = report.join("runs");
    let of_runs = draw(&digits, &summary::rows(&digits, &runs)?, &runs, &figures)?;
    let of_scores = figures::draw_all(&figures::OF_SCORES, &Scores::read(&report.join("scores"))?, &figures)?;
    let scaling = report.join("scaling.json");
    let of_benches = if scaling.is_file() {
        figures::draw_all(&figures::OF_BENCHES, &read_json::<BenchFile>(&scaling)?, &figures)?
    } else {
        0
    };
    Ok(of_runs + of_scores + of_benches)
}

/// Draws the figures of the runs in `from`, whose summary is `rows`, in the folder `to`.
fn draw(all: &[Job], rows: &[SummaryRow], from: &Path, to: &Path) -> Result<usize> {
    let (mut runs, mut scores, mut evaluations) = (Vec::new(), Scores::default(), Scores::default());
    for (place, job) in all.iter().enumerate() {
        let folder = from.join(&job.name);
        if folder.join("manifest.json").is_file() {
            let mut run = figures::Run::read(place, &job.title, job.group.as_deref(), &job.loss, &folder)?;
            let path = folder.join(folder::GENERATED).join(SCORE_FILE);
            if path.is_file() {
                scores.add(&job.name, &path)?;
            }
            let evaluated = folder.join(folder::EVALUATIONS);
            if evaluated.is_dir() {
                // Runs of a group are drawn as one line, which the other figures of evaluations cannot do.
                let of = if job.group.is_some() { &mut run.evaluations } else { &mut evaluations };
                of.add_folder(&format!("{}/", job.name), &evaluated)?;
            }
            runs.push(run);
        }
    }
    let of_runs = figures::draw_all(&figures::OF_RUNS, &runs[..], to)?;
    let of_scores = figures::draw_all(&figures::OF_STUDIES, &scores, to)?
        + figures::draw_all(&figures::OF_SCORES, &evaluations, to)?;
    Ok(of_runs + of_scores + figures::draw_all(&figures::OF_SUMMARIES, rows, to)?)
}

fn announce_figures(drawn: usize, folder: &Path) {
    let plural = if drawn == 1 { "" } else { "s" };
    println!("{drawn} figure{plural} in {}", folder.display());
}
