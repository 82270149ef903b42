//! What happens in a run: the only interface between the loop and whatever watches it.

use crate::error::Result;
use crate::totals::Totals;
use crate::train::State;

/// Something that happened in a training run.
pub enum Event<'a> {
    /// The run is ready; training begins at `state.step`.
    Start {
        /// The run.
        state: &'a State,
    },
    /// One optimiser step was taken.
    Step {
        /// Steps taken so far, this one included.
        step: u64,
        /// Epoch of this step, from 1.
        epoch: u64,
        /// Objective of its batch: the mean loss, weighted where the config says so.
        loss: f64,
        /// Mean objective since the last report, every `training.log_every` steps.
        recent: Option<f64>,
        /// Learning rate it used.
        learning_rate: f64,
        /// Norm of the gradient before clipping.
        grad_norm: f64,
        /// Images in its batch.
        images: usize,
        /// The run after it.
        state: &'a State,
    },
    /// An epoch was finished.
    Epoch {
        /// Which, from 1.
        epoch: u64,
        /// Training losses over it.
        train: &'a Totals,
        /// Validation losses after it.
        validation: &'a Totals,
        /// The run after it.
        state: &'a State,
    },
    /// The run was asked to stop early.
    Interrupted {
        /// Where it stopped.
        state: &'a State,
    },
    /// The run is complete.
    Complete {
        /// The finished run.
        state: &'a State,
    },
}

/// Watches a run.
pub trait Observer {
    /// Sees one event, in order. An error ends the run.
    ///
    /// # Errors
    /// Whatever keeps the observer from its duty, for example a full disk.
    fn observe(&mut self, event: &Event<'_>) -> Result<()>;
}
