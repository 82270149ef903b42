//! x0: the network predicts the clean state. The loss is the mean of (output - x_0)^2.

use dm_nn::image::ImageShape;

use super::definition::Parameterization;
use super::math::{squared_error, squared_error_gradient};
use crate::degradation::Degradation;
use crate::error::Result;
use crate::timestep::{Noise, Timestep};

/// The clean state.
#[derive(Clone, Copy, Debug)]
pub struct X0;

impl Parameterization for X0 {
    fn name(&self) -> &'static str {
        "x0"
    }

    fn unit(&self) -> &'static str {
        "mean squared error of the clean state"
    }

    fn check(&self, _: &dyn Degradation) -> Result<()> {
        Ok(())
    }

    fn target(&self, _: &dyn Degradation, x0: &[f32], _: Timestep, _: &Noise, out: &mut [f32]) -> Result<()> {
        out.copy_from_slice(x0);
        Ok(())
    }

    fn loss(&self, _: ImageShape, output: &[f32], target: &[f32]) -> f32 {
        squared_error(output, target)
    }

    fn loss_gradient(&self, _: ImageShape, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        squared_error_gradient(output, target, scale, gradient);
    }

    fn estimate(
        &self,
        _: &dyn Degradation,
        _: &[f32],
        _: Timestep,
        output: &[f32],
        x0: &mut [f32],
    ) -> Result<()> {
        x0.copy_from_slice(output);
        Ok(())
    }
}
