//! The training loop, the same for every task.
//!
//! Everything random comes from streams that are numbered by seed and step, so a resumed run continues exactly where it was.
//! A run that diverges ends with an error before observers see the step, so that its last checkpoint is always a good one.

use std::path::Path;
use std::time::Duration;

use candle_core::Device;
use dm_nn::data::Dataset;

use crate::batches::Batches;
use crate::checkpoint::{self, Resumed};
use crate::ema;
use crate::error::{Error, Result};
use crate::event::{Event, Observer};
use crate::gradients::Pass;
use crate::in_place::first_not_finite;
use crate::optimizer::TOO_FAST;
use crate::run_folder::RunFolder;
use crate::settings::TrainingSettings;
use crate::state::TrainingState;
use crate::task::{Task, TrainingBatch};

/// A run has diverged if the loss of a step is more than this many times the loss of the first step.
const EXPLOSION: f64 = 1e5;

/// Trains a task on a data set.
pub struct Trainer<'a, T: Task> {
    run: Resumed<T>,
    data: &'a Dataset,
}

impl<'a, T: Task> Trainer<'a, T> {
    /// A run that begins at step 0.
    ///
    /// # Errors
    /// If a setting is outside its domain, the data do not fit the task, or the tensor library fails.
    pub fn new(task: T, settings: &TrainingSettings, data: &'a Dataset, device: &Device) -> Result<Self> {
        let state = TrainingState::new(task, settings, data, device)?;
        let run = Resumed { state, elapsed: Duration::ZERO, checkpoint: None, damaged: Vec::new() };
        Ok(Self { run, data })
    }

    /// Opens the run in `folder`, which continues from its newest checkpoint that is not damaged, if there are checkpoints, and
    /// otherwise begins at step 0.
    ///
    /// # Errors
    /// As [`Self::new`], or if the run in the folder was trained on other data, or all checkpoints are damaged, or the
    /// checkpoint belongs to another run.
    pub fn open(
        folder: &RunFolder,
        task: T,
        settings: &TrainingSettings,
        data: &'a Dataset,
        device: &Device,
    ) -> Result<Self> {
        folder.check_data(&data.sha256)?;
        let state = TrainingState::new(task, settings, data, device)?;
        Ok(Self { run: checkpoint::resume_or_new(folder, state)?, data })
    }

    /// The state of the run.
    pub fn state(&self) -> &TrainingState<T> {
        &self.run.state
    }

    /// Training time up to the checkpoint that the run continues from.
    pub fn elapsed(&self) -> Duration {
        self.run.elapsed
    }

    /// The checkpoint that the run continues from; `None` for a run that begins at step 0.
    pub fn checkpoint(&self) -> Option<&Path> {
        self.run.checkpoint.as_deref()
    }

    /// Why newer checkpoints than the one that the run continues from could not be read.
    pub fn damaged_checkpoints(&self) -> &[Error] {
        &self.run.damaged
    }

    /// Trains until the end of the run, or until `stop` returns true, which ends the run after the last whole step. Every
    /// observer receives every event. Returns whether the run is complete.
    ///
    /// # Errors
    /// If an input, the loss, a gradient or a weight is infinite or not a number, or the loss explodes; nothing of that step is
    /// then saved. If an observer or the tensor library fails.
    pub fn run(
        &mut self,
        observers: &mut [Box<dyn Observer<T> + '_>],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<bool> {
        let mut notify = |event: &Event<'_, T>| observers.iter_mut().try_for_each(|o| o.observe(event));
        let state = &mut self.run.state;
        let total_steps = state.total_steps();
        let mut batches = Batches::default();
        notify(&Event::Start { state })?;
        loop {
            if let Some(epoch) = state.unreported_epoch() {
                let network = &state.evaluated_network;
                let summary = state.task.end_epoch(network, &self.data.test, &state.device, stop)?;
                let Some(summary) = summary else { break };
                state.reported_epochs = epoch;
                notify(&Event::Epoch { epoch, summary: &summary, state })?;
            }
            if state.step >= total_steps || stop() {
                break;
            }
            let Some(step) = take_step(state, self.data, &mut batches, stop, None)? else { break };
            let Step { loss, learning_rate, grad_norm } = step;
            let step = state.step;
            let epoch = step.div_ceil(state.steps_per_epoch());
            state.recent_loss.add(loss);
            let is_report = step.is_multiple_of(state.settings.log_every);
            let recent_loss = if is_report { state.recent_loss.take() } else { None };
            notify(&Event::Step { step, epoch, loss, recent_loss, learning_rate, grad_norm, state })?;
        }
        let is_complete = state.step >= total_steps && state.unreported_epoch().is_none() && !stop();
        notify(&if is_complete { Event::Complete { state } } else { Event::Interrupted { state } })?;
        Ok(is_complete)
    }
}

/// The numbers of one step.
pub(crate) struct Step {
    pub loss: f64,
    pub learning_rate: f64,
    pub grad_norm: f64,
}

/// One step: forward and backward pass, and the update of the weights and of their average. `rate` replaces the learning rate
/// of the schedule. Returns `None`, and leaves the state as it is, if `stop` returns true meanwhile.
///
/// # Errors
/// As [`Trainer::run`].
pub(crate) fn take_step<T: Task>(
    state: &mut TrainingState<T>,
    data: &Dataset,
    batches: &mut Batches,
    stop: &(dyn Fn() -> bool + Sync),
    rate: Option<f64>,
) -> Result<Option<Step>> {
    let micro_batches = state.settings.gradient_accumulation;
    let (indices, next) = batches.next(state);
    let batch = TrainingBatch {
        images: &data.train,
        indices,
        next,
        seed: state.settings.seed,
        step: state.step,
        pass: Pass { micro_batches, stop, device: &state.device },
    };
    let gradients = match state.task.gradients(&state.network, &batch) {
        Err(_) if stop() => return Ok(None),
        gradients => gradients?,
    };
    let loss = gradients.objective;
    check_loss(state, loss)?;
    let learning_rate = rate.unwrap_or_else(|| state.optimizer.learning_rate(state.step));
    let grad_norm = state.optimizer.step_with_rate(&gradients.store, state.step, learning_rate)?;
    if let Some(ema) = &state.ema {
        ema::update(ema, &state.params, state.settings.ema_decay, state.step)?;
    }
    state.first_loss.get_or_insert(loss);
    state.step += 1;
    Ok(Some(Step { loss, learning_rate, grad_norm }))
}

/// Checks the objective `loss` of the step that is being taken, before the weights are updated.
///
/// # Errors
/// If the objective is infinite or not a number, or has exploded. The error names a weight that is not finite, if there is one.
fn check_loss<T: Task>(state: &TrainingState<T>, loss: f64) -> Result<()> {
    let step = state.step + 1;
    if !loss.is_finite() {
        for (name, var) in state.params.iter() {
            if let Some((_, found)) = first_not_finite(var)? {
                let hint =
                    "the weight was changed after the last step; continue from the checkpoint with --resume";
                return Err(Error::diverged(step, format!("weight {name}"), found, hint));
            }
        }
        return Err(Error::diverged(step, "loss", loss, TOO_FAST));
    }
    match state.first_loss {
        Some(first) if first > 0.0 && loss > EXPLOSION * first => {
            let expected = format!("at most {EXPLOSION} times {first:.3e}, the loss of the first step");
            let (tensor, found, hint) = ("loss".to_owned(), format!("{loss:.3e}"), TOO_FAST);
            Err(Error::Diverged { step, tensor, found, expected, hint })
        }
        _ => Ok(()),
    }
}
