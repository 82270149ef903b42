//! softmax: the network predicts how the total intensity of x_t is distributed over the pixels, channel by channel.
//!
//! The shares are exp(z) over their sum, so that the total intensity of x_t is conserved. The loss is the cross-entropy of
//! the image as a distribution over pixels, - sum_p I(p) log share(p) with sum_p I(p) = 1, mean over channels.

use dm_nn::image::ImageShape;

use super::definition::{Parameterization, require_intensity};
use super::math::{log_sum_exp, max};
use crate::degradation::Degradation;
use crate::error::Result;
use crate::timestep::{Noise, Timestep};

/// Shares of the total intensity of each channel.
#[derive(Clone, Copy, Debug)]
pub struct Softmax;

impl Parameterization for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn unit(&self) -> &'static str {
        "cross-entropy of the shares of a channel, in nats"
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
        let pixels = degradation.shape().pixels();
        for (x0, out) in x0.chunks_exact(pixels).zip(out.chunks_exact_mut(pixels)) {
            let total = x0.iter().sum::<f32>().max(f32::MIN_POSITIVE);
            x0.iter().zip(out).for_each(|(x0, share)| *share = x0 / total);
        }
        Ok(())
    }

    fn loss(&self, shape: ImageShape, output: &[f32], target: &[f32]) -> f32 {
        let planes = output.chunks_exact(shape.pixels()).zip(target.chunks_exact(shape.pixels()));
        let cross_entropy = |(z, shares): (&[f32], &[f32])| {
            let log_total = log_sum_exp(z);
            z.iter().zip(shares).map(|(z, share)| -f64::from(share * (z - log_total))).sum::<f64>()
        };
        (planes.map(cross_entropy).sum::<f64>() / shape.channels as f64) as f32
    }

    fn loss_gradient(
        &self,
        shape: ImageShape,
        output: &[f32],
        target: &[f32],
        scale: f32,
        gradient: &mut [f32],
    ) {
        let (pixels, scale) = (shape.pixels(), scale / shape.channels as f32);
        let planes = output.chunks_exact(pixels).zip(target.chunks_exact(pixels));
        for (gradient, (z, shares)) in gradient.chunks_exact_mut(pixels).zip(planes) {
            let log_total = log_sum_exp(z);
            let total: f32 = shares.iter().sum();
            let values = gradient.iter_mut().zip(z.iter().zip(shares));
            values.for_each(|(g, (z, share))| *g = scale * (total * (z - log_total).exp() - share));
        }
    }

    fn estimate(
        &self,
        degradation: &dyn Degradation,
        x_t: &[f32],
        t: Timestep,
        output: &[f32],
        x0: &mut [f32],
    ) -> Result<()> {
        let intensity = require_intensity(degradation, self.name())?;
        let scale = intensity.density(Timestep(0)) / intensity.density(t);
        let pixels = degradation.shape().pixels();
        let planes = x_t.chunks_exact(pixels).zip(output.chunks_exact(pixels));
        for (x0, (x_t, z)) in x0.chunks_exact_mut(pixels).zip(planes) {
            let total = x_t.iter().sum::<f32>() * scale;
            let top = max(z);
            x0.iter_mut().zip(z).for_each(|(weight, z)| *weight = (z - top).exp());
            let weights: f32 = x0.iter().sum();
            x0.iter_mut().for_each(|weight| *weight = *weight / weights * total);
        }
        Ok(())
    }

    fn compares_shares(&self) -> bool {
        true
    }
}
