//! What a judge's run leaves in its folder: lines of metrics, a checkpoint and the judge itself after every epoch.
//!
//! A stopped or killed run continues from the end of its last epoch, which is at most a minute back.

use std::path::Path;

use candle_core::Device;
use dm_nn::data::Dataset;
use dm_nn::params::file::TensorFile;
use serde_json::json;

use super::config::Config;
use super::train::{Event, State};
use crate::checkpoint::{SCHEMA, insert_learned, json, load_learned};
use crate::error::{Error, Result};
use crate::model;
use crate::observers::{Clock, Lines};
use crate::run::Run;

/// Writes a run's files.
pub struct Recorder<'a> {
    run: &'a Run,
    lines: Lines,
    clock: &'a Clock<'a>,
    since: (f64, u64),
}

impl<'a> Recorder<'a> {
    /// Records `state`'s run into `run`, from where it is; `clock` tells the training time.
    ///
    /// # Errors
    /// If the disk says so.
    pub fn new(run: &'a Run, state: &State, clock: &'a Clock<'a>) -> Result<Self> {
        let lines = Lines::new(run.folder().join("metrics.jsonl"));
        lines.cut(state.step)?;
        run.write_manifest(&state.standing("running", clock().as_secs_f64()))?;
        Ok(Self { run, lines, clock, since: (0.0, 0) })
    }

    /// Sees one event.
    ///
    /// # Errors
    /// If the disk says so.
    pub fn see(&mut self, event: &Event, state: &State) -> Result<()> {
        match *event {
            Event::Step { epoch, loss, learning_rate } => {
                self.since = (self.since.0 + loss, self.since.1 + 1);
                if !state.step.is_multiple_of(state.config.training.log_every) {
                    return Ok(());
                }
                let loss = self.since.0 / self.since.1 as f64;
                self.since = (0.0, 0);
                self.lines.append(&json!({
                    "event": "step", "step": state.step, "epoch": epoch, "loss": loss, "lr": learning_rate,
                }))
            }
            Event::Epoch { epoch, train_loss, test_accuracy } => {
                self.lines.append(&json!({
                    "event": "epoch", "step": state.step, "epoch": epoch,
                    "train_loss": train_loss, "test_accuracy": test_accuracy,
                }))?;
                let elapsed_s = (self.clock)().as_secs_f64();
                write_model(&self.run.folder().join(model::FILE), state, test_accuracy)?;
                write_checkpoint(&self.run.checkpoint(), state, elapsed_s)?;
                let status = if state.step < state.total_steps() { "running" } else { "complete" };
                self.run.write_manifest(&state.standing(status, elapsed_s))
            }
        }
    }
}

/// Writes the judge to `path`, atomically: its parameters, with sizes, config, data and accuracy as metadata.
///
/// # Errors
/// If the disk says so.
pub fn write_model(path: &Path, state: &State, test_accuracy: f64) -> Result<()> {
    let mut file = TensorFile::new(path);
    for (name, var) in state.evaluation_params().iter() {
        file.insert(name, var)?;
    }
    file.set_metadata("schema", SCHEMA);
    file.set_metadata("judge", json(&state.config.judge)?);
    file.set_metadata("name", state.config.name.clone());
    file.set_metadata("test_accuracy", test_accuracy.to_string());
    describe(&mut file, state)?;
    Ok(file.write()?)
}

fn describe(file: &mut TensorFile, state: &State) -> Result<()> {
    file.set_metadata("judge_config", state.config.to_toml()?);
    file.set_metadata("step", state.step.to_string());
    file.set_metadata("data_sha256", state.data_sha256.clone());
    Ok(())
}

fn write_checkpoint(path: &Path, state: &State, elapsed_s: f64) -> Result<()> {
    let mut file = TensorFile::new(path);
    insert_learned(&mut file, &state.params, state.average.as_ref(), &state.optimizer)?;
    describe(&mut file, state)?;
    file.set_metadata("elapsed_s", elapsed_s.to_string());
    Ok(file.write()?)
}

/// Rebuilds the run of `config` on `data` from the checkpoint at `path`, with the training time so far in seconds.
///
/// # Errors
/// A damaged checkpoint, or one of another config or another data set.
pub fn read_checkpoint(
    path: &Path,
    config: &Config,
    data: &Dataset,
    device: &Device,
) -> Result<(State, f64)> {
    let file = TensorFile::read(path)?;
    let bad = |field: &str, found: &str, expected: &str| {
        Error::Network(dm_nn::Error::format(path, field, found, expected))
    };
    if file.metadata("judge_config")? != config.to_toml()? {
        return Err(bad("judge_config", "another config", "the config of this run"));
    }
    if file.metadata("data_sha256")? != data.sha256 {
        return Err(bad("data_sha256", "another data set", &data.sha256));
    }
    let mut state = State::new(config, &data.train, &data.sha256, device)?;
    let step = file.metadata("step")?;
    let known = step.parse().ok().filter(|&step: &u64| step <= state.total_steps());
    state.step = known.ok_or_else(|| bad("step", step, &format!("at most {}", state.total_steps())))?;
    let elapsed = file.metadata("elapsed_s")?;
    let elapsed_s = elapsed.parse().map_err(|_| bad("elapsed_s", elapsed, "seconds"))?;
    load_learned(&file, &state.params, state.average.as_ref(), &state.optimizer, device)?;
    Ok((state, elapsed_s))
}
