//! The description of a degradation for the registry, the command line and the documentation.

use serde::Serialize;

use crate::parameterization::ParameterizationKind;
use crate::samplers::SamplerKind;

/// The description of one registered degradation.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Entry {
    /// The name in configs and on the command line.
    pub name: &'static str,
    /// What the degradation does, in one line.
    pub summary: &'static str,
    /// The state at timestep t.
    pub formula: &'static str,
    /// The random numbers of one image.
    pub noise: &'static str,
    /// The distribution that sampling starts from, and what it takes from the training set.
    pub prior: &'static str,
    /// Whether the degradation can be inverted, with what, how far and how exactly.
    pub inverse: &'static str,
    /// The keys of its config, each with its meaning and default.
    pub parameters: &'static [(&'static str, &'static str)],
    /// The publication that the degradation comes from.
    pub source: &'static str,
    /// The parameterization that works best with it.
    pub parameterization: ParameterizationKind,
    /// The sampler that works best with it.
    pub sampler: SamplerKind,
}
