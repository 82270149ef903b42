//! Writes checkpoints, the model file and the manifest. A run that was killed continues from them.

use dm_record::RunStatus;

use super::clock::Clock;
use crate::error::Result;
use crate::event::{Event, Observer};
use crate::run_folder::RunFolder;
use crate::state::TrainingState;
use crate::task::{ModelContents, Task};
use crate::{checkpoint, manifest};

/// Saves the run every `checkpoint_every` steps, after every epoch, when it is interrupted and when it is complete.
///
/// The saver should be the last of the observers, so that everything that is saved has been reported.
pub struct Saver<'a> {
    folder: &'a RunFolder,
    clock: &'a Clock<'a>,
    checkpoint_every: u64,
}

impl<'a> Saver<'a> {
    /// Saves into `folder`; `clock` tells the training time.
    pub fn new(folder: &'a RunFolder, checkpoint_every: u64, clock: &'a Clock<'a>) -> Self {
        Self { folder, clock, checkpoint_every }
    }

    fn write_manifest<T: Task>(&self, state: &TrainingState<T>, status: RunStatus) -> Result<()> {
        self.folder.write_manifest(&manifest::of(state, self.folder, status, (self.clock)()))
    }

    fn save<T: Task>(&self, state: &TrainingState<T>) -> Result<()> {
        let path = self.folder.checkpoint_path();
        checkpoint::write(&path, state, self.folder.config_toml(), (self.clock)())?;
        self.write_manifest(state, RunStatus::Running)
    }

    fn write_model<T: Task>(&self, state: &TrainingState<T>) -> Result<()> {
        state.task.write_model(&ModelContents {
            path: &self.folder.model_path(),
            config: self.folder.config_toml(),
            params: state.evaluated_params(),
            step: state.step,
            data_sha256: &state.data_sha256,
            class_names: &state.class_names,
        })
    }
}

impl<T: Task> Observer<T> for Saver<'_> {
    fn observe(&mut self, event: &Event<'_, T>) -> Result<()> {
        match event {
            Event::Start { state } => self.write_manifest(state, RunStatus::Running),
            // After the last step of an epoch, the losses of the epoch have yet to be reported. The event of the epoch saves.
            Event::Step { step, state, .. } => {
                let is_due = step.is_multiple_of(self.checkpoint_every) && state.ended_epoch().is_none();
                if is_due { self.save(state) } else { Ok(()) }
            }
            Event::Epoch { state, .. } => {
                self.write_model(state)?;
                self.save(state)
            }
            Event::Interrupted { state } => self.save(state),
            Event::Complete { state } => self.write_manifest(state, RunStatus::Complete),
        }
    }
}
