//! The exponential moving average (EMA) of the weights: the weights that are evaluated and shipped.

use candle_core::Result;
use dm_nn::params::Params;

use crate::in_place;

/// Moves `ema` towards `params`: ema <- d ema + (1 - d) params with d = min(decay, (1 + step) / (10 + step)), as TensorFlow's
/// `ExponentialMovingAverage` with `num_updates`, so that the average forgets the first steps quickly.
///
/// # Errors
/// If the tensor library fails.
pub fn update(ema: &Params, params: &Params, decay: f64, step: u64) -> Result<()> {
    let d = decay.min((1.0 + step as f64) / (10.0 + step as f64));
    for ((_, ema), (_, current)) in ema.iter().zip(params.iter()) {
        in_place::blend(ema, d, 1.0 - d, current)?;
    }
    Ok(())
}
