//! The manifest of a run folder: what is trained, on which data, and how far the training has progressed.

#![warn(clippy::indexing_slicing)]

use std::time::Duration;

use dm_record::{RunManifest, RunStatus, SCHEMA};

use crate::run_folder::RunFolder;
use crate::state::TrainingState;
use crate::task::Task;

/// The manifest of the run in `folder`, whose state is `state`. `elapsed` is the training time so far.
pub fn of<T: Task>(
    state: &TrainingState<T>,
    folder: &RunFolder,
    status: RunStatus,
    elapsed: Duration,
) -> RunManifest {
    RunManifest {
        schema: SCHEMA,
        status,
        name: state.settings.name.clone(),
        seed: state.settings.seed.0,
        config_sha256: folder.config_sha256(),
        git_revision: folder.git_revision().map(str::to_owned),
        data_sha256: state.data_sha256.clone(),
        parameters: state.params.count(),
        steps_total: state.total_steps(),
        steps_done: state.step,
        epochs: state.settings.epochs,
        wall_s: elapsed.as_secs_f64(),
        dm_version: env!("CARGO_PKG_VERSION").into(),
    }
}
