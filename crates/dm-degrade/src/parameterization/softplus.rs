//! softplus: the network predicts a nonnegative intensity rho = ln(1 + e^z) of every pixel, for states that are intensities.
//!
//! The loss is the negative log-likelihood of Poisson numbers, rho - I log rho, mean over pixels. It is a Bregman divergence
//! up to a constant, so its minimum is the posterior mean (Banerjee et al. 2005).

use dm_nn::image::ImageShape;

use super::definition::{Parameterization, require_intensity};
use super::math::{logistic, mean, softplus};
use crate::degradation::Degradation;
use crate::error::Result;
use crate::timestep::{Noise, Timestep};

/// Intensities through a softplus.
#[derive(Clone, Copy, Debug)]
pub struct Softplus;

/// Keeps log rho finite where the softplus underflows.
const TINY: f32 = 1e-8;

impl Parameterization for Softplus {
    fn name(&self) -> &'static str {
        "softplus"
    }

    fn unit(&self) -> &'static str {
        "Poisson negative log-likelihood per pixel, in nats"
    }

    fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        require_intensity(degradation, self.name()).map(drop)
    }

    fn target(
        &self,
        degradation: &dyn Degradation,
        x0: &[f32],
        _: Timestep,
        _: &Noise,
        out: &mut [f32],
    ) -> Result<()> {
        degradation.codec().decode_image(x0, out);
        Ok(())
    }

    fn loss(&self, _: ImageShape, output: &[f32], target: &[f32]) -> f32 {
        mean(output, target, |z, image| {
            let rho = softplus(z);
            rho - image * (rho + TINY).ln()
        })
    }

    fn loss_gradient(&self, _: ImageShape, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        let scale = scale / output.len() as f32;
        let values = gradient.iter_mut().zip(output.iter().zip(target));
        values.for_each(|(g, (&z, image))| *g = scale * logistic(z) * (1.0 - image / (softplus(z) + TINY)));
    }

    fn estimate(
        &self,
        degradation: &dyn Degradation,
        _: &[f32],
        _: Timestep,
        output: &[f32],
        x0: &mut [f32],
    ) -> Result<()> {
        let density = require_intensity(degradation, self.name())?.density(Timestep(0));
        x0.iter_mut().zip(output).for_each(|(x0, &z)| *x0 = density * softplus(z));
        Ok(())
    }
}
