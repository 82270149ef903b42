//! The registry: every degradation of this project, by the name that configs and the command line use.
//!
//! Documentation, property tests and sweeps iterate over it. The rest of the library takes `&dyn Degradation` and does not
//! know the registry, so your own degradation does not have to be in it.

use dm_nn::data::Images;
use dm_nn::image::ImageShape;
use serde::{Deserialize, Serialize};

use super::blur::{self, Blur, BlurConfig};
use super::blur_noise::{self, BlurNoise, BlurNoiseConfig};
use super::entry::Entry;
use super::fade::{self, Fade, FadeConfig};
use super::fade_counts::{self, FadeCounts, FadeCountsConfig};
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
    /// The description of the degradation.
    #[serde(flatten)]
    pub entry: Entry,
    /// Returns the config with every default.
    #[serde(skip)]
    pub config: fn() -> DegradationConfig,
}

/// Every registered degradation.
pub const REGISTRY: &[Registered] = &[
    Registered { entry: gaussian::ENTRY, config: || DegradationConfig::Gaussian(GaussianConfig::default()) },
    Registered { entry: ink::ENTRY, config: || DegradationConfig::Ink(InkConfig::default()) },
    Registered {
        entry: fade_counts::ENTRY,
        config: || DegradationConfig::FadeCounts(FadeCountsConfig::default()),
    },
    Registered {
        entry: blur_noise::ENTRY,
        config: || DegradationConfig::BlurNoise(BlurNoiseConfig::default()),
    },
    Registered { entry: blur::ENTRY, config: || DegradationConfig::Blur(BlurConfig::default()) },
    Registered { entry: fade::ENTRY, config: || DegradationConfig::Fade(FadeConfig::default()) },
    Registered { entry: pixelate::ENTRY, config: || DegradationConfig::Pixelate(PixelateConfig::default()) },
    Registered { entry: snow::ENTRY, config: || DegradationConfig::Snow(SnowConfig::default()) },
    Registered { entry: morph::ENTRY, config: || DegradationConfig::Morph(MorphConfig::default()) },
    Registered { entry: stir::ENTRY, config: || DegradationConfig::Stir(StirConfig::default()) },
];

/// A registered degradation with its parameters: the table `[degradation]` of a config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DegradationConfig {
    /// Gaussian noise, variance preserving.
    Gaussian(GaussianConfig),
    /// Grains that walk at random and fade.
    Ink(InkConfig),
    /// Grains that fade in place.
    FadeCounts(FadeCountsConfig),
    /// The heat equation with Gaussian noise.
    BlurNoise(BlurNoiseConfig),
    /// The heat equation, or a kernel that is applied repeatedly.
    Blur(BlurConfig),
    /// A hole that grows from a random centre.
    Fade(FadeConfig),
    /// Growing squares of uniform grey.
    Pixelate(PixelateConfig),
    /// Falling snow.
    Snow(SnowConfig),
    /// A blend into an invented letter.
    Morph(MorphConfig),
    /// Rows and columns that waves shift back and forth.
    Stir(StirConfig),
}

impl DegradationConfig {
    /// Fits the degradation to a training set. Returns the few numbers that the degradation needs, which are stored with the
    /// model; empty for degradations that need none. No single image is stored.
    pub fn fit(&self, images: &Images) -> Vec<f32> {
        match self {
            Self::Gaussian(_) | Self::Fade(_) | Self::Snow(_) | Self::Morph(_) => Vec::new(),
            Self::FadeCounts(_) | Self::BlurNoise(_) | Self::Blur(_) | Self::Pixelate(_) => {
                IntensityStatistics::fit(images)
            }
            Self::Ink(config) => Ink::fit(config, images),
            Self::Stir(_) => stir::fit(images),
        }
    }

    /// Builds the degradation for images of `shape`; `fitted` is what [`Self::fit`] returned.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn build(&self, shape: ImageShape, fitted: &[f32]) -> Result<Box<dyn Degradation>> {
        Ok(match self {
            Self::Gaussian(config) => Box::new(Gaussian::new(config, shape)?),
            Self::Ink(config) => Box::new(Ink::new(config, shape, fitted)?),
            Self::FadeCounts(config) => Box::new(FadeCounts::new(config, shape, fitted)?),
            Self::BlurNoise(config) => Box::new(BlurNoise::new(config, shape, fitted)?),
            Self::Blur(config) => Box::new(Blur::new(config, shape, fitted)?),
            Self::Fade(config) => Box::new(Fade::new(config, shape)?),
            Self::Pixelate(config) => Box::new(Pixelate::new(config, shape, fitted)?),
            Self::Snow(config) => Box::new(Snow::new(config, shape)?),
            Self::Morph(config) => Box::new(Morph::new(config, shape)?),
            Self::Stir(config) => Box::new(Stir::new(config, shape, fitted)?),
        })
    }

    /// Builds the degradation as if it had been fitted to blank images. This is enough to check the config, and settings
    /// that depend on the degradation, before the data are read.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn build_unfitted(&self, shape: ImageShape) -> Result<Box<dyn Degradation>> {
        shape.check("image")?;
        let blank = Images { shape, num_classes: 0, pixels: vec![0; shape.len()], labels: vec![0] };
        self.build(shape, &self.fit(&blank))
    }
}
