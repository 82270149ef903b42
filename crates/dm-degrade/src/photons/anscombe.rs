//! Photon counts as the state of a Gaussian process, by the Anscombe transform.
//!
//! The square root of counts has nearly the same noise at every brightness: 2 sqrt(n + 3/8) is nearly normal with variance 1
//! (Anscombe 1948). So u = sqrt((n + 3/8) / F) is about sqrt(I) with the standard deviation 1 / (2 sqrt F), and a model of
//! Gaussian noise can restore sqrt(I), whose square is the image. This is the usual way to use a denoiser of Gaussian noise on
//! counts. The optics are ignored. The transform is poor below about four photons per pixel, and the model has been
//! trained with images, not with their square roots; for images of ink and paper the two are nearly the same.

use dm_nn::rng::Rng;

use crate::degradation::{Degradation, require_gaussian};
use crate::error::{Error, Result};
use crate::timestep::Timestep;

/// Where counts lie on a Gaussian process.
#[derive(Clone, Copy, Debug)]
pub struct AnscombeStart {
    /// The first timestep at which the process has at least the noise of the counts.
    pub timestep: Timestep,
    alpha: f32,
    /// The noise that is added, relative to the signal.
    added: f32,
    photons: f32,
}

impl AnscombeStart {
    /// Places counts of `photons` per full pixel on `process`.
    ///
    /// # Errors
    /// If the process is not Gaussian, or has less noise at T than the counts.
    pub fn new(process: &dyn Degradation, photons: f64) -> Result<Self> {
        let gaussian = require_gaussian(process, "degradation", "photon counts")?;
        // The range of the states is 2 r for images in [0, 1], so noise of 1 / (2 sqrt F) becomes r / sqrt F.
        let len = process.shape().len();
        let ends = [0.0, 1.0].map(|value| {
            let mut state = vec![0.0; len];
            process.codec().encode_image(&vec![value; len], &mut state);
            f64::from(state[0])
        });
        let noise = 0.5 * (ends[1] - ends[0]) / photons.sqrt();
        let relative = |t: usize| {
            let (alpha, sigma) = gaussian.alpha_sigma(Timestep(t));
            f64::from(sigma) / f64::from(alpha)
        };
        let last = process.timesteps();
        let Some(t) = (1..=last).find(|&t| relative(t) >= noise) else {
            return Err(Error::invalid("photons", photons, "at least as much light as the model has at T"));
        };
        let added = (relative(t).powi(2) - noise * noise).max(0.0).sqrt() as f32;
        let alpha = gaussian.alpha_sigma(Timestep(t)).0;
        Ok(Self { timestep: Timestep(t), alpha, added, photons: photons as f32 })
    }

    /// Draws a state of `process` at [`Self::timestep`] from `counts` `[C, H, W]`.
    pub fn state(&self, process: &dyn Degradation, counts: &[f32], rng: &mut Rng) -> Vec<f32> {
        let roots: Vec<f32> = counts.iter().map(|n| ((n + 0.375) / self.photons).sqrt()).collect();
        let mut state = vec![0.0; counts.len()];
        process.codec().encode_image(&roots, &mut state);
        state.iter_mut().for_each(|x| *x = self.alpha * (*x + self.added * rng.normal()));
        state
    }

    /// The image of a restored square root, in place.
    pub fn square(restored: &mut [f32]) {
        restored.iter_mut().for_each(|v| *v *= *v);
    }
}
