//! Checks that several degradations share.

use dm_nn::image::ImageShape;

use crate::error::{Error, Result};

/// Checks the shape of the images, and that T is from 1 to 10,000: degradations keep a table for every timestep.
pub fn check_shape_and_timesteps(shape: ImageShape, timesteps: usize) -> Result<()> {
    shape.check("image")?;
    if (1..=10_000).contains(&timesteps) {
        return Ok(());
    }
    Err(Error::invalid("degradation.timesteps", timesteps, "1 to 10000"))
}

/// Checks that 0 < `sigma_min` < `sigma_max` <= 100, in pixels.
pub fn check_spreads(sigma_min: f64, sigma_max: f64) -> Result<()> {
    if sigma_min > 0.0 && sigma_min < sigma_max && sigma_max <= 100.0 {
        return Ok(());
    }
    let found = format!("{sigma_min} and {sigma_max}");
    Err(Error::invalid("degradation.sigma_min, sigma_max", found, "0 < sigma_min < sigma_max <= 100"))
}

/// Checks that the value of the config key `degradation.NAME` is above 0 and at most `max`.
pub fn check_positive(name: &str, value: f64, max: f64) -> Result<()> {
    if value > 0.0 && value <= max {
        return Ok(());
    }
    Err(Error::invalid(format!("degradation.{name}"), value, format!("above 0, at most {max}")))
}
