//! Run folders: finding them, and reading their manifests, metrics and configs.

#![warn(clippy::indexing_slicing)]

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, bail};
use dm_nn::escaped;
use dm_nn::params::file::{read_at_most, read_bounded};
use dm_record::{MetricsLine, Record, RunManifest, RunStatus};
use dm_train::{RunConfig, checkpoint_files, run_folder, run_lock};
use serde::Serialize;

/// The folder in which `dm train` creates run folders.
pub const RUNS: &str = "runs";
/// The files of a run folder that are read or removed here.
pub const CONFIG: &str = "config.toml";
pub const MANIFEST: &str = "manifest.json";
pub const METRICS: &str = "metrics.jsonl";
pub const SAMPLES: &str = "samples";
/// How many folders deep a run folder may lie.
const DEPTH: usize = 4;

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All steps are done.
    Complete,
    /// A process is training into the folder: it holds the folder's lock.
    Running,
    /// Steps are missing, and no process is training: the run was interrupted, or its process died.
    Stopped,
    /// The run ended before its first report: it has neither metrics, nor a checkpoint, nor a model.
    Empty,
    /// A file of the run cannot be read.
    Unreadable,
}

impl State {
    /// The name of the state, one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Empty => "empty",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A run folder and what could be read of it.
pub struct Run {
    /// The run folder.
    pub path: PathBuf,
    /// The path of the folder below the one that was searched.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Why it cannot be read; `None` if it can.
    pub reason: Option<String>,
    /// Its manifest.
    pub manifest: Option<RunManifest>,
    /// Its metrics, in the order of time.
    pub metrics: Vec<MetricsLine>,
    /// Size of all files in the folder, in bytes.
    pub bytes: u64,
    /// When the run last wrote its manifest or its metrics.
    pub changed: Option<SystemTime>,
}

/// Number of bytes and the last change of the files of a run.
type Size = (u64, Option<SystemTime>);

impl Run {
    /// Reads the run folder at `path`, whatever it holds. `name` is how the run is listed.
    fn read(path: &Path, name: String) -> Self {
        let (bytes, changed) = size(path);
        let mut run = Self {
            path: path.to_owned(),
            name,
            state: State::Unreadable,
            reason: None,
            manifest: None,
            metrics: Vec::new(),
            bytes,
            changed,
        };
        if let Err(error) = run.read_files() {
            run.state = State::Unreadable;
            run.reason = Some(format!("{error:#}"));
        }
        run
    }

    /// The run that the user named: the path of a run folder, or the name of one in `runs`.
    ///
    /// # Errors
    /// If there is no such run, or it cannot be read.
    pub fn open(name: &str) -> Result<Self> {
        let below = Path::new(RUNS).join(name);
        let path = [Path::new(name), below.as_path()].into_iter().find(|path| path.is_dir());
        let Some(path) = path else {
            bail!(
                "run `{name}`: found neither a folder of that name nor {}, expected a run folder",
                below.display()
            );
        };
        let run = Self::read(path, name.trim_end_matches('/').to_owned());
        match run.reason {
            Some(reason) => bail!("{}: {reason}", path.display()),
            None if !is_run(path) => {
                bail!("{}: found a folder without {MANIFEST}, expected a run folder", path.display())
            }
            None => Ok(run),
        }
    }

    fn read_files(&mut self) -> Result<()> {
        fs::read_dir(&self.path)?;
        self.metrics = read_metrics(&self.path.join(METRICS)).context(METRICS)?;
        self.manifest = read_manifest(&self.path.join(MANIFEST)).context(MANIFEST)?;
        let has_weights = || {
            self.path.join(dm_degrade::model::FILE).exists()
                || checkpoint_files::all(&self.path).is_ok_and(|checkpoints| !checkpoints.is_empty())
        };
        self.state = match &self.manifest {
            Some(manifest) if manifest.status == RunStatus::Complete => State::Complete,
            _ if run_lock::is_locked(&self.path)? => State::Running,
            _ if self.metrics.is_empty() && !has_weights() => State::Empty,
            None => return Err(anyhow!("{MANIFEST}: found no such file, although the run has begun")),
            Some(_) => State::Stopped,
        };
        Ok(())
    }

    /// The resolved config.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn config(&self) -> Result<RunConfig> {
        Ok(RunConfig::read(&self.path.join(CONFIG), &[])?)
    }

    /// Number of steps taken: those that the last checkpoint contains or, while a process is training, those that it has reported.
    pub fn step(&self) -> u64 {
        let saved = self.manifest.as_ref().map_or(0, |manifest| manifest.steps_done);
        let reported = self.metrics.iter().filter_map(step).max().unwrap_or(0);
        if self.state == State::Running { saved.max(reported) } else { saved }
    }

    /// Number of epochs, not necessarily whole, in which `step` steps are taken.
    pub fn epochs(&self, step: u64) -> Option<f64> {
        let manifest = self.manifest.as_ref().filter(|manifest| manifest.steps_total > 0)?;
        Some(step as f64 * manifest.epochs as f64 / manifest.steps_total as f64)
    }

    /// The epoch and the path of the last picture of samples.
    pub fn last_picture(&self) -> Option<(u64, PathBuf)> {
        self.pictures().pop()
    }

    /// The epoch and the path of every picture of samples, by rising epoch.
    pub fn pictures(&self) -> Vec<(u64, PathBuf)> {
        let entries = fs::read_dir(self.path.join(SAMPLES)).into_iter().flatten().flatten();
        let epoch = |entry: &DirEntry| {
            entry.file_name().to_str()?.strip_prefix("epoch-")?.strip_suffix(".png")?.parse().ok()
        };
        let mut pictures: Vec<_> = entries.filter_map(|entry| Some((epoch(&entry)?, entry.path()))).collect();
        pictures.sort();
        pictures
    }
}

/// The step of a line of metrics.
pub fn step(line: &MetricsLine) -> Option<u64> {
    match line {
        MetricsLine::Step(line) => Some(line.step),
        MetricsLine::Epoch(line) => Some(line.step),
        MetricsLine::Eval(line) => Some(line.step),
        MetricsLine::Unknown => None,
    }
}

/// The runs in the folder `root`, or the run that `root` is, in the order of their names.
///
/// # Errors
/// If there is no such folder. A run that cannot be read is listed as such.
pub fn find(root: &Path) -> Result<Vec<Run>> {
    fs::read_dir(root).with_context(|| root.display().to_string())?;
    let mut runs = Vec::new();
    if is_run(root) {
        let name =
            root.file_name().map_or_else(|| root.display().to_string(), |name| name.to_string_lossy().into());
        runs.push(Run::read(root, name));
    } else {
        search(root, root, DEPTH, &mut runs);
    }
    runs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(runs)
}

/// Adds the runs below `folder` to `runs`.
fn search(root: &Path, folder: &Path, depth: usize, runs: &mut Vec<Run>) {
    let name = |path: &Path| escaped(&path.strip_prefix(root).unwrap_or(path).display().to_string());
    let Ok(entries) = fs::read_dir(folder) else {
        runs.push(Run::read(folder, name(folder)));
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if is_run(&path) {
            runs.push(Run::read(&path, name(&path)));
        } else if path.is_dir() && !is_link && depth > 1 {
            search(root, &path, depth - 1, runs);
        }
    }
}

/// Whether the folder at `path` has one of the files of a run folder.
fn is_run(path: &Path) -> bool {
    [MANIFEST, METRICS, CONFIG].iter().any(|file| path.join(file).exists())
}

fn read_manifest(path: &Path) -> Result<Option<RunManifest>> {
    if !path.exists() {
        return Ok(None);
    }
    let manifest: RunManifest = serde_json::from_slice(&read_at_most(path, run_folder::MAX_MANIFEST)?)?;
    if !manifest.is_readable() {
        bail!("schema: found {}, expected 1 to {}", manifest.schema, dm_record::SCHEMA);
    }
    Ok(Some(manifest))
}

/// The lines of metrics at `path`, none if there is no such file. The last line may be incomplete.
fn read_metrics(path: &Path) -> Result<Vec<MetricsLine>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut bytes = read_bounded(path)?;
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    bytes.truncate(end);
    let text = std::str::from_utf8(&bytes)?;
    let line = |(i, line)| serde_json::from_str(line).with_context(|| format!("line {}", i + 1));
    text.lines().enumerate().map(line).collect()
}

/// Size and last change of the run folder at `path`. Links are not followed.
fn size(path: &Path) -> Size {
    let mut bytes = 0;
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(_) => {}
            }
        }
    }
    let changed = |file: &str| fs::metadata(path.join(file)).and_then(|metadata| metadata.modified()).ok();
    (bytes, [MANIFEST, METRICS, CONFIG].into_iter().filter_map(changed).max())
}
