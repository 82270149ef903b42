//! Checkpoints: everything that a run needs to continue as if it had never stopped.
//!
//! A checkpoint is one tensor file with the groups `param/NAME`, `ema/NAME`, `adam.m/NAME` and `adam.v/NAME`. Its metadata
//! holds the config, the step, the training time and what the task has accumulated. Random numbers need no state, because their
//! streams are numbered by seed and step.

#![warn(clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use candle_core::{Tensor, Var};
use dm_degrade::SCHEMA;
use dm_nn::params::Params;
use dm_nn::params::file::TensorFile;

use crate::checkpoint_files;
use crate::config::{RunConfig, differences};
use crate::error::{Error, Result};
use crate::json;
use crate::run_folder::RunFolder;
use crate::schema1;
use crate::state::TrainingState;
use crate::task::Task;

/// The checkpoint of `state` as a file in memory, to be written to `path`. `config` is the resolved config of the run as TOML;
/// `elapsed` is its training time so far.
///
/// # Errors
/// If the tensor library fails.
pub fn file<T: Task>(
    path: &Path,
    state: &TrainingState<T>,
    config: &str,
    elapsed: Duration,
) -> Result<TensorFile> {
    let mut file = TensorFile::new(path);
    for (name, var) in variables(state) {
        file.insert(name, &var)?;
    }
    file.set_metadata("schema", SCHEMA);
    file.set_metadata("config", config);
    file.set_metadata("step", state.step.to_string());
    file.set_metadata("reported_epochs", state.reported_epochs.to_string());
    file.set_metadata("recent_loss", json::write("recent_loss", &state.recent_loss)?);
    file.set_metadata("first_loss", json::write("first_loss", &state.first_loss)?);
    file.set_metadata("elapsed_s", elapsed.as_secs_f64().to_string());
    file.set_metadata("data_sha256", state.data_sha256.clone());
    state.task.save(&mut file)?;
    Ok(file)
}

/// A run as it was when its checkpoint was written, or before its first step.
pub struct Resumed<T: Task> {
    /// The state of the run.
    pub state: TrainingState<T>,
    /// The training time so far.
    pub elapsed: Duration,
    /// The checkpoint; `None` if there was none.
    pub checkpoint: Option<PathBuf>,
    /// Why newer checkpoints could not be read.
    pub damaged: Vec<Error>,
}

/// Restores the run in `folder` into `state`, which must be at step 0, from its newest checkpoint that is not damaged. If
/// there are no checkpoints, `state` is returned unchanged.
///
/// # Errors
/// If there are checkpoints, but all of them are damaged, or the newest one that is not damaged belongs to another config or
/// data set, or has another schema. The error lists every difference.
pub fn resume_or_new<T: Task>(folder: &RunFolder, state: TrainingState<T>) -> Result<Resumed<T>> {
    let mut damaged = Vec::new();
    for path in checkpoint_files::all(folder.path())? {
        let file = TensorFile::read(&path).map_err(Error::from).and_then(schema1::upgrade_checkpoint);
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                damaged.push(error);
                continue;
            }
        };
        check_belongs_to(&file, folder.config(), &state.data_sha256)?;
        let (state, elapsed) = restore(&file, state)?;
        return Ok(Resumed { state, elapsed, checkpoint: Some(path), damaged });
    }
    match damaged.into_iter().next() {
        None => Ok(Resumed { state, elapsed: Duration::ZERO, checkpoint: None, damaged: Vec::new() }),
        Some(error) => Err(error),
    }
}

/// Checks that the checkpoint `file` can be continued with `config` on the data with the hash `data_sha256`.
///
/// # Errors
/// If it cannot; the error lists every difference.
fn check_belongs_to(file: &TensorFile, config: &RunConfig, data_sha256: &str) -> Result<()> {
    let (path, schema) = (file.path(), file.metadata("schema")?);
    if schema != SCHEMA {
        // The rest of the file may mean something else.
        return Err(Error::format(path, "schema", schema, format!("1 or {SCHEMA}")));
    }
    let mut found = differences(&RunConfig::parse(file.metadata("config")?, path)?, config)?;
    let data = file.metadata("data_sha256")?;
    if data != data_sha256 {
        found.push(format!("data_sha256: found {data}, expected {data_sha256} of the given data"));
    }
    if found.is_empty() { Ok(()) } else { Err(Error::config(path, found.join("; "))) }
}

/// Restores the checkpoint `file`, which a run has written, into `state`, which must be at step 0. Returns the state and the
/// training time so far. The config in the checkpoint is not compared with that of the run.
///
/// # Errors
/// If the checkpoint is damaged or does not fit the state.
pub fn restore<T: Task>(
    file: &TensorFile,
    mut state: TrainingState<T>,
) -> Result<(TrainingState<T>, Duration)> {
    let path = file.path();
    let data = file.metadata("data_sha256")?;
    if data != state.data_sha256 {
        let expected = format!("{} of the given data", state.data_sha256);
        return Err(Error::format(path, "data_sha256", data, expected));
    }
    let (step, total) = (file.metadata("step")?, state.total_steps());
    let known = step.parse().ok().filter(|&step| step <= total);
    state.step = known.ok_or_else(|| Error::format(path, "step", step, format!("0 to {total}")))?;
    // Until this entry existed, checkpoints were written only after the report of an epoch.
    state.reported_epochs = if file.has_metadata("reported_epochs") {
        json::read(file, "reported_epochs", "a number of epochs")?
    } else {
        state.step / state.steps_per_epoch()
    };
    state.recent_loss = json::read(file, "recent_loss", "a sum of losses")?;
    if file.has_metadata("first_loss") {
        state.first_loss = json::read(file, "first_loss", "a number or null")?;
    }
    let elapsed = file.metadata("elapsed_s")?;
    let seconds: Option<f64> = elapsed.parse().ok();
    let elapsed = seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| Error::format(path, "elapsed_s", elapsed, "a number of seconds"))?;
    state.task.restore(file)?;

    let variables = variables(&state);
    let known = |name: &str| variables.iter().any(|(known, _)| known == name);
    if let Some(extra) = file.names().find(|name| !known(name)) {
        return Err(Error::format(path, extra, "a tensor that the run does not have", "no such tensor"));
    }
    for (name, var) in &variables {
        let values = file.expect(name, var.dims())?;
        var.set(&Tensor::from_slice(values, var.shape(), &state.device)?)?;
    }
    Ok((state, elapsed))
}

/// Every tensor of a checkpoint: its name in the file, and the variable that holds it.
fn variables<T: Task>(state: &TrainingState<T>) -> Vec<(String, Var)> {
    let group = |group: &'static str, params: &Params| {
        let named = params.iter().map(move |(name, var)| (format!("{group}/{name}"), var.clone()));
        named.collect::<Vec<_>>()
    };
    let mut variables = group("param", &state.params);
    if let Some(ema) = &state.ema {
        variables.extend(group("ema", ema));
    }
    for slot in state.optimizer.slots() {
        variables.push((format!("adam.m/{}", slot.name), slot.m.clone()));
        variables.push((format!("adam.v/{}", slot.name), slot.v.clone()));
    }
    variables
}
