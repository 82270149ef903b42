//! Writes checkpoints, the model file and the manifest. A run that was killed continues from them.

use std::path::Path;

use dm_nn::params::file::TensorFile;
use dm_nn::storage::stage;
use dm_record::RunStatus;

use super::best::best_step;
use super::clock::Clock;
use super::json_lines::JsonLines;
use crate::checkpoint_files::{earlier, earlier_path};
use crate::error::{Error, Result};
use crate::event::{Event, Observer};
use crate::run_folder::RunFolder;
use crate::state::TrainingState;
use crate::task::{ModelContents, Task};
use crate::{checkpoint, manifest};

/// Saves the run every `training.checkpoint_every` steps, after every epoch, when it is asked to, when it is interrupted and
/// when it is complete. Keeps the newest `training.keep_checkpoints` checkpoints, and the checkpoint and the model of the epoch
/// with the lowest Frechet distance in the metrics. An old checkpoint is removed only after the new one is durable.
///
/// The saver should be the last of the observers, so that everything that is saved has been reported.
pub struct Saver<'a> {
    folder: &'a RunFolder,
    clock: &'a Clock<'a>,
    /// Called after a step. Returns true if the run is to be saved.
    request: &'a dyn Fn() -> bool,
    /// The step of the newest checkpoint; `None` if there is none, it is damaged, or the run did not continue from it.
    newest: Option<u64>,
}

impl<'a> Saver<'a> {
    /// A saver that writes to `folder`, as the config of the run says. `clock` returns the training time.
    pub fn new(folder: &'a RunFolder, clock: &'a Clock<'a>) -> Self {
        Self { folder, clock, request: &|| false, newest: None }
    }

    /// Also saves after a step if `request`, which is called after the step, returns true.
    #[must_use]
    pub fn on_request(self, request: &'a dyn Fn() -> bool) -> Self {
        Self { request, ..self }
    }

    fn write_manifest<T: Task>(&self, state: &TrainingState<T>, status: RunStatus) -> Result<()> {
        self.folder.write_manifest(&manifest::of(state, self.folder, status, (self.clock)()))
    }

    /// Writes a checkpoint. A power cut at any moment leaves the new checkpoint or the one before.
    fn save<T: Task>(&mut self, state: &TrainingState<T>) -> Result<()> {
        let (storage, path, keep) =
            (self.folder.storage(), self.folder.checkpoint_path(), self.folder.config().checkpoints().keep);
        // When a checkpoint is on the disk, the metrics up to its step must be there as well.
        JsonLines::new(self.folder).sync()?;
        let file = checkpoint::file(&path, state, self.folder.config_toml(), (self.clock)())?;
        let staged = stage(storage, &path, &file.to_bytes()?)?;
        if let Some(before) = self.newest.take().filter(|before| keep > 1 && *before < state.step) {
            let earlier = earlier_path(self.folder.path(), before);
            storage.rename(&path, &earlier).map_err(|e| Error::io(&earlier, e))?;
        }
        staged.commit()?;
        self.newest = Some(state.step);
        self.remove_old(state.step)?;
        self.write_manifest(state, RunStatus::Running)
    }

    /// Removes the checkpoints that are no longer kept beside the newest one, which is that of step `newest`.
    fn remove_old(&self, newest: u64) -> Result<()> {
        let keep = self.folder.config().checkpoints().keep;
        let mut kept = 1;
        for (step, path) in earlier(self.folder.path())? {
            // A checkpoint of a later step was written before the run fell back to an earlier checkpoint.
            if step < newest && kept < keep {
                kept += 1;
            } else {
                self.folder.storage().remove(&path).map_err(|e| Error::io(&path, e))?;
            }
        }
        Ok(())
    }

    /// Writes the model and the checkpoint of the best epoch if it has just ended.
    fn save_if_best<T: Task>(&self, state: &TrainingState<T>) -> Result<()> {
        if best_step(&self.folder.metrics_path()) != Some(state.step) {
            return Ok(());
        }
        let path = self.folder.best_checkpoint_path();
        let file = checkpoint::file(&path, state, self.folder.config_toml(), (self.clock)())?;
        file.write_to(self.folder.storage())?;
        self.write_model(state, &self.folder.best_model_path())
    }

    fn write_model<T: Task>(&self, state: &TrainingState<T>, path: &Path) -> Result<()> {
        state.task.write_model(&ModelContents {
            path,
            storage: self.folder.storage(),
            config: self.folder.config_toml(),
            params: state.evaluated_params(),
            step: state.step,
            data_sha256: &state.data_sha256,
            class_names: &state.class_names,
        })
    }

    /// The step of the newest checkpoint if it is `step`; `None` if there is no checkpoint, or it is damaged or of another step.
    fn newest_step(&self, step: u64) -> Option<u64> {
        let file = TensorFile::read(&self.folder.checkpoint_path()).ok()?;
        file.metadata("step").ok()?.parse().ok().filter(|found| *found == step)
    }
}

impl<T: Task> Observer<T> for Saver<'_> {
    fn observe(&mut self, event: &Event<'_, T>) -> Result<()> {
        match event {
            Event::Start { state } => {
                self.newest = self.newest_step(state.step);
                // A process that was killed may have left checkpoints that should have been removed.
                self.newest.map_or(Ok(()), |newest| self.remove_old(newest))?;
                self.write_manifest(state, RunStatus::Running)?;
                // An interrupted run may have ended before its last epoch was evaluated. In that case an observer before this
                // one has evaluated the epoch only now.
                if state.ended_epoch().is_some() { self.save_if_best(state) } else { Ok(()) }
            }
            // After the last step of an epoch, the losses of the epoch have yet to be reported. The run is then saved at the
            // event of the epoch.
            Event::Step { step, state, .. } => {
                let every = self.folder.config().checkpoints().every;
                let is_due =
                    state.unreported_epoch().is_none() && (step.is_multiple_of(every) || (self.request)());
                if is_due { self.save(state) } else { Ok(()) }
            }
            Event::Epoch { state, .. } => {
                self.write_model(state, &self.folder.model_path())?;
                self.save(state)?;
                self.save_if_best(state)
            }
            Event::Interrupted { state } => self.save(state),
            Event::Complete { state } => self.write_manifest(state, RunStatus::Complete),
        }
    }
}
