//! Settings of the training of a diffusion model, with their defaults and their domains.

use dm_degrade::Degradation;
use dm_degrade::parameterization::Parameterization;

use crate::error::{Error, Result};
use crate::timestep_sampler::TimestepDistribution;
use crate::weighting::Weighting;

/// Settings of the training of a diffusion model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiffusionSettings {
    /// Whether the last timestep T is trained on.
    pub include_last_timestep: bool,
    /// How much the loss of each image counts in the objective.
    pub weighting: Weighting,
    /// The distribution of the timesteps of a batch.
    pub timestep_sampler: TimestepDistribution,
    /// Share of the training images whose class is hidden from a network that takes classes, so that the network also learns
    /// to predict without the class.
    pub label_dropout: f64,
    /// Number of test images whose loss is computed after each epoch; 0 switches validation off.
    pub validation_images: usize,
}

impl Default for DiffusionSettings {
    fn default() -> Self {
        Self {
            include_last_timestep: true,
            weighting: Weighting::Uniform,
            timestep_sampler: TimestepDistribution::Uniform,
            label_dropout: 0.1,
            validation_images: 1000,
        }
    }
}

impl DiffusionSettings {
    /// Checks every setting, and that `parameterization` is defined for `degradation`. Errors name the settings by their keys
    /// in a config.
    ///
    /// # Errors
    /// If a setting is outside its domain, or the parameterization or the weighting is not defined for the degradation; the
    /// error names the first one.
    pub(crate) fn check(
        &self,
        parameterization: &dyn Parameterization,
        degradation: &dyn Degradation,
    ) -> Result<()> {
        parameterization.check(degradation)?;
        self.weighting.check(parameterization, degradation)?;
        if !(0.0..1.0).contains(&self.label_dropout) {
            return Err(Error::invalid("objective.label_dropout", self.label_dropout, "0 to below 1"));
        }
        if self.last_timestep(degradation) == 0 {
            let found = format!("{} with T = {}", self.include_last_timestep, degradation.timesteps());
            let expected =
                if self.include_last_timestep { "at least one timestep" } else { "at least two timesteps" };
            return Err(Error::invalid("objective.include_last_timestep", found, expected));
        }
        Ok(())
    }

    /// The last timestep of `degradation` that is trained on; 0 if there is none.
    pub(crate) fn last_timestep(&self, degradation: &dyn Degradation) -> usize {
        degradation.timesteps().saturating_sub(usize::from(!self.include_last_timestep))
    }
}
