//! The density of grains, which falls from timestep to timestep.

use super::limits::check_positive;
use crate::error::Result;
use crate::poisson;

/// Grains per full pixel at t = 0..=`timesteps`, geometric from `density` to `density_end`.
///
/// # Errors
/// Unless 0 < `density_end` <= `density` <= [`poisson::MAX_MEAN`]; the error names the config key.
pub fn densities(timesteps: usize, density: f32, density_end: f32) -> Result<Vec<f32>> {
    check_positive("density", density.into(), poisson::MAX_MEAN)?;
    check_positive("density_end", density_end.into(), density.into())?;
    let fade = f64::from(density_end) / f64::from(density);
    let left = |t: usize| (f64::from(density) * fade.powf(t as f64 / timesteps as f64)) as f32;
    Ok((0..=timesteps).map(left).collect())
}
