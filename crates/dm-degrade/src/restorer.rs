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

/// A network behind a prediction.
pub struct NetworkRestorer<'a> {
    /// The network.
    pub network: &'a dyn Network,
    /// What its output means.
    pub prediction: Prediction,
    /// The process its inputs come from.
    pub degradation: &'a dyn Degradation,
    /// Where it runs.
    pub device: &'a Device,
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

impl Restorer for NetworkRestorer<'_> {
    fn restore(&self, x_t: &[f32], level: Level) -> Result<Vec<f32>> {
        let levels = vec![level; x_t.len() / PIXELS];
        let (x, t) = inputs(self.degradation, x_t, &levels, self.device)?;
        let output = self.network.forward(&x, &t)?.flatten_all()?.to_vec1::<f32>()?;
        let states = x_t.par_chunks(PIXELS).zip(output.par_chunks(PIXELS));
        let restored =
            states.flat_map_iter(|(x_t, out)| self.prediction.restore(self.degradation, x_t, level, out));
        Ok(restored.collect())
    }
}
