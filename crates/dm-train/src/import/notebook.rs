//! Checkpoints of the starter notebook (a PyTorch state_dict of its DDPM).
//!
//! The state_dict holds the network's parameters, the frequencies of the time embedding, and the tables beta_t and alpha_t, from
//! which T and the schedule are read. The shape of the LayerNorm weights tells whether a norm runs over all channels or over
//! single planes, and gives the height and width of the images.

use std::path::Path;

use candle_core::Device;
use dm_degrade::degradations::{DegradationConfig, GaussianConfig};
use dm_degrade::model::{self, Description};
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{ParameterizationKind, SamplerKind, Sampling};
use dm_nn::image::ImageShape;
use dm_nn::nets::{BuildNetwork, NetworkConfig, Norm, RefCnnConfig, frequencies};
use dm_nn::params::file::TensorFile;
use dm_nn::params::{Params, checkpoint};
use dm_nn::rng::Seed;

use super::names::{self, Split};
use super::schedule;
use crate::config::{DataConfig, DiffusionConfig, DiffusionTrainingConfig, ObjectiveConfig, RunConfig};
use crate::error::{Error, Result};
use crate::optimizer::OptimizerConfig;

/// The parameter by which the network is found in a checkpoint.
const FIRST: &str = "blocks.0.net.0.weight";
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
    /// A line about tensors that were ignored, if there are any.
    pub note: Option<String>,
}

/// Converts the checkpoint at `from` to a model file at `to`.
///
/// # Errors
/// If the file is not a checkpoint of the starter notebook. The error names the tensor, and nothing is written.
pub fn notebook(from: &Path, to: &Path) -> Result<Imported> {
    convert(&checkpoint::read(from, None)?.tensors, "", to)
}

/// Converts the state_dict in `file` to a model file at `to`. If the file holds several networks, `prefix` chooses the one whose
/// parameters have names that begin with it; otherwise it may be empty.
///
/// # Errors
/// As [`notebook`].
pub fn convert(file: &TensorFile, prefix: &str, to: &Path) -> Result<Imported> {
    let Split { weights, tables, note } = names::split(file, prefix, FIRST)?;
    let (network, shape) = network_of(&weights, &tables)?;
    let schedule = schedule::schedule(&tables)?;
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
    Ok(Imported { config, assumed_schedule, note })
}

/// The config of the network whose parameters are in `file`, and the shape of its images.
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
    let Some((&[_, inputs, _, _], _)) = file.get(FIRST) else {
        return Err(bad(FIRST, "another shape".into(), "[C, C_in, 7, 7]"));
    };
    let shape = ImageShape::new(inputs, image.0, image.1);
    Ok((RefCnnConfig { channels, norm }, shape))
}
