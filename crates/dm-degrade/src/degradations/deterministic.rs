//! What the degradations without random numbers share, and the units of states that are images.

use dm_nn::rng::Rng;

use crate::degradation::{Degradation, Intensity, Posterior, check_backward};
use crate::error::Result;
use crate::timestep::{Noise, Timestep};

/// A degradation whose noise is empty. The state at s follows from the image alone, so the posterior q(x_s | x_t, x_0) is
/// this state.
pub trait Deterministic: Degradation {}

impl<D: Deterministic> Posterior for D {
    fn sample_posterior(
        &self,
        _: &[f32],
        x0: &[f32],
        t: Timestep,
        s: Timestep,
        _: &mut Rng,
        out: &mut [f32],
    ) -> Result<()> {
        check_backward(self.timesteps(), t, s)?;
        self.degrade(x0, s, &Noise::default(), out);
        Ok(())
    }
}

/// The intensity of states that are images: a pixel of value 1 holds one unit at every timestep.
pub struct ImageIntensity;

impl Intensity for ImageIntensity {
    fn density(&self, _: Timestep) -> f32 {
        1.0
    }
}
