//! Model files: weights that carry their config, so that one file rebuilds network, degradation and sampler.
//!
//! The tensors are exactly the network's parameters under their own names; everything else is metadata.

use std::path::{Path, PathBuf};

use candle_core::Device;
use dm_degrade::degradation::Degradation;
use dm_degrade::restorer::NetworkRestorer;
use dm_nn::nets::Network;
use dm_nn::params::Params;
use dm_nn::params::file::TensorFile;

use crate::checkpoint::{SCHEMA, json};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::train::State;

/// A trained model, ready to sample from.
pub struct Model {
    /// The config it was trained with.
    pub config: Config,
    /// The forward process.
    pub degradation: Box<dyn Degradation>,
    /// What the process knows of the training set.
    pub fitted: Vec<f32>,
    /// Steps it was trained for.
    pub step: u64,
    /// Number of parameters.
    pub parameters: usize,
    /// Where it was read from.
    pub path: PathBuf,
    /// Where it computes.
    pub device: Device,
    network: Box<dyn Network>,
}

/// File name of the model in a run folder.
pub const FILE: &str = "model.safetensors";

/// Writes the evaluation weights of `state` to `path`, atomically.
///
/// # Errors
/// If the disk says so.
pub fn write(path: &Path, state: &State) -> Result<()> {
    write_parts(path, &state.config, &state.fitted, state.step, &state.data_sha256, state.evaluation_params())
}

/// Writes a model from its parts, atomically.
///
/// # Errors
/// If the disk says so.
pub fn write_parts(
    path: &Path,
    config: &Config,
    fitted: &[f32],
    step: u64,
    data_sha256: &str,
    params: &Params,
) -> Result<()> {
    let mut file = TensorFile::new(path);
    for (name, var) in params.iter() {
        file.insert(name, var)?;
    }
    file.set_metadata("schema", SCHEMA);
    file.set_metadata("config", config.to_toml()?);
    file.set_metadata("fitted", json(&fitted)?);
    file.set_metadata("step", step.to_string());
    file.set_metadata("data_sha256", data_sha256);
    Ok(file.write()?)
}

impl Model {
    /// Reads a model file, or the model of a run folder.
    ///
    /// # Errors
    /// A missing or damaged file, or tensors that are not exactly the network's.
    pub fn read(path: &Path, device: &Device) -> Result<Self> {
        let path = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
        let file = TensorFile::read(&path)?;
        let bad = |field: &str, found: &str, expected: &str| {
            Error::Network(dm_nn::Error::format(&path, field, found, expected))
        };
        if file.has_metadata("judge") {
            return Err(bad(
                "metadata `config`",
                "a judge",
                "a diffusion model; judges are for `dm eval --judge`",
            ));
        }
        if !file.has_metadata("config") {
            return Err(bad("metadata `config`", "none", "a model written by `dm train` or `dm import`"));
        }
        let schema = file.metadata("schema")?;
        if schema != SCHEMA {
            return Err(bad("schema", schema, SCHEMA));
        }
        let config = Config::parse(file.metadata("config")?, &path)?;
        let fitted = file.metadata("fitted")?;
        let fitted: Vec<f32> =
            serde_json::from_str(fitted).map_err(|_| bad("fitted", fitted, "a list of numbers"))?;
        let step = file.metadata("step")?;
        let step = step.parse().map_err(|_| bad("step", step, "a number of steps"))?;
        let degradation = config.degradation.build(&fitted)?;
        let mut params = Params::new(config.seed, device);
        let network = config.network.build(degradation.channels(), 1, params.frozen())?;
        params.load(&file, "")?;
        let parameters = params.count();
        Ok(Self { config, degradation, fitted, step, parameters, path, device: device.clone(), network })
    }

    /// The network as a restorer, not told any class.
    pub fn restorer(&self) -> NetworkRestorer<'_> {
        NetworkRestorer {
            network: &*self.network,
            prediction: self.config.objective.prediction,
            degradation: &*self.degradation,
            device: &self.device,
            condition: None,
        }
    }
}
