//! Checkpoints: everything that a run needs to continue as if it had never stopped.
//!
//! A checkpoint is one tensor file with the groups `param/NAME`, `ema/NAME`, `adam.m/NAME` and `adam.v/NAME`. Its metadata
//! holds the config, the step, the training time and what the task has accumulated. Random numbers need no state, because their
//! streams are numbered by seed and step.

use std::path::Path;
use std::time::Duration;

use candle_core::{Tensor, Var};
use dm_degrade::SCHEMA;
use dm_nn::params::Params;
use dm_nn::params::file::TensorFile;

use crate::config::RunConfig;
use crate::error::{Error, Result};
use crate::json;
use crate::run_folder::RunFolder;
use crate::schema1;
use crate::state::TrainingState;
use crate::task::Task;

/// Writes `state` to `path`, atomically. `config` is the resolved config of the run as TOML; `elapsed` is its training time
/// so far.
///
/// # Errors
/// If writing fails.
pub fn write<T: Task>(path: &Path, state: &TrainingState<T>, config: &str, elapsed: Duration) -> Result<()> {
    let mut file = TensorFile::new(path);
    for (name, var) in variables(state) {
        file.insert(name, &var)?;
    }
    file.set_metadata("schema", SCHEMA);
    file.set_metadata("config", config);
    file.set_metadata("step", state.step.to_string());
    file.set_metadata("recent_loss", json::write("recent_loss", &state.recent_loss)?);
    file.set_metadata("elapsed_s", elapsed.as_secs_f64().to_string());
    file.set_metadata("data_sha256", state.data_sha256.clone());
    state.task.save(&mut file)?;
    Ok(file.write()?)
}

/// Restores the run in `folder` from its checkpoint into `state`, which must be at step 0. If there is no checkpoint, `state` is
/// returned unchanged. Also returns the training time so far.
///
/// # Errors
/// If the checkpoint is damaged, or belongs to another config or data set.
pub fn resume_or_new<T: Task>(
    folder: &RunFolder,
    state: TrainingState<T>,
) -> Result<(TrainingState<T>, Duration)> {
    let path = folder.checkpoint_path();
    if !path.is_file() {
        return Ok((state, Duration::ZERO));
    }
    let file = schema1::upgrade_checkpoint(TensorFile::read(&path)?)?;
    let schema = file.metadata("schema")?;
    if schema != SCHEMA {
        return Err(Error::format(&path, "schema", schema, format!("1 or {SCHEMA}")));
    }
    if RunConfig::parse(file.metadata("config")?, &path)? != *folder.config() {
        return Err(Error::format(&path, "config", "another config", "the config of this run"));
    }
    restore(&file, state)
}

/// Restores the checkpoint `file`, which [`write()`] has written, into `state`, which must be at step 0. Returns the state and the
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
    state.recent_loss = json::read(file, "recent_loss", "a sum of losses")?;
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
