//! Checkpoints of the starter notebook (a PyTorch state_dict of its DDPM) as models of this project.
//!
//! The state_dict holds the network's parameters (with or without the prefix `gt.`), the frequencies of the time embedding,
//! and the tables beta_t and alpha_t, from which T and the schedule are read. The shape of the LayerNorm weights tells
//! whether a norm runs over all channels or over single planes, and gives the height and width of the images.

use std::path::Path;

use candle_core::Device;
use dm_degrade::degradations::{DegradationConfig, GaussianConfig};
use dm_degrade::model::{self, Description};
use dm_degrade::schedule::{Schedule, ScheduleConfig};
use dm_degrade::{ParameterizationKind, SamplerKind, Sampling, Timestep};
use dm_nn::image::ImageShape;
use dm_nn::nets::{BuildNetwork, NetworkConfig, Norm, RefCnnConfig, frequencies};
use dm_nn::params::file::TensorFile;
use dm_nn::params::{Params, pth};
use dm_nn::rng::Seed;

use crate::config::{DataConfig, DiffusionConfig, DiffusionTrainingConfig, ObjectiveConfig, RunConfig};
use crate::error::{Error, Result};
use crate::optimizer::OptimizerConfig;

/// Prefixes that PyTorch's wrappers put before the names of parameters (`DataParallel`, `torch.compile`), and the name of the
/// network in the starter notebook's DDPM.
const PREFIXES: [&str; 3] = ["module.", "_orig_mod.", "gt."];
/// The starter notebook's schedule.
const NOTEBOOK_SCHEDULE: ScheduleConfig = ScheduleConfig::Linear { beta_1: 1e-4, beta_t: 0.02 };
/// The starter notebook scales images to [-0.5, 0.5].
const NOTEBOOK_RANGE: f32 = 0.5;

/// The result of converting a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The config of the model.
    pub config: DiffusionConfig,
    /// Whether the checkpoint has no schedule, so that the starter notebook's was assumed.
    pub assumed_schedule: bool,
}

/// Converts the checkpoint at `from` to a model file at `to`.
///
/// # Errors
/// If the file is not a checkpoint of the starter notebook. The error names the tensor, and nothing is written.
pub fn notebook(from: &Path, to: &Path) -> Result<Imported> {
    convert(&pth::read(from)?, to)
}

/// Converts the state_dict in `file` to a model file at `to`.
///
/// # Errors
/// As [`notebook`].
pub fn convert(file: &TensorFile, to: &Path) -> Result<Imported> {
    let (weights, tables) = split(file);
    let (network, shape) = network_of(&weights, &tables)?;
    let schedule = tables.get("beta_t").map(|(_, beta)| schedule_of(&weights, beta)).transpose()?;
    let assumed_schedule = schedule.is_none();
    let (timesteps, schedule) = schedule.unwrap_or((1000, NOTEBOOK_SCHEDULE));
    let process = GaussianConfig { timesteps, schedule, range: NOTEBOOK_RANGE, cold: false };
    let config = DiffusionConfig {
        name: "imported".into(),
        seed: Seed(1),
        num_classes: Some(0),
        image: Some(shape),
        data: DataConfig::default(),
        network: NetworkConfig::RefCnn(network),
        degradation: DegradationConfig::Gaussian(process),
        objective: ObjectiveConfig {
            include_last_timestep: false,
            ..ObjectiveConfig::new(ParameterizationKind::Eps)
        },
        optimizer: OptimizerConfig::default(),
        training: DiffusionTrainingConfig::default(),
        sampling: Sampling::new(SamplerKind::DdpmNotebook, timesteps),
    };
    // Parsing the written text checks every field.
    let text = RunConfig::Diffusion(config.clone()).to_toml()?;
    RunConfig::parse(&text, file.path())?;

    let mut params = Params::new(config.seed, &Device::Cpu);
    config.network.build(shape, shape.channels, params.frozen())?;
    params.load(&weights, "")?;
    let description = Description { config: &text, fitted: &[], class_names: &[], step: 0, data_sha256: "" };
    model::write(to, &description, &params)?;
    Ok(Imported { config, assumed_schedule })
}

/// The network's parameters without prefixes, and the tables that are not parameters.
fn split(file: &TensorFile) -> (TensorFile, TensorFile) {
    let (mut weights, mut tables) = (TensorFile::new(file.path()), TensorFile::new(file.path()));
    for name in file.names() {
        let Some((shape, values)) = file.get(name) else { continue };
        let mut short = name;
        while let Some(rest) = PREFIXES.iter().find_map(|prefix| short.strip_prefix(prefix)) {
            short = rest;
        }
        let is_table = ["frequencies", "beta_t", "alpha_t"].contains(&short);
        let part = if is_table { &mut tables } else { &mut weights };
        part.insert_values(short, shape.to_vec(), values.to_vec());
    }
    (weights, tables)
}

/// The network whose parameters are in `file`, and the shape of its images.
fn network_of(file: &TensorFile, tables: &TensorFile) -> Result<(RefCnnConfig, ImageShape)> {
    let bad = |field: &str, found: String, expected: &str| Error::format(file.path(), field, found, expected);
    let notebook = "the starter notebook's DDPM (a CNN of blocks with LayerNorm)";
    let mut channels = Vec::new();
    let mut norm = Norm::Joint;
    let mut image = (0, 0);
    loop {
        let weight = format!("blocks.{}.net.1.weight", channels.len());
        let Some((shape, _)) = file.get(&weight) else { break };
        (norm, image) = match *shape {
            [height, width] => (Norm::Plane, (height, width)),
            [_, height, width] => (Norm::Joint, (height, width)),
            _ => return Err(bad(&weight, format!("shape {shape:?}"), "[C, H, W] or [H, W]")),
        };
        let conv = format!("blocks.{}.net.0.weight", channels.len());
        let (shape, _) = file.get(&conv).ok_or_else(|| bad(&conv, "none".into(), "a convolution"))?;
        channels.push(*shape.first().unwrap_or(&0));
    }
    if channels.is_empty() {
        return Err(bad("blocks.0.net.1.weight", "none".into(), notebook));
    }
    if let Some((_, found)) = tables.get("frequencies") {
        let known = frequencies();
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
        if found.len() != known.len() || !found.iter().zip(&known).all(close) {
            return Err(bad("frequencies", format!("{found:?}"), "0 and 2 pi 1.5^i, i = 0..14"));
        }
    }
    let Some((&[_, inputs, _, _], _)) = file.get("blocks.0.net.0.weight") else {
        return Err(bad("blocks.0.net.0.weight", "another shape".into(), "[C, C_in, 7, 7]"));
    };
    let shape = ImageShape::new(inputs, image.0, image.1);
    Ok((RefCnnConfig { channels, norm }, shape))
}

/// T and the schedule whose table is `beta`: linear or cosine.
fn schedule_of(file: &TensorFile, beta: &[f32]) -> Result<(usize, ScheduleConfig)> {
    let [first, .., last] = beta else {
        let found = format!("{} values", beta.len());
        return Err(Error::format(file.path(), "beta_t", found, "T + 1 values, T >= 1"));
    };
    let timesteps = beta.len() - 1;
    // The first entry where the tables differ by more than the rounding of f32; the first entry if the schedule is not valid.
    let difference = |schedule: ScheduleConfig| {
        let table = schedule.table(timesteps).ok();
        let differs =
            |table: &Schedule, t: usize| (table.beta(Timestep(t)) - f64::from(beta[t])).abs() > 1e-6;
        (0..=timesteps).find(|&t| table.as_ref().is_none_or(|table| differs(table, t)))
    };
    if difference(ScheduleConfig::Cosine).is_none() {
        return Ok((timesteps, ScheduleConfig::Cosine));
    }
    // The table is f32; six digits give back the numbers that were typed.
    let round = |beta: f32| format!("{beta:.6e}").parse::<f64>().unwrap_or(f64::from(beta));
    let linear = ScheduleConfig::Linear { beta_1: round(*first), beta_t: round(*last) };
    match difference(linear) {
        None => Ok((timesteps, linear)),
        Some(t) => {
            let expected = "a linear or a cosine schedule";
            Err(Error::format(file.path(), format!("beta_t, entry {t}"), beta[t], expected))
        }
    }
}
