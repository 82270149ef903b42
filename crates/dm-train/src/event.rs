//! The events of a run: the only interface between the training loop and its observers.

use crate::error::Result;
use crate::state::TrainingState;
use crate::task::{EpochSummary, Task};

/// Something that has happened in a run.
pub enum Event<'a, T: Task> {
    /// The run is ready; training begins after step `state.step`.
    Start {
        /// The run.
        state: &'a TrainingState<T>,
    },
    /// One optimizer step has been taken.
    Step {
        /// Number of steps taken so far, this one included.
        step: u64,
        /// Epoch of this step, from 1.
        epoch: u64,
        /// Objective of the batch: the mean loss, weighted where the task weights losses.
        loss: f64,
        /// Mean objective since the last report; `None` except every `log_every` steps.
        recent_loss: Option<f64>,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Norm of the whole gradient before clipping.
        grad_norm: f64,
        /// The run after the step.
        state: &'a TrainingState<T>,
    },
    /// An epoch has ended.
    Epoch {
        /// Number of the epoch, from 1.
        epoch: u64,
        /// Losses of the epoch.
        summary: &'a EpochSummary,
        /// The run after the epoch.
        state: &'a TrainingState<T>,
    },
    /// The run has been asked to stop before its end.
    Interrupted {
        /// The run where it stopped.
        state: &'a TrainingState<T>,
    },
    /// The run is complete.
    Complete {
        /// The complete run.
        state: &'a TrainingState<T>,
    },
}

/// Watches a run.
pub trait Observer<T: Task> {
    /// Sees one event. Events come in the order in which they happen; an error ends the run.
    ///
    /// # Errors
    /// If the observer cannot do its work, for example because writing fails.
    fn observe(&mut self, event: &Event<'_, T>) -> Result<()>;
}
