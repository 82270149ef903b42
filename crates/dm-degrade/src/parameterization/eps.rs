//! eps: the network predicts the noise of a Gaussian process (Ho et al. 2020).
//!
//! With x_t = alpha x_0 + sigma eps the estimate of the clean state is x_0 = (x_t - sigma eps) / alpha. The loss is the mean
//! of (output - eps)^2, equation 14 of the paper.

use dm_nn::image::ImageShape;

use super::definition::{FIELD, Parameterization};
use super::math::{squared_error, squared_error_gradient};
use crate::degradation::{Degradation, require_gaussian};
use crate::error::Result;
use crate::timestep::{Noise, Timestep};

/// The noise of a Gaussian process.
#[derive(Clone, Copy, Debug)]
pub struct Eps;

impl Parameterization for Eps {
    fn name(&self) -> &'static str {
        "eps"
    }

    fn unit(&self) -> &'static str {
        "mean squared error of the noise"
    }

    fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        require_gaussian(degradation, FIELD, self.name()).map(drop)
    }

    fn target(
        &self,
        _: &dyn Degradation,
        _: &[f32],
        _: Timestep,
        noise: &Noise,
        out: &mut [f32],
    ) -> Result<()> {
        out.copy_from_slice(&noise.0);
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
        values.for_each(|(x0, (x_t, eps))| *x0 = (x_t - sigma * eps) / alpha);
        Ok(())
    }

    fn squared_error_scale(&self, snr: f64) -> f64 {
        snr
    }
}
