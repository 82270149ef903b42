//! The registry: one file per degradation, one line here. Command line, documentation, property tests and sweeps iterate
//! it.

pub mod blur;
pub mod fade;
mod fitted;
pub mod gaussian;
pub mod ink;
pub mod morph;
pub mod pixelate;
pub mod snow;
pub mod stir;

use dm_nn::data::Images;
use serde::{Deserialize, Serialize};

use crate::degradation::Degradation;
use crate::error::{Error, Result};
use crate::prediction::Prediction;
use crate::samplers::SamplerKind;

pub use blur::BlurConfig;
pub use fade::FadeConfig;
pub use gaussian::GaussianConfig;
pub use ink::InkConfig;
pub use morph::MorphConfig;
pub use pixelate::PixelateConfig;
pub use snow::SnowConfig;
pub use stir::StirConfig;

/// One registered degradation, in words and with its defaults.
#[derive(Serialize)]
pub struct Entry {
    /// Name in configs and on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The state at level t.
    pub formula: &'static str,
    /// What the randomness of one image is.
    pub key: &'static str,
    /// Where sampling starts, and what that state knows.
    pub prior: &'static str,
    /// How far it can be undone, with what, to which tolerance.
    pub inverse: &'static str,
    /// Keys of its config, each with its meaning and default.
    pub parameters: &'static [(&'static str, &'static str)],
    /// Where it comes from.
    pub source: &'static str,
    /// What a network best predicts for it.
    pub prediction: Prediction,
    /// What it is best sampled with.
    pub sampler: SamplerKind,
    /// Its config with every default.
    #[serde(skip)]
    pub config: fn() -> DegradationConfig,
}

/// Every degradation there is.
pub const REGISTRY: &[Entry] = &[
    gaussian::ENTRY,
    ink::ENTRY,
    blur::ENTRY,
    fade::ENTRY,
    pixelate::ENTRY,
    snow::ENTRY,
    morph::ENTRY,
    stir::ENTRY,
];

/// Which degradation, with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DegradationConfig {
    /// Gaussian noise, variance preserving.
    Gaussian(GaussianConfig),
    /// Ink: grains that diffuse.
    Ink(InkConfig),
    /// Blur: the heat equation, or a kernel applied again and again.
    Blur(BlurConfig),
    /// A hole that grows from a random centre.
    Fade(FadeConfig),
    /// Ever larger squares of even grey.
    Pixelate(PixelateConfig),
    /// Falling snow.
    Snow(SnowConfig),
    /// A blend into an invented letter.
    Morph(MorphConfig),
    /// Rows and columns shifted to and fro.
    Stir(StirConfig),
}

impl DegradationConfig {
    /// What the degradation has to know of a training set, as a few numbers for the checkpoint. Nothing of a particular
    /// image is kept.
    pub fn fit(&self, images: &Images) -> Vec<f32> {
        match self {
            Self::Gaussian(_) | Self::Fade(_) | Self::Snow(_) | Self::Morph(_) => Vec::new(),
            Self::Ink(_) => ink::fit(images),
            Self::Blur(_) | Self::Pixelate(_) => fitted::InkLaw::fit(images),
            Self::Stir(_) => stir::fit(images),
        }
    }

    /// Builds the degradation; `fitted` is what [`Self::fit`] returned.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn build(&self, fitted: &[f32]) -> Result<Box<dyn Degradation>> {
        Ok(match self {
            Self::Gaussian(config) => Box::new(gaussian::Gaussian::new(config)?),
            Self::Ink(config) => Box::new(ink::Ink::new(config, fitted)?),
            Self::Blur(config) => Box::new(blur::Blur::new(config, fitted)?),
            Self::Fade(config) => Box::new(fade::Fade::new(config)?),
            Self::Pixelate(config) => Box::new(pixelate::Pixelate::new(config, fitted)?),
            Self::Snow(config) => Box::new(snow::Snow::new(config)?),
            Self::Morph(config) => Box::new(morph::Morph::new(config)?),
            Self::Stir(config) => Box::new(stir::Stir::new(config, fitted)?),
        })
    }
}

/// Checks T, where every level has a table of its own.
fn check_steps(steps: usize) -> Result<()> {
    if (1..=10_000).contains(&steps) {
        return Ok(());
    }
    Err(Error::invalid("degradation.steps", steps, "1 to 10000"))
}

/// Checks that spreads ascend, in pixels.
fn check_spreads(sigma_min: f64, sigma_max: f64) -> Result<()> {
    if sigma_min > 0.0 && sigma_min < sigma_max && sigma_max <= 100.0 {
        return Ok(());
    }
    let found = format!("{sigma_min} and {sigma_max}");
    Err(Error::invalid("degradation.sigma_min, sigma_max", found, "0 < sigma_min < sigma_max <= 100"))
}

/// Clamps to the values that images have.
fn clamp(values: impl IntoIterator<Item = f32>) -> Vec<f32> {
    values.into_iter().map(|v| v.clamp(0.0, 1.0)).collect()
}
