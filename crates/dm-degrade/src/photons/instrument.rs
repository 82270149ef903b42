//! An instrument that counts photons: its optics and its exposure.

use dm_nn::image::ImageShape;
use dm_nn::rng::Rng;

use super::optics::Optics;
use crate::error::{Error, Result};
use crate::poisson;

/// An instrument with its exposure.
#[derive(Clone, Debug, PartialEq)]
pub struct Instrument {
    /// F: the mean number of photons that a white pixel sends.
    pub photons: f64,
    /// The optics.
    pub optics: Optics,
}

impl Instrument {
    /// The instrument with these `photons` per full pixel and `optics`.
    ///
    /// # Errors
    /// Unless `photons` is above 0 and at most [`poisson::MAX_MEAN`].
    pub fn new(photons: f64, optics: Optics) -> Result<Self> {
        if photons > 0.0 && photons <= poisson::MAX_MEAN {
            return Ok(Self { photons, optics });
        }
        let expected = format!("above 0, at most {} per full pixel", poisson::MAX_MEAN);
        Err(Error::invalid("photons", photons, expected))
    }

    /// The counts `[C, H, W]` that the instrument measures of `image`, which has `shape` and values in [0, 1].
    pub fn measure(&self, shape: ImageShape, image: &[f32], rng: &mut Rng) -> Vec<f32> {
        let mut counts = self.optics.blur(shape, image);
        counts.iter_mut().for_each(|mean| *mean *= self.photons as f32);
        let mut uniforms = vec![0.0; counts.len()];
        rng.fill_uniform(&mut uniforms);
        poisson::quantiles(&mut counts, &uniforms);
        counts
    }
}
