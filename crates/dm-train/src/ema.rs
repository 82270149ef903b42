//! Exponential moving average of the weights: the model that is sampled from and shipped.

use candle_core::Result;
use dm_nn::params::Params;

use crate::in_place;

/// Moves `average` towards `params`: average <- d average + (1 - d) params with d = min(decay, (1 + step) / (10 + step)),
/// so that the first steps are not remembered.
///
/// # Errors
/// If the tensor library fails.
pub fn update(average: &Params, params: &Params, decay: f64, step: u64) -> Result<()> {
    let d = decay.min((1.0 + step as f64) / (10.0 + step as f64));
    for ((_, average), (_, current)) in average.iter().zip(params.iter()) {
        in_place::blend(average, d, 1.0 - d, current)?;
    }
    Ok(())
}
