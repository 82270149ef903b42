//! The training loop, the same for every task.
//!
//! Everything random comes from streams that are numbered by seed and step, so a resumed run continues exactly where it was.

use std::time::Duration;

use candle_core::Device;
use dm_nn::data::Dataset;

use crate::checkpoint;
use crate::ema;
use crate::error::{Error, Result};
use crate::event::{Event, Observer};
use crate::run_folder::RunFolder;
use crate::settings::TrainingSettings;
use crate::state::TrainingState;
use crate::streams::SHUFFLE;
use crate::task::{Task, TrainingBatch};

/// Trains a task on a data set.
pub struct Trainer<'a, T: Task> {
    state: TrainingState<T>,
    data: &'a Dataset,
    elapsed: Duration,
}

impl<'a, T: Task> Trainer<'a, T> {
    /// A run that begins at step 0.
    ///
    /// # Errors
    /// If a setting is outside its domain, the data do not fit the task, or the tensor library fails.
    pub fn new(task: T, settings: &TrainingSettings, data: &'a Dataset, device: &Device) -> Result<Self> {
        let state = TrainingState::new(task, settings, data, device)?;
        Ok(Self { state, data, elapsed: Duration::ZERO })
    }

    /// Opens the run in `folder`, which continues from its checkpoint if there is one and otherwise begins at step 0.
    ///
    /// # Errors
    /// As [`Self::new`], or if the run in the folder was trained on other data, or the checkpoint is damaged or belongs to another
    /// run.
    pub fn open(
        folder: &RunFolder,
        task: T,
        settings: &TrainingSettings,
        data: &'a Dataset,
        device: &Device,
    ) -> Result<Self> {
        folder.check_data(&data.sha256)?;
        let state = TrainingState::new(task, settings, data, device)?;
        let (state, elapsed) = checkpoint::resume_or_new(folder, state)?;
        Ok(Self { state, data, elapsed })
    }

    /// The state of the run.
    pub fn state(&self) -> &TrainingState<T> {
        &self.state
    }

    /// Training time up to the checkpoint that the run continues from.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Trains until the end of the run, or until the step during which `stop` becomes true. Every observer receives every event.
    /// Returns whether the run is complete.
    ///
    /// # Errors
    /// If the loss or the gradient is infinite or not a number, or an observer or the tensor library fails.
    pub fn run(
        &mut self,
        observers: &mut [Box<dyn Observer<T> + '_>],
        stop: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let mut notify = |event: &Event<'_, T>| observers.iter_mut().try_for_each(|o| o.observe(event));
        let state = &mut self.state;
        let (steps_per_epoch, total_steps) = (state.steps_per_epoch(), state.total_steps());
        let mut order = (u64::MAX, Vec::new());
        notify(&Event::Start { state })?;
        while state.step < total_steps && !stop() {
            // The images of the batch: a new order in every epoch.
            let epoch = state.step / steps_per_epoch;
            if order.0 != epoch {
                let mut rng = state.settings.seed.stream(SHUFFLE, epoch, 0);
                order = (epoch, rng.permutation(state.images));
            }
            let batch_size = state.settings.batch_size;
            let first = (state.step % steps_per_epoch) as usize * batch_size;
            let batch = TrainingBatch {
                images: &self.data.train,
                indices: &order.1[first..first + batch_size],
                seed: state.settings.seed,
                step: state.step,
                device: &state.device,
            };

            // The forward and backward pass, and the update of the weights and of their average.
            let gradients = state.task.gradients(&state.network, &batch)?;
            let loss = gradients.objective;
            let learning_rate = state.optimizer.learning_rate(state.step);
            let grad_norm = state.optimizer.step(&gradients.store, state.step)?;
            if let Some(ema) = &state.ema {
                ema::update(ema, &state.params, state.settings.ema_decay, state.step)?;
            }
            if !loss.is_finite() || !grad_norm.is_finite() {
                return Err(Error::Diverged { step: state.step + 1, loss, grad_norm });
            }
            state.step += 1;

            // Reports.
            let (step, epoch) = (state.step, epoch + 1);
            state.recent_loss.add(loss);
            let is_report = step.is_multiple_of(state.settings.log_every);
            let recent_loss = if is_report { state.recent_loss.take() } else { None };
            notify(&Event::Step { step, epoch, loss, recent_loss, learning_rate, grad_norm, state })?;
            if state.ended_epoch().is_some() {
                let summary =
                    state.task.end_epoch(&state.evaluated_network, &self.data.test, &state.device)?;
                notify(&Event::Epoch { epoch, summary: &summary, state })?;
            }
        }
        let is_complete = state.step == total_steps && !stop();
        notify(&if is_complete { Event::Complete { state } } else { Event::Interrupted { state } })?;
        Ok(is_complete)
    }
}
