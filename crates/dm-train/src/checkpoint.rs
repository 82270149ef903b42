//! Checkpoints: everything a run needs to continue as if it had never stopped.
//!
//! One tensor file: `param/NAME`, `average/NAME`, `adam.m/NAME`, `adam.v/NAME`, with config, step, running losses and
//! elapsed time as metadata, and what is known of the levels where they are drawn by importance.
//! Randomness needs no state: it is keyed by seed and step.

use std::path::Path;

use candle_core::{Device, Tensor, Var};
use dm_nn::data::Dataset;
use dm_nn::params::Params;
use dm_nn::params::file::TensorFile;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::levels::Levels;
use crate::optimizer::Adam;
use crate::train::State;

/// Version of the layout of checkpoints and model files.
pub const SCHEMA: &str = "1";

/// Writes `state` to `path`, atomically. `elapsed_s` is the training time so far.
///
/// # Errors
/// If the disk says so.
pub fn write(path: &Path, state: &State, elapsed_s: f64) -> Result<()> {
    let mut file = TensorFile::new(path);
    insert_learned(&mut file, &state.params, state.average.as_ref(), &state.optimizer)?;
    file.set_metadata("schema", SCHEMA);
    file.set_metadata("config", state.config.to_toml()?);
    file.set_metadata("step", state.step.to_string());
    file.set_metadata("totals", json(&state.totals)?);
    file.set_metadata("recent", json(&state.recent)?);
    if state.levels.learns() {
        file.set_metadata("levels", json(&state.levels)?);
    }
    file.set_metadata("elapsed_s", elapsed_s.to_string());
    file.set_metadata("data_sha256", state.data_sha256.clone());
    Ok(file.write()?)
}

/// Rebuilds the run of `config` on `data` from the checkpoint at `path`, with the training time so far.
///
/// # Errors
/// A damaged checkpoint, or one of another config or another data set.
pub fn read(path: &Path, config: &Config, data: &Dataset, device: &Device) -> Result<(State, f64)> {
    let file = TensorFile::read(path)?;
    let bad = |field: &str, found: &str, expected: &str| {
        Error::Network(dm_nn::Error::format(path, field, found, expected))
    };
    let schema = file.metadata("schema")?;
    if schema != SCHEMA {
        return Err(bad("schema", schema, SCHEMA));
    }
    // Parsed: a config written before a key existed means that key's default.
    if Config::parse(file.metadata("config")?, path)? != *config {
        return Err(bad("config", "another config", "the config of this run"));
    }
    let trained_on = file.metadata("data_sha256")?;
    if trained_on != data.sha256 {
        return Err(bad("data_sha256", trained_on, &format!("{} of the data given", data.sha256)));
    }
    let mut state = State::new(config, data, device)?;
    let step = file.metadata("step")?;
    state.step = step.parse().map_err(|_| bad("step", step, "a number of steps"))?;
    if state.step > state.total_steps() {
        return Err(bad("step", step, &format!("at most {}", state.total_steps())));
    }
    let totals = file.metadata("totals")?;
    state.totals = serde_json::from_str(totals).map_err(|_| bad("totals", totals, "sums of losses"))?;
    let recent = file.metadata("recent")?;
    state.recent = serde_json::from_str(recent).map_err(|_| bad("recent", recent, "a sum of losses"))?;
    if state.levels.learns() {
        let levels = file.metadata("levels")?;
        let parsed: Option<Levels> = serde_json::from_str(levels).ok();
        let parsed = parsed.filter(|parsed| state.levels.fits(parsed));
        state.levels = parsed.ok_or_else(|| bad("levels", levels, "losses of the levels of this run"))?;
    }
    let elapsed = file.metadata("elapsed_s")?;
    let elapsed_s = elapsed.parse().map_err(|_| bad("elapsed_s", elapsed, "seconds"))?;

    load_learned(&file, &state.params, state.average.as_ref(), &state.optimizer, device)?;
    Ok((state, elapsed_s))
}

/// Puts weights, their average and the optimiser's moments into `file`.
pub(crate) fn insert_learned(
    file: &mut TensorFile,
    params: &Params,
    average: Option<&Params>,
    optimizer: &Adam,
) -> Result<()> {
    insert(file, "param", params)?;
    if let Some(average) = average {
        insert(file, "average", average)?;
    }
    for slot in optimizer.slots() {
        file.insert(format!("adam.m/{}", slot.name), &slot.m)?;
        file.insert(format!("adam.v/{}", slot.name), &slot.v)?;
    }
    Ok(())
}

/// Sets what [`insert_learned`] has put into `file`; after an error nothing has changed.
pub(crate) fn load_learned(
    file: &TensorFile,
    params: &Params,
    average: Option<&Params>,
    optimizer: &Adam,
    device: &Device,
) -> Result<()> {
    let mut expected = staged(file, "param", params.iter())?;
    if let Some(average) = average {
        expected.extend(staged(file, "average", average.iter())?);
    }
    let slots = optimizer.slots();
    expected.extend(staged(file, "adam.m", slots.iter().map(|s| (s.name.as_str(), &s.m)))?);
    expected.extend(staged(file, "adam.v", slots.iter().map(|s| (s.name.as_str(), &s.v)))?);
    if let Some(extra) = file.names().find(|name| !expected.iter().any(|(known, ..)| known == name)) {
        let found = "a tensor the run does not have";
        return Err(Error::Network(dm_nn::Error::format(file.path(), extra, found, "no such tensor")));
    }
    for (_, var, value) in &expected {
        var.set(&Tensor::from_slice(value, var.shape(), device)?)?;
    }
    Ok(())
}

/// Name in the file, variable and value of every variable of one group, checked and not yet set.
fn staged<'a>(
    file: &'a TensorFile,
    group: &str,
    vars: impl Iterator<Item = (&'a str, &'a Var)>,
) -> Result<Vec<(String, Var, &'a [f32])>> {
    let stage = |(name, var): (&str, &Var)| {
        let name = format!("{group}/{name}");
        let value = file.expect(&name, var.dims())?;
        Ok((name, var.clone(), value))
    };
    vars.map(stage).collect()
}

fn insert(file: &mut TensorFile, group: &str, params: &Params) -> Result<()> {
    for (name, var) in params.iter() {
        file.insert(format!("{group}/{name}"), var)?;
    }
    Ok(())
}

/// `value` as JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::invalid("JSON", e, "finite numbers"))
}
