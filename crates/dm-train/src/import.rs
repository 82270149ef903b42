//! Checkpoints of the starter notebook (a PyTorch state_dict of its DDPM) as models of this project.
//!
//! The state_dict holds the network's parameters (with or without the prefix `gt.`), the time frequencies, and the
//! tables beta_t and alpha_t, from which T and the betas are read. Joint and plane LayerNorm are told apart by shape.

use std::path::Path;

use candle_core::Device;
use dm_degrade::degradation::Level;
use dm_degrade::degradations::{DegradationConfig, GaussianConfig};
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{Prediction, SamplerKind, Sampling};
use dm_nn::nets::{NetworkConfig, Norm, RefCnnConfig, frequencies};
use dm_nn::params::file::TensorFile;
use dm_nn::params::{Params, pth};
use dm_nn::rng::Seed;

use crate::config::{Config, DataConfig, ObjectiveConfig, OptimizerConfig, TrainingConfig};
use crate::error::{Error, Result};
use crate::model;

/// Converts the checkpoint at `from` into a model file at `to`; returns the model's config.
///
/// # Errors
/// A file that is no checkpoint of the notebook, by tensor, found and expected; then nothing is written.
pub fn notebook(from: &Path, to: &Path) -> Result<Config> {
    let (weights, tables) = split(&pth::read(from)?);
    let config = config_of(&weights, &tables)?;
    let mut params = Params::new(config.seed, &Device::Cpu);
    config.network.build(1, 1, params.frozen())?;
    params.load(&weights, "")?;
    model::write_parts(to, &config, &[], 0, "", &params)?;
    Ok(config)
}

/// The network's parameters without `gt.`, and the tables that are no parameters.
fn split(file: &TensorFile) -> (TensorFile, TensorFile) {
    let (mut weights, mut tables) = (TensorFile::new(file.path()), TensorFile::new(file.path()));
    for name in file.names() {
        let Some((shape, values)) = file.get(name) else { continue };
        let short = name.strip_prefix("gt.").unwrap_or(name);
        let table = ["frequencies", "beta_t", "alpha_t"].contains(&short);
        let part = if table { &mut tables } else { &mut weights };
        part.insert_values(short, shape.to_vec(), values.to_vec());
    }
    (weights, tables)
}

fn config_of(file: &TensorFile, tables: &TensorFile) -> Result<Config> {
    let bad = |field: &str, found: String, expected: &str| {
        Error::Network(dm_nn::Error::format(file.path(), field, found, expected))
    };
    let mut channels = Vec::new();
    let mut norm = Norm::Joint;
    while let Some((shape, _)) = file.get(&format!("blocks.{}.net.1.weight", channels.len())) {
        norm = if shape.len() == 2 { Norm::Plane } else { Norm::Joint };
        let conv = format!("blocks.{}.net.0.weight", channels.len());
        let (shape, _) = file.get(&conv).ok_or_else(|| bad(&conv, "none".into(), "a convolution"))?;
        channels.push(*shape.first().unwrap_or(&0));
    }
    if channels.is_empty() {
        return Err(bad(
            "blocks.0.net.1.weight",
            "none".into(),
            "the notebook's DDPM (CNN with LayerNorm blocks)",
        ));
    }
    if let Some((_, found)) = tables.get("frequencies") {
        let known = frequencies();
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
        if found.len() != known.len() || !found.iter().zip(&known).all(close) {
            return Err(bad("frequencies", format!("{found:?}"), "0 and 2 pi 1.5^i, i = 0..14"));
        }
    }
    let degradation = match tables.get("beta_t") {
        None => GaussianConfig {
            schedule: ScheduleConfig::Linear { beta_1: 1e-4, beta_t: 0.02 },
            range: 0.5,
            ..GaussianConfig::default()
        },
        Some((_, beta)) => linear(file, beta)?,
    };
    let steps = degradation.steps;
    let config = Config {
        name: "imported".into(),
        seed: Seed(1),
        data: DataConfig::default(),
        network: NetworkConfig::RefCnn(RefCnnConfig { channels, norm }),
        degradation: DegradationConfig::Gaussian(degradation),
        objective: ObjectiveConfig { last_level: false, ..ObjectiveConfig::new(Prediction::Eps) },
        optimizer: OptimizerConfig::default(),
        training: TrainingConfig::default(),
        sampling: Sampling::new(SamplerKind::Prince, steps),
    };
    config.check()?;
    Ok(config)
}

/// The linear schedule whose table is `beta`.
fn linear(file: &TensorFile, beta: &[f32]) -> Result<GaussianConfig> {
    let bad = |field: &str, found: String, expected: &str| {
        Error::Network(dm_nn::Error::format(file.path(), field, found, expected))
    };
    let [first, .., last] = beta else {
        return Err(bad("beta_t", format!("{} values", beta.len()), "T + 1 values, T >= 1"));
    };
    let steps = beta.len() - 1;
    // The notebook's f32 tables; six digits give back the numbers that were typed.
    let round = |beta: f32| format!("{beta:.6e}").parse::<f64>().unwrap_or(f64::from(beta));
    let schedule = ScheduleConfig::Linear { beta_1: round(*first), beta_t: round(*last) };
    let table = schedule.table(steps)?;
    let off = (0..=steps).find(|&t| (table.beta(Level(t)) - f64::from(beta[t])).abs() > 1e-6);
    if let Some(t) = off {
        return Err(bad(&format!("beta_t, entry {t}"), beta[t].to_string(), "a linear schedule"));
    }
    Ok(GaussianConfig { steps, schedule, range: 0.5, cold: false })
}
