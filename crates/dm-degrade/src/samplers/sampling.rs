//! The table `[sampling]` of a config: the sampler, its options, how many network evaluations it may take, and where the
//! timesteps lie.

use serde::{Deserialize, Serialize};

use super::chain::Sampler;
use super::kind::{SamplerKind, Variance};
use super::spacing::Spacing;
use crate::degradation::Degradation;
use crate::error::{Error, Result};
use crate::timestep::Timestep;

/// The settings that, together with model and seed, determine a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// The sampler.
    pub sampler: SamplerKind,
    /// The number of network evaluations per image, at most. `heun` takes two per step and one in the last: 2n - 1 for n
    /// steps. See [`Self::nfe_taken`].
    pub nfe: usize,
    /// The share of fresh noise of `ddim`, 0 (deterministic) to 1 (as `ancestral`); 0 for other samplers.
    #[serde(default)]
    pub eta: f64,
    /// The variance of `ancestral`.
    #[serde(default)]
    pub variance: Variance,
    /// Where the timesteps lie.
    #[serde(default)]
    pub spacing: Spacing,
}

impl Sampling {
    /// `sampler` with at most `nfe` evaluations at evenly spaced timesteps, every option at its default.
    pub const fn new(sampler: SamplerKind, nfe: usize) -> Self {
        Self { sampler, nfe, eta: 0.0, variance: Variance::Posterior, spacing: Spacing::Uniform }
    }

    /// The sampler with its options.
    pub fn build(&self) -> Box<dyn Sampler> {
        self.sampler.build(self.variance, self.eta)
    }

    /// Checks that these settings can be used with `degradation`.
    ///
    /// # Errors
    /// If a setting cannot be used; the error names the first one.
    pub fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        let (last, sampler) = (degradation.timesteps(), self.build());
        if !(1..=last).contains(&self.nfe) {
            return Err(Error::invalid("sampling.nfe", self.nfe, format!("1 to {last}")));
        }
        sampler.check(degradation)?;
        if sampler.visits_every_timestep() && (self.nfe != last || self.spacing != Spacing::Uniform) {
            let found = format!("{} with {} spacing", self.nfe, self.spacing);
            let expected = format!("all {last} with uniform spacing for the sampler `{}`", sampler.name());
            return Err(Error::invalid("sampling.nfe", found, expected));
        }
        if !(0.0..=1.0).contains(&self.eta) {
            return Err(Error::invalid("sampling.eta", self.eta, "0 to 1"));
        }
        if self.eta != 0.0 && self.sampler != SamplerKind::Ddim {
            let expected = format!("0 for the sampler `{}`", sampler.name());
            return Err(Error::invalid("sampling.eta", self.eta, expected));
        }
        if self.variance != Variance::Posterior && self.sampler != SamplerKind::Ancestral {
            let expected = format!("posterior for the sampler `{}`", sampler.name());
            return Err(Error::invalid("sampling.variance", self.variance.name(), expected));
        }
        Ok(())
    }

    /// The timesteps to visit, from T to 0.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn timesteps(&self, degradation: &dyn Degradation) -> Result<Vec<Timestep>> {
        self.check(degradation)?;
        Ok(self.spacing.timesteps(degradation.timesteps(), self.build().intervals(self.nfe)))
    }

    /// The number of network evaluations per image that a whole chain takes.
    pub fn nfe_taken(&self) -> usize {
        let sampler = self.build();
        sampler.nfe(sampler.intervals(self.nfe).max(1))
    }

    /// Whether the state at T and its noise determine the image, because no step draws random numbers.
    pub fn is_deterministic(&self) -> bool {
        self.build().is_deterministic()
    }
}
