//! Denoisers, which estimate the clean state from a degraded one. The usual denoiser is a network with a parameterization.

use candle_core::{Device, Tensor};
use dm_nn::nets::Network;
use rayon::prelude::*;

use crate::degradation::Degradation;
use crate::error::Result;
use crate::parameterization::Parameterization;
use crate::timestep::Timestep;

/// Estimates clean states from degraded ones.
pub trait Denoiser: Sync {
    /// The estimates for a batch of states at one timestep, `[n, C, H, W]` to `[n, C, H, W]`, in units of the state. Not
    /// clipped.
    ///
    /// # Errors
    /// If the network fails.
    fn denoise(&self, x_t: &[f32], t: Timestep) -> Result<Vec<f32>>;
}

/// The classes of a batch of states, for a network that takes them.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a> {
    /// The class of each state, `[n]`.
    pub classes: &'a [u8],
    /// The weight w of classifier-free guidance. With 1 there is no guidance, and the network is evaluated once per step.
    pub guidance: f32,
}

/// A weaker network that guides a stronger one away from the errors that both make: autoguidance (Karras et al. 2024,
/// "Guiding a diffusion model with a bad version of itself").
#[derive(Clone, Copy)]
pub struct WeakNetwork<'a> {
    /// The weaker network: of fewer training steps, or smaller. It takes the same inputs.
    pub network: &'a dyn Network,
    /// The weight w: the output is weak + w (strong - weak). 1 is the strong network alone.
    pub weight: f32,
}

/// A network whose output is read through a parameterization.
#[derive(Clone, Copy)]
pub struct NetworkDenoiser<'a> {
    /// The network.
    pub network: &'a dyn Network,
    /// The meaning of the network's output.
    pub parameterization: &'a dyn Parameterization,
    /// The process that the states come from.
    pub degradation: &'a dyn Degradation,
    /// The device that the network runs on.
    pub device: &'a Device,
    /// The classes to condition on; `None` uses the network without a class.
    pub condition: Option<Condition<'a>>,
    /// The weaker network that guides this one; `None` for no autoguidance.
    pub weak: Option<WeakNetwork<'a>>,
}

/// The network's inputs for a batch of states `[n, C, H, W]`: images `[n, input_channels, H, W]` and times t/T `[n]`.
///
/// # Errors
/// If the tensor library fails.
pub fn inputs(
    degradation: &dyn Degradation,
    states: &[f32],
    timesteps: &[Timestep],
    device: &Device,
) -> Result<(Tensor, Tensor)> {
    let (codec, shape) = (degradation.codec(), degradation.shape());
    let input_len = codec.input_channels() * shape.pixels();
    let mut encoded = vec![0.0; timesteps.len() * input_len];
    let images = encoded.par_chunks_mut(input_len).zip(states.par_chunks(shape.len())).zip(timesteps);
    images.for_each(|((out, x_t), &t)| codec.encode_input(x_t, t, out));
    let last = degradation.timesteps() as f64;
    let times: Vec<f32> = timesteps.iter().map(|t| (t.0 as f64 / last) as f32).collect();
    let dims = (timesteps.len(), codec.input_channels(), shape.height, shape.width);
    let images = Tensor::from_vec(encoded, dims, device)?;
    Ok((images, Tensor::from_vec(times, timesteps.len(), device)?))
}

impl NetworkDenoiser<'_> {
    /// The network's output `[n, C, H, W]`, guided where classes are given.
    ///
    /// Classifier-free guidance, Ho and Salimans 2021: without + w (with - without). For eps, x0 and v this moves the
    /// estimate of the image along a line. The output of `softmax` is a log-intensity, so there the estimate is proportional
    /// to rho_without^(1 - w) rho_with^w, a normalised product of experts.
    /// Autoguidance moves the output away from that of the weaker network in the same way. Both networks get the class.
    fn output(&self, x: &Tensor, t: &Tensor) -> Result<Vec<f32>> {
        let flat = |output: Tensor| output.flatten_all()?.to_vec1::<f32>();
        let forward = |network: &dyn Network| -> Result<Vec<f32>> {
            Ok(flat(match self.condition {
                None => network.forward(x, t)?,
                Some(Condition { classes, .. }) => network.forward_class(x, t, classes)?,
            })?)
        };
        let mut output = forward(self.network)?;
        if let Some(Condition { guidance, .. }) = self.condition.filter(|c| c.guidance != 1.0) {
            extrapolate(&flat(self.network.forward(x, t)?)?, guidance, &mut output);
        }
        if let Some(WeakNetwork { network, weight }) = self.weak.filter(|weak| weak.weight != 1.0) {
            extrapolate(&forward(network)?, weight, &mut output);
        }
        Ok(output)
    }
}

/// Replaces `output` by from + weight (output - from).
fn extrapolate(from: &[f32], weight: f32, output: &mut [f32]) {
    output.iter_mut().zip(from).for_each(|(to, from)| *to = from + weight * (*to - from));
}

impl Denoiser for NetworkDenoiser<'_> {
    fn denoise(&self, x_t: &[f32], t: Timestep) -> Result<Vec<f32>> {
        let len = self.degradation.shape().len();
        let timesteps = vec![t; x_t.len() / len];
        let (x, times) = inputs(self.degradation, x_t, &timesteps, self.device)?;
        let output = self.output(&x, &times)?;
        let mut estimates = vec![0.0; x_t.len()];
        let states = x_t.par_chunks_exact(len).zip(output.par_chunks_exact(len));
        estimates.par_chunks_exact_mut(len).zip(states).try_for_each(|(x0, (x_t, output))| {
            self.parameterization.estimate(self.degradation, x_t, t, output, x0)
        })?;
        Ok(estimates)
    }
}
