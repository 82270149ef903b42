//! Checkpoints, the model file and the manifest: what survives a kill.

use super::Clock;
use crate::error::Result;
use crate::event::{Event, Observer};
use crate::run::Run;
use crate::train::State;
use crate::{checkpoint, model};

/// Saves the run every `checkpoint_every` steps, after every epoch, when interrupted and when complete.
pub struct Saver<'a> {
    run: &'a Run,
    clock: &'a Clock<'a>,
    checkpoint_every: u64,
}

impl<'a> Saver<'a> {
    /// Saves into `run`; `clock` tells the training time.
    pub fn new(run: &'a Run, checkpoint_every: u64, clock: &'a Clock<'a>) -> Self {
        Self { run, clock, checkpoint_every }
    }

    fn save(&self, state: &State, status: &str) -> Result<()> {
        let elapsed = (self.clock)().as_secs_f64();
        checkpoint::write(&self.run.checkpoint(), state, elapsed)?;
        self.run.write_manifest(&state.standing(status, elapsed))
    }
}

impl Observer for Saver<'_> {
    fn observe(&mut self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::Start { state } => {
                self.run.write_manifest(&state.standing("running", (self.clock)().as_secs_f64()))
            }
            // At the end of an epoch the losses are still to be reported: the epoch's own event saves.
            Event::Step { step, state, .. }
                if step % self.checkpoint_every == 0 && step % state.steps_per_epoch != 0 =>
            {
                self.save(state, "running")
            }
            Event::Step { .. } => Ok(()),
            Event::Epoch { state, .. } => {
                model::write(&self.run.folder().join(model::FILE), state)?;
                self.save(state, "running")
            }
            Event::Interrupted { state } => self.save(state, "running"),
            Event::Complete { state } => {
                self.run.write_manifest(&state.standing("complete", (self.clock)().as_secs_f64()))
            }
        }
    }
}
