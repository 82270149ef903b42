//! The registry: every degradation of this project, by the name that configs and the command line use.
//!
//! Documentation, property tests and sweeps iterate over it. The rest of the library takes `&dyn Degradation` and does not
//! know the registry, so a degradation of your own does not have to be in it.

use dm_nn::data::Images;
use dm_nn::image::ImageShape;
use serde::{Deserialize, Serialize};

use super::blur::{self, Blur, BlurConfig};
use super::entry::Entry;
use super::fade::{self, Fade, FadeConfig};
use super::gaussian::{self, Gaussian, GaussianConfig};
use super::ink::{self, Ink, InkConfig};
use super::intensity_statistics::IntensityStatistics;
use super::morph::{self, Morph, MorphConfig};
use super::pixelate::{self, Pixelate, PixelateConfig};
use super::snow::{self, Snow, SnowConfig};
use super::stir::{self, Stir, StirConfig};
use crate::degradation::Degradation;
use crate::error::Result;

/// One registered degradation.
#[derive(Clone, Copy, Serialize)]
pub struct Registered {
    /// Its description.
    #[serde(flatten)]
    pub entry: Entry,
    /// Its config with every default.
    #[serde(skip)]
    pub config: fn() -> DegradationConfig,
}

/// Every registered degradation.
pub const REGISTRY: &[Registered] = &[
    Registered { entry: gaussian::ENTRY, config: || DegradationConfig::Gaussian(GaussianConfig::default()) },
    Registered { entry: ink::ENTRY, config: || DegradationConfig::Ink(InkConfig::default()) },
    Registered { entry: blur::ENTRY, config: || DegradationConfig::Blur(BlurConfig::default()) },
    Registered { entry: fade::ENTRY, config: || DegradationConfig::Fade(FadeConfig::default()) },
    Registered { entry: pixelate::ENTRY, config: || DegradationConfig::Pixelate(PixelateConfig::default()) },
    Registered { entry: snow::ENTRY, config: || DegradationConfig::Snow(SnowConfig::default()) },
    Registered { entry: morph::ENTRY, config: || DegradationConfig::Morph(MorphConfig::default()) },
    Registered { entry: stir::ENTRY, config: || DegradationConfig::Stir(StirConfig::default()) },
];

/// Which degradation, with its parameters: the table `[degradation]` of a config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DegradationConfig {
    /// Gaussian noise, variance preserving.
    Gaussian(GaussianConfig),
    /// Grains that walk at random and fade.
    Ink(InkConfig),
    /// The heat equation, or a kernel applied again and again.
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
    /// What the degradation has to know of a training set, as a few numbers that are stored with the model. No particular
    /// image is kept.
    pub fn fit(&self, images: &Images) -> Vec<f32> {
        match self {
            Self::Gaussian(_) | Self::Fade(_) | Self::Snow(_) | Self::Morph(_) => Vec::new(),
            Self::Ink(_) | Self::Blur(_) | Self::Pixelate(_) => IntensityStatistics::fit(images),
            Self::Stir(_) => stir::fit(images),
        }
    }

    /// Builds the degradation for images of `shape`; `fitted` is what [`Self::fit`] returned.
    ///
    /// # Errors
    /// Names the first field outside its domain.
    pub fn build(&self, shape: ImageShape, fitted: &[f32]) -> Result<Box<dyn Degradation>> {
        Ok(match self {
            Self::Gaussian(config) => Box::new(Gaussian::new(config, shape)?),
            Self::Ink(config) => Box::new(Ink::new(config, shape, fitted)?),
            Self::Blur(config) => Box::new(Blur::new(config, shape, fitted)?),
            Self::Fade(config) => Box::new(Fade::new(config, shape)?),
            Self::Pixelate(config) => Box::new(Pixelate::new(config, shape, fitted)?),
            Self::Snow(config) => Box::new(Snow::new(config, shape)?),
            Self::Morph(config) => Box::new(Morph::new(config, shape)?),
            Self::Stir(config) => Box::new(Stir::new(config, shape, fitted)?),
        })
    }

    /// Builds the degradation as if it had been fitted to blank images: enough to check the config, or anything that has to
    /// fit it, before the data are read.
    ///
    /// # Errors
    /// Names the first field outside its domain.
    pub fn build_unfitted(&self, shape: ImageShape) -> Result<Box<dyn Degradation>> {
        shape.check("image")?;
        let blank = Images { shape, num_classes: 0, pixels: vec![0; shape.len()], labels: vec![0] };
        self.build(shape, &self.fit(&blank))
    }
}
