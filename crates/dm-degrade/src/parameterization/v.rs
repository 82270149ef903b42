//! v: the network predicts v = alpha eps - sigma x_0 of a Gaussian process (Salimans and Ho 2022).
//!
//! With x_t = alpha x_0 + sigma eps and alpha^2 + sigma^2 = 1 the estimate of the clean state is
//! x_0 = alpha x_t - sigma v. The loss is the mean of (output - v)^2.

use dm_nn::image::ImageShape;

use super::definition::{FIELD, Parameterization};
use super::math::{squared_error, squared_error_gradient};
use crate::degradation::{Degradation, require_gaussian};
use crate::error::Result;
use crate::timestep::{Noise, Timestep};

/// v = alpha eps - sigma x_0 of a Gaussian process.
#[derive(Clone, Copy, Debug)]
pub struct V;

impl Parameterization for V {
    fn name(&self) -> &'static str {
        "v"
    }

    fn unit(&self) -> &'static str {
        "mean squared error of v"
    }

    fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        require_gaussian(degradation, FIELD, self.name()).map(drop)
    }

    fn target(
        &self,
        degradation: &dyn Degradation,
        x0: &[f32],
        t: Timestep,
        noise: &Noise,
        out: &mut [f32],
    ) -> Result<()> {
        let (alpha, sigma) = require_gaussian(degradation, FIELD, self.name())?.alpha_sigma(t);
        let values = out.iter_mut().zip(x0.iter().zip(&noise.0));
        values.for_each(|(v, (x0, eps))| *v = alpha * eps - sigma * x0);
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
        degradation: &dyn Degradation,
        x_t: &[f32],
        t: Timestep,
        output: &[f32],
        x0: &mut [f32],
    ) -> Result<()> {
        let (alpha, sigma) = require_gaussian(degradation, FIELD, self.name())?.alpha_sigma(t);
        let values = x0.iter_mut().zip(x_t.iter().zip(output));
        values.for_each(|(x0, (x_t, v))| *x0 = alpha * x_t - sigma * v);
        Ok(())
    }

    fn squared_error_scale(&self, snr: f64) -> f64 {
        1.0 + snr
    }
}
