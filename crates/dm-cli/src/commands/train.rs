//! `dm train`: trains a model from a config, into a run folder.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use candle_core::Device;
use dm_nn::data::Dataset;
use dm_train::config::{ClassifierConfig, DiffusionConfig};
use dm_train::observers::{Metrics, SamplePictures, Saver, TensorBoard};
use dm_train::{
    ClassifierTask, DiffusionTask, Observer, RunConfig, RunFolder, Task, Trainer, TrainingSettings,
};
use serde_json::json;
use tracing::warn;

use crate::data_args::parse_size;
use crate::device::{self, DeviceKind};
use crate::interrupt::{INTERRUPTED, stop_on_signal};
use crate::locate;
use crate::progress::Progress;
use crate::revision::git_revision;
use crate::terminal::Terminal;
use crate::training_eval::{self, TrainingEval};

/// Train a diffusion model or a classifier from a config file.
///
/// The run folder receives everything that belongs to the run: config, metrics, samples, checkpoints and the model. Ctrl-C
/// saves the run and stops it, and --resume continues from there. A killed run continues from its last checkpoint.
#[derive(clap::Args)]
pub struct Args {
    /// The config, for example data/configs/ink-unet.toml. A config with a `[classifier]` table trains a classifier.
    config: PathBuf,
    /// The run folder [default: runs/NAME with the name in the config].
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Change a key of the config, for example --set training.epochs=3 (may be repeated).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Continue the run in the run folder, or start a new run if the folder has none.
    #[arg(long)]
    resume: bool,
    /// The data set: a folder with the four IDX files, a folder of PNG or JPEG files, or an .npz file [default: data.path of
    /// the config].
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Resize every image to this height and width in pixels, for example 32x32. Only for a folder of images [default:
    /// data.size of the config].
    #[arg(long, value_name = "HxW", value_parser = parse_size)]
    size: Option<(usize, usize)>,
    /// Write no event files for TensorBoard into the run folder.
    #[arg(long)]
    no_tensorboard: bool,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    device: DeviceKind,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let device = device::open(args.device)?;
    let config = RunConfig::read(&args.config, &overrides(args))?;
    let data = Dataset::open(&locate::data(&config.data().path), &config.data().read_options())?;
    let config = config.resolve(&data)?;
    let path = args.run.clone().unwrap_or_else(|| Path::new("runs").join(config.name()));
    let run = Run {
        config: &config,
        path: &path,
        resume: args.resume,
        tensorboard: !args.no_tensorboard,
        data: &data,
        device: &device,
        terminal,
    };
    match &config {
        RunConfig::Diffusion(diffusion) => run.train_diffusion(diffusion),
        RunConfig::Classifier(classifier) => run.train_classifier(classifier),
    }
}

/// The overrides of --set, followed by those that --data and --size stand for.
fn overrides(args: &Args) -> Vec<String> {
    let mut overrides = args.overrides.clone();
    // A JSON string is also a TOML string.
    overrides
        .extend(args.data.as_ref().map(|path| format!("data.path={}", json!(path.display().to_string()))));
    overrides.extend(args.size.map(|(height, width)| format!("data.size=[{height}, {width}]")));
    overrides
}

/// A run that is about to start or to be resumed.
struct Run<'a> {
    config: &'a RunConfig,
    path: &'a Path,
    resume: bool,
    tensorboard: bool,
    data: &'a Dataset,
    device: &'a Device,
    terminal: &'a Terminal,
}

/// The open folder of a run, and the values that its observers share.
struct OpenRun {
    folder: RunFolder,
    /// Whether the run is to be interrupted.
    stop: Arc<AtomicBool>,
    /// Time spent on evaluations, which is not training time.
    evaluation_time: Cell<Duration>,
}

impl Run<'_> {
    fn train_diffusion(&self, config: &DiffusionConfig) -> Result<ExitCode> {
        let classifier = training_eval::classifier(config, self.data, self.device)?;
        let task = DiffusionTask::from_config(config, self.data)?;
        let Some(run) = self.open()? else { return Ok(ExitCode::SUCCESS) };
        let stop = || run.stop.load(Ordering::Relaxed);
        let (count, sampling) = (config.training.sample_count, config.picture_sampling());
        let pictures = SamplePictures::new(run.folder.samples_path(), count, sampling, &stop);
        let mut observers: Vec<Box<dyn Observer<_> + '_>> = vec![Box::new(pictures)];
        if let Some(classifier) = classifier {
            let (folder, time) = (&run.folder, &run.evaluation_time);
            let eval = TrainingEval::new(self.terminal, config, classifier, self.data, folder, &stop, time)?;
            observers.push(Box::new(eval));
        }
        let checkpoint_every = config.training.checkpoint_every;
        if self.train(&run, task, &config.settings(), checkpoint_every, observers)?.is_none() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        self.terminal.line(format!("sample from it: dm sample {}", self.path.display()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn train_classifier(&self, config: &ClassifierConfig) -> Result<ExitCode> {
        let task = ClassifierTask::from_config(config, self.data)?;
        let Some(run) = self.open()? else { return Ok(ExitCode::SUCCESS) };
        let checkpoint_every = config.training.checkpoint_every;
        let trainer = self.train(&run, task, &config.settings(), checkpoint_every, Vec::new())?;
        let Some(trainer) = trainer else { return Ok(ExitCode::from(INTERRUPTED)) };
        if let Some(accuracy) = trainer.state().task.test_accuracy() {
            self.terminal.line(format!("test accuracy {:.2} %", 100.0 * accuracy))?;
        }
        self.terminal
            .line(format!("evaluate with it: dm eval TARGET --classifier {}", self.path.display()))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Opens the run folder; `None` if the run is complete already.
    fn open(&self) -> Result<Option<OpenRun>> {
        let folder = RunFolder::open(self.path, self.config, self.resume, git_revision())?;
        folder.check_data(&self.data.sha256)?;
        if folder.is_complete() {
            self.terminal.line(format!("{} is complete", self.path.display()))?;
            return Ok(None);
        }
        Ok(Some(OpenRun { folder, stop: stop_on_signal()?, evaluation_time: Cell::new(Duration::ZERO) }))
    }

    /// Trains `task`, watched by `observers` and by those that every run has. Returns the trainer of the complete run, or
    /// `None` if the run was interrupted.
    fn train<T: Task>(
        &self,
        run: &OpenRun,
        task: T,
        settings: &TrainingSettings,
        checkpoint_every: u64,
        observers: Vec<Box<dyn Observer<T> + '_>>,
    ) -> Result<Option<Trainer<'_, T>>> {
        let mut trainer = Trainer::open(&run.folder, task, settings, self.data, self.device)?;
        let (start, before) = (Instant::now(), trainer.elapsed());
        let clock = || before + start.elapsed().saturating_sub(run.evaluation_time.get());
        let wall_clock = || SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let failed = |error: &dm_train::Error| warn!("{error}; training continues without TensorBoard");
        let mut all: Vec<Box<dyn Observer<T> + '_>> = vec![
            Box::new(Progress::new(self.terminal, trainer.state())),
            Box::new(Metrics::new(run.folder.metrics_path(), &clock)),
        ];
        all.extend(observers);
        if self.tensorboard {
            all.push(Box::new(TensorBoard::new(&run.folder, &wall_clock, &failed)));
        }
        // The saver comes last, so that the other observers have reported everything that a checkpoint contains.
        all.push(Box::new(Saver::new(&run.folder, checkpoint_every, &clock)));
        if !trainer.run(&mut all, &|| run.stop.load(Ordering::Relaxed))? {
            return Ok(None);
        }
        drop(all);
        let (path, steps, minutes) =
            (self.path.display(), trainer.state().step, clock().as_secs_f64() / 60.0);
        self.terminal.line(format!("{path}: {steps} steps in {minutes:.1} min"))?;
        Ok(Some(trainer))
    }
}
