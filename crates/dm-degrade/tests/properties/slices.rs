//! Degradations on vectors instead of slices that the caller provides.

use dm_degrade::{Degradation, Noise, Result, Timestep};
use dm_nn::rng::Rng;

/// The methods of a degradation, its codec and its capabilities, each with a new vector as the result.
pub trait Slices {
    /// The state at timestep 0 of an image.
    fn state(&self, image: &[f32]) -> Vec<f32>;
    /// The image of a state at timestep 0.
    fn image(&self, state: &[f32]) -> Vec<f32>;
    /// The state at `t`.
    fn degraded(&self, x0: &[f32], t: Timestep, noise: &Noise) -> Vec<f32>;
    /// A draw of the prior.
    fn prior(&self, rng: &mut Rng) -> Vec<f32>;
    /// A draw of the prior that goes with `noise`.
    fn prior_given(&self, noise: &Noise, rng: &mut Rng) -> Vec<f32>;
    /// A draw of q(x_s | x_t, x_0). Panics if there is none.
    fn reverse(&self, x_t: &[f32], x0: &[f32], t: Timestep, s: Timestep, rng: &mut Rng) -> Result<Vec<f32>>;
    /// The inverse, where there is one.
    fn inverted(&self, x_t: &[f32], t: Timestep, noise: &Noise) -> Option<Vec<f32>>;
    /// What the network sees.
    fn seen(&self, x_t: &[f32], t: Timestep) -> Vec<f32>;
}

impl<D: Degradation + ?Sized> Slices for D {
    fn state(&self, image: &[f32]) -> Vec<f32> {
        let mut state = vec![f32::NAN; image.len()];
        self.codec().encode_image(image, &mut state);
        state
    }

    fn image(&self, state: &[f32]) -> Vec<f32> {
        let mut image = vec![f32::NAN; state.len()];
        self.codec().decode_image(state, &mut image);
        image
    }

    fn degraded(&self, x0: &[f32], t: Timestep, noise: &Noise) -> Vec<f32> {
        let mut x_t = vec![f32::NAN; x0.len()];
        self.degrade(x0, t, noise, &mut x_t);
        x_t
    }

    fn prior(&self, rng: &mut Rng) -> Vec<f32> {
        let mut state = vec![f32::NAN; self.shape().len()];
        self.sample_prior(rng, &mut state);
        state
    }

    fn prior_given(&self, noise: &Noise, rng: &mut Rng) -> Vec<f32> {
        let mut state = vec![f32::NAN; self.shape().len()];
        self.sample_prior_given(noise, rng, &mut state);
        state
    }

    fn reverse(&self, x_t: &[f32], x0: &[f32], t: Timestep, s: Timestep, rng: &mut Rng) -> Result<Vec<f32>> {
        let mut x_s = vec![f32::NAN; x_t.len()];
        self.posterior().unwrap().sample_posterior(x_t, x0, t, s, rng, &mut x_s)?;
        Ok(x_s)
    }

    fn inverted(&self, x_t: &[f32], t: Timestep, noise: &Noise) -> Option<Vec<f32>> {
        let mut x0 = vec![f32::NAN; x_t.len()];
        self.inverse()?.invert(x_t, t, noise, &mut x0).then_some(x0)
    }

    fn seen(&self, x_t: &[f32], t: Timestep) -> Vec<f32> {
        let mut seen = vec![f32::NAN; self.codec().input_channels() * self.shape().pixels()];
        self.codec().encode_input(x_t, t, &mut seen);
        seen
    }
}
