//! sigmoid: the network predicts the logit z of every pixel of the image in [0, 1].
//!
//! The estimate of the image is p = 1 / (1 + e^-z), between black and white by construction, so this works for every
//! degradation. The loss for the image I is the Bernoulli cross-entropy -I log p - (1 - I) log(1 - p) = softplus(z) - I z,
//! mean over pixels.

use dm_nn::image::ImageShape;

use super::definition::Parameterization;
use super::math::{logistic, mean, mean_gradient, softplus};
use crate::degradation::Degradation;
use crate::error::Result;
use crate::timestep::{Noise, Timestep};

/// The logits of the image.
#[derive(Clone, Copy, Debug)]
pub struct Sigmoid;

impl Parameterization for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }

    fn unit(&self) -> &'static str {
        "cross-entropy of the image per pixel, in nats"
    }

    fn check(&self, _: &dyn Degradation) -> Result<()> {
        Ok(())
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
        mean(output, target, |z, image| softplus(z) - image * z)
    }

    fn loss_gradient(&self, _: ImageShape, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        mean_gradient(output, target, scale, gradient, |z, image| logistic(z) - image);
    }

    fn estimate(
        &self,
        degradation: &dyn Degradation,
        _: &[f32],
        _: Timestep,
        output: &[f32],
        x0: &mut [f32],
    ) -> Result<()> {
        let image: Vec<f32> = output.iter().map(|&z| logistic(z)).collect();
        degradation.codec().encode_image(&image, x0);
        Ok(())
    }
}
