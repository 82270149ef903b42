//! `dm train`: a config becomes a run folder.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use candle_core::Device;
use dm_nn::data::Dataset;
use dm_train::config::{ClassifierConfig, DiffusionConfig};
use dm_train::observers::{Metrics, SamplePictures, Saver};
use dm_train::{
    ClassifierTask, DiffusionTask, Observer, RunConfig, RunFolder, Task, Trainer, TrainingSettings,
    TrainingState,
};

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
/// saves the run and stops it; --resume continues it exactly there. A killed run continues from its last checkpoint.
#[derive(clap::Args)]
pub struct Args {
    /// The config, for example data/configs/ink-unet.toml. A config with a table [classifier] trains a classifier.
    config: PathBuf,
    /// The run folder [default: runs/NAME with the name in the config].
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Change a key of the config, for example --set training.epochs=3 (may be repeated).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Continue the run in the run folder, or begin it if there is none.
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
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    device: DeviceKind,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let device = device::open(args.device)?;
    let config = RunConfig::read(&args.config, &overrides(args))?;
    let data = Dataset::open(&locate::data(&config.data().path), &config.data().read_options())?;
    let config = config.resolve(&data)?;
    let folder = args.run.clone().unwrap_or_else(|| Path::new("runs").join(config.name()));
    let run = Run { config: &config, data: &data, folder: &folder, resume: args.resume, device: &device, terminal };
    match &config {
        RunConfig::Diffusion(diffusion) => run.train_diffusion(diffusion),
        RunConfig::Classifier(classifier) => run.train_classifier(classifier),
    }
}

/// The overrides of --set, and those that --data and --size stand for.
fn overrides(args: &Args) -> Vec<String> {
    let mut overrides = args.overrides.clone();
    overrides.extend(args.data.as_ref().map(|path| format!("data.path='{}'", path.display())));
    overrides.extend(args.size.map(|(height, width)| format!("data.size=[{height}, {width}]")));
    overrides
}

/// A run that is about to begin or to continue.
struct Run<'a> {
    config: &'a RunConfig,
    data: &'a Dataset,
    folder: &'a Path,
    resume: bool,
    device: &'a Device,
    terminal: &'a Terminal,
}

/// What the observers of a run share.
struct Watch<'a> {
    folder: &'a RunFolder,
    /// Whether the run is to be interrupted.
    stop: &'a (dyn Fn() -> bool + Sync),
    /// Time spent on evaluations, which is not training time.
    evaluation_time: &'a Cell<Duration>,
}

/// Observers of one kind of task.
type Observers<'a, T> = Vec<Box<dyn Observer<T> + 'a>>;

impl Run<'_> {
    fn train_diffusion(&self, config: &DiffusionConfig) -> Result<ExitCode> {
        let classifier = training_eval::classifier(config, self.data, self.device)?;
        let task = DiffusionTask::from_config(config, self.data)?;
        let (pictures, sampling) = (config.training.sample_count, config.picture_sampling());
        let observers = |watch: &Watch<'_>| {
            let folder = watch.folder.samples_path();
            let mut observers: Observers<'_, _> =
                vec![Box::new(SamplePictures::new(folder, pictures, sampling, watch.stop))];
            if let Some(classifier) = classifier {
                let eval = TrainingEval::new(
                    self.terminal,
                    config,
                    classifier,
                    self.data,
                    watch.folder,
                    watch.stop,
                    watch.evaluation_time,
                )?;
                observers.push(Box::new(eval));
            }
            Ok(observers)
        };
        let closing = |folder: &Path, _: &TrainingState<_>| {
            (String::new(), format!("sample from it: dm sample {}", folder.display()))
        };
        self.train(task, &config.settings(), config.training.checkpoint_every, observers, closing)
    }

    fn train_classifier(&self, config: &ClassifierConfig) -> Result<ExitCode> {
        let task = ClassifierTask::from_config(config, self.data)?;
        let closing = |folder: &Path, state: &TrainingState<ClassifierTask>| {
            let accuracy = state.task.test_accuracy().map(|share| 100.0 * share);
            let accuracy = accuracy.map_or(String::new(), |percent| format!(", test accuracy {percent:.2} %"));
            (accuracy, format!("evaluate with it: dm eval TARGET --classifier {}", folder.display()))
        };
        let settings = config.settings();
        self.train(task, &settings, config.training.checkpoint_every, |_| Ok(Vec::new()), closing)
    }

    /// Trains `task` into the run folder. `observers` are those of this kind of task; `closing` is the end of the line about
    /// the complete run, and the line after it.
    fn train<'s, T: Task>(
        &'s self,
        task: T,
        settings: &TrainingSettings,
        checkpoint_every: u64,
        observers: impl for<'w> FnOnce(&'w Watch<'w>) -> Result<Observers<'w, T>>,
        closing: impl FnOnce(&Path, &TrainingState<T>) -> (String, String),
    ) -> Result<ExitCode> {
        let folder = RunFolder::open(self.folder, self.config, self.resume, git_revision())?;
        folder.check_data(&self.data.sha256)?;
        if folder.is_complete() {
            self.terminal.line(format!("{} is complete", self.folder.display()))?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut trainer = Trainer::open(&folder, task, settings, self.data, self.device)?;

        let flag = stop_on_signal()?;
        let stop = || flag.load(Ordering::Relaxed);
        let (start, before, evaluation_time) = (Instant::now(), trainer.elapsed(), Cell::new(Duration::ZERO));
        let clock = || before + start.elapsed().saturating_sub(evaluation_time.get());
        let watch = Watch { folder: &folder, stop: &stop, evaluation_time: &evaluation_time };
        let mut all: Observers<'_, T> = vec![
            Box::new(Progress::new(self.terminal, trainer.state())),
            Box::new(Metrics::new(folder.metrics_path(), &clock)),
        ];
        all.extend(observers(&watch)?);
        // The last one, so that everything that is saved has been reported.
        all.push(Box::new(Saver::new(&folder, checkpoint_every, &clock)));
        let is_complete = trainer.run(&mut all, &stop)?;
        drop(all);
        if !is_complete {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let (minutes, state) = (clock().as_secs_f64() / 60.0, trainer.state());
        let (result, next) = closing(self.folder, state);
        let name = self.folder.display();
        self.terminal.line(format!("{name}: {} steps in {minutes:.1} min{result}", state.step))?;
        self.terminal.line(next)?;
        Ok(ExitCode::SUCCESS)
    }
}
