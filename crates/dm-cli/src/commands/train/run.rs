//! One run: its folder, its observers, and how it ends.

use std::cell::Cell;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use candle_core::Device;
use dm_nn::data::Dataset;
use dm_train::config::{ClassifierConfig, DiffusionConfig};
use dm_train::observers::{Metrics, SamplePictures, Saver, TensorBoard};
use dm_train::{
    ClassifierTask, DiffusionTask, Observer, OpenOptions, RunConfig, RunFolder, Task, Trainer,
    TrainingSettings,
};
use tracing::warn;

use crate::interrupt::{self, INTERRUPTED};
use crate::process_name::process_name;
use crate::progress::Progress;
use crate::revision::git_revision;
use crate::terminal::Terminal;
use crate::training_eval::{self, TrainingEval};
use crate::units;

/// A run that is about to start or to be resumed.
pub struct Run<'a> {
    pub config: &'a RunConfig,
    pub path: &'a Path,
    pub resume: bool,
    pub tensorboard: bool,
    pub data: &'a Dataset,
    pub device: &'a Device,
    pub terminal: &'a Terminal,
}

/// The open folder of a run, and the values that its observers share.
struct OpenRun {
    folder: RunFolder,
    /// Time spent on evaluations, which is not training time.
    evaluation_time: Cell<Duration>,
}

impl Run<'_> {
    /// Trains until the end of the run or until it is interrupted.
    ///
    /// # Errors
    /// If the run folder cannot be opened, or training fails.
    pub fn train(&self) -> Result<ExitCode> {
        match self.config {
            RunConfig::Diffusion(config) => self.train_diffusion(config),
            RunConfig::Classifier(config) => self.train_classifier(config),
        }
    }

    fn train_diffusion(&self, config: &DiffusionConfig) -> Result<ExitCode> {
        let classifier = training_eval::classifier(config, self.data, self.device)?;
        let task = DiffusionTask::from_config(config, self.data)?;
        let Some(run) = self.open()? else { return Ok(ExitCode::SUCCESS) };
        let stop = interrupt::is_requested;
        let (count, sampling) = (config.training.sample_count, config.picture_sampling());
        let pictures = SamplePictures::new(&run.folder, count, sampling, &stop);
        let mut observers: Vec<Box<dyn Observer<_> + '_>> = vec![Box::new(pictures)];
        if let Some(classifier) = classifier {
            let (folder, time) = (&run.folder, &run.evaluation_time);
            let eval = TrainingEval::new(self.terminal, config, classifier, self.data, folder, &stop, time)?;
            observers.push(Box::new(eval));
        }
        if self.train_task(&run, task, &config.settings(), observers)?.is_none() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        self.terminal.line(format!("sample from it: dm sample {}", self.path.display()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn train_classifier(&self, config: &ClassifierConfig) -> Result<ExitCode> {
        let task = ClassifierTask::from_config(config, self.data)?;
        let Some(run) = self.open()? else { return Ok(ExitCode::SUCCESS) };
        let trainer = self.train_task(&run, task, &config.settings(), Vec::new())?;
        let Some(trainer) = trainer else { return Ok(ExitCode::from(INTERRUPTED)) };
        if let Some(accuracy) = trainer.state().task.test_accuracy() {
            self.terminal.line(format!("test accuracy {}", units::percent(accuracy)))?;
        }
        self.terminal
            .line(format!("evaluate with it: dm eval TARGET --classifier {}", self.path.display()))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Opens the run folder; `None` if the run is complete already.
    fn open(&self) -> Result<Option<OpenRun>> {
        let options = OpenOptions {
            resume: self.resume,
            data_sha256: Some(&self.data.sha256),
            git_revision: git_revision(),
            holder: process_name(),
            ..OpenOptions::default()
        };
        let folder = RunFolder::open(self.path, self.config, options)?;
        if folder.is_complete() {
            self.terminal.line(format!("{} is complete", self.path.display()))?;
            return Ok(None);
        }
        Ok(Some(OpenRun { folder, evaluation_time: Cell::new(Duration::ZERO) }))
    }

    /// Trains `task`, watched by `observers` and by those that every run has. Returns the trainer of the complete run, or
    /// `None` if the run was interrupted.
    fn train_task<T: Task>(
        &self,
        run: &OpenRun,
        task: T,
        settings: &TrainingSettings,
        observers: Vec<Box<dyn Observer<T> + '_>>,
    ) -> Result<Option<Trainer<'_, T>>> {
        let mut trainer = Trainer::open(&run.folder, task, settings, self.data, self.device)?;
        for damaged in trainer.damaged_checkpoints() {
            let used = trainer.checkpoint().unwrap_or(self.path).display();
            warn!("{damaged}; continuing from {used} after step {}", trainer.state().step);
        }
        let (start, before) = (Instant::now(), trainer.elapsed());
        let clock = || before + start.elapsed().saturating_sub(run.evaluation_time.get());
        let wall_clock = || SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let failed = |error: &dm_train::Error| warn!("{error}; training continues without TensorBoard");
        let mut all: Vec<Box<dyn Observer<T> + '_>> = vec![
            Box::new(Progress::new(self.terminal, trainer.state())),
            Box::new(Metrics::new(&run.folder, &clock)),
        ];
        all.extend(observers);
        if self.tensorboard {
            all.push(Box::new(TensorBoard::new(&run.folder, &wall_clock, &failed)));
        }
        // The saver comes last, so that the other observers have reported everything that a checkpoint contains.
        all.push(Box::new(Saver::new(&run.folder, &clock).on_request(&interrupt::take_save_request)));
        let deferred = interrupt::defer();
        let is_complete = trainer.run(&mut all, &interrupt::is_requested)?;
        drop(deferred);
        if !is_complete {
            return Ok(None);
        }
        drop(all);
        let (path, steps, minutes) =
            (self.path.display(), trainer.state().step, clock().as_secs_f64() / 60.0);
        self.terminal.line(format!("{path}: {steps} steps in {minutes:.1} min"))?;
        Ok(Some(trainer))
    }
}
