//! The registry: one file per degradation, one line here. Command line, documentation, property tests and sweeps iterate
//! it.

pub mod gaussian;
pub mod ink;

use dm_nn::data::Images;
use serde::{Deserialize, Serialize};

use crate::degradation::Degradation;
use crate::error::Result;

pub use gaussian::GaussianConfig;
pub use ink::InkConfig;

/// One registered degradation.
pub struct Entry {
    /// Name in configs and on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Its config with every default.
    pub config: fn() -> DegradationConfig,
}

/// Every degradation there is.
pub const REGISTRY: &[Entry] = &[gaussian::ENTRY, ink::ENTRY];

/// Which degradation, with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DegradationConfig {
    /// Gaussian noise, variance preserving.
    Gaussian(GaussianConfig),
    /// Ink: grains that diffuse.
    Ink(InkConfig),
}

impl DegradationConfig {
    /// What the degradation has to know of a training set, as a few numbers for the checkpoint. Nothing of a particular
    /// image is kept.
    pub fn fit(&self, images: &Images) -> Vec<f32> {
        match self {
            Self::Gaussian(_) => Vec::new(),
            Self::Ink(_) => ink::fit(images),
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
        })
    }
}
