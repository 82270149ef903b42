//! Any network seen as x_t, t -> an estimate of the state at level 0.

use candle_core::{Device, Tensor};
use dm_nn::data::{PIXELS, SIDE};
use dm_nn::nets::Network;
use rayon::prelude::*;

use crate::degradation::{Degradation, Level};
use crate::error::Result;
use crate::prediction::Prediction;

/// Estimates the whole state from a degraded one.
pub trait Restorer: Sync {
    /// Estimates for a batch of states at one level, [n, 784] -> [n, 784], in state units, not clipped.
    ///
    /// # Errors
    /// If the network fails.
    fn restore(&self, x_t: &[f32], level: Level) -> Result<Vec<f32>>;
}

/// The classes of a batch of states, for a network that takes them.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a> {
    /// Class of each state, `[n]`.
    pub classes: &'a [u8],
    /// W of classifier-free guidance; 1 asks the network for the class and nothing else.
    pub guidance: f32,
}

/// A network behind a prediction.
#[derive(Clone, Copy)]
pub struct NetworkRestorer<'a> {
    /// The network.
    pub network: &'a dyn Network,
    /// What its output means.
    pub prediction: Prediction,
    /// The process its inputs come from.
    pub degradation: &'a dyn Degradation,
    /// Where it runs.
    pub device: &'a Device,
    /// The classes to restore towards; `None` restores without one.
    pub condition: Option<Condition<'a>>,
}

/// The network's inputs for a batch of states: images `[n, channels, 28, 28]` and times t/T `[n]`.
///
/// # Errors
/// If the tensor library fails.
pub fn inputs(
    degradation: &dyn Degradation,
    states: &[f32],
    levels: &[Level],
    device: &Device,
) -> Result<(Tensor, Tensor)> {
    let channels = degradation.channels();
    let mut encoded = vec![0.0; levels.len() * channels * PIXELS];
    let images = encoded.par_chunks_mut(channels * PIXELS).zip(states.par_chunks(PIXELS)).zip(levels);
    images.for_each(|((out, x_t), &level)| degradation.encode(x_t, level, out));
    let steps = degradation.steps() as f64;
    let times: Vec<f32> = levels.iter().map(|level| (level.0 as f64 / steps) as f32).collect();
    let images = Tensor::from_vec(encoded, (levels.len(), channels, SIDE, SIDE), device)?;
    Ok((images, Tensor::from_vec(times, levels.len(), device)?))
}

impl NetworkRestorer<'_> {
    /// The network's output `[n, 784]`, guided where a class is asked for.
    ///
    /// Classifier-free guidance, Ho and Salimans 2021: out = without + W (with - without). For eps, x0 and v it moves the
    /// estimate of the image along a line. The conserving head's output is log-intensity, so there the ink is shared out
    /// in proportion to rho_without^(1 - W) rho_with^W: a product of experts, normalised again.
    fn output(&self, x: &Tensor, t: &Tensor) -> Result<Vec<f32>> {
        let flat = |output: Tensor| output.flatten_all()?.to_vec1::<f32>();
        let Some(Condition { classes, guidance }) = self.condition else {
            return Ok(flat(self.network.forward(x, t)?)?);
        };
        let mut output = flat(self.network.forward_class(x, t, classes)?)?;
        if guidance != 1.0 {
            let without = flat(self.network.forward(x, t)?)?;
            let pairs = output.iter_mut().zip(&without);
            pairs.for_each(|(with, without)| *with = without + guidance * (*with - without));
        }
        Ok(output)
    }
}

impl Restorer for NetworkRestorer<'_> {
    fn restore(&self, x_t: &[f32], level: Level) -> Result<Vec<f32>> {
        let levels = vec![level; x_t.len() / PIXELS];
        let (x, t) = inputs(self.degradation, x_t, &levels, self.device)?;
        let output = self.output(&x, &t)?;
        let states = x_t.par_chunks(PIXELS).zip(output.par_chunks(PIXELS));
        let restored =
            states.flat_map_iter(|(x_t, out)| self.prediction.restore(self.degradation, x_t, level, out));
        Ok(restored.collect())
    }
}
