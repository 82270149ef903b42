//! Fade: a hole with soft edges opens at a random centre and grows until the image is black.
//!
//! Bansal et al. 2022, inpainting: x_t is x_0 times the product over i <= t of masks 1 - exp(-d^2 / 2 sigma_i^2), where d is
//! the distance from the centre and sigma_i = sigma_T (i/T)^2, so that the hole grows evenly. The centre pixel is lost at
//! t = 1, so that the image cannot be recovered even if the noise is known.
//!
//! The prior is the black image and has no entropy. Centres keep a distance of a seventh of the side from the edge, so that
//! almost nothing is left at T even in the farthest corner, where digits are black.

use dm_nn::image::ImageShape;
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::limits::{check_positive, check_shape_and_timesteps};
use crate::codec::{InputCodec, UnitCodec};
use crate::degradation::Degradation;
use crate::error::{Error, Result};
use crate::parameterization::ParameterizationKind;
use crate::samplers::SamplerKind;
use crate::timestep::{Noise, Timestep};

/// The registry's description.
pub const ENTRY: Entry = Entry {
    name: "fade",
    summary: "a hole with soft edges opens at a random centre and grows until the page is blank",
    formula: "x_t = x_0 prod_(i <= t) (1 - exp(-d^2 / 2 sigma_i^2)), d the distance from the centre, \
              sigma_i = radius side (i/T)^2",
    noise: "the centre, one of the inner pixels",
    prior: "the blank page, without entropy",
    inverse: "none: the centre is gone at t = 1",
    parameters: &[
        ("timesteps", "T, 100"),
        ("radius", "sigma of the last mask as a multiple of the longer side, 6/7 (24 pixels of 28)"),
    ],
    source: "Bansal et al. 2022 (inpainting)",
    parameterization: ParameterizationKind::X0,
    sampler: SamplerKind::Cold,
};

/// Parameters of fade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FadeConfig {
    /// T.
    pub timesteps: usize,
    /// Standard deviation of the last mask as a multiple of the image's longer side.
    pub radius: f64,
}

impl Default for FadeConfig {
    fn default() -> Self {
        Self { timesteps: 100, radius: 24.0 / 28.0 }
    }
}

/// Centres keep a distance of 1 / RIM of the side from the edge.
const RIM: usize = 7;
/// The largest number of entries of the table of masks: 256 MB.
const MAX_TABLE: usize = 1 << 26;

/// The fading process. States are images.
pub struct Fade {
    shape: ImageShape,
    codec: UnitCodec,
    /// `mask[t][d]` is the factor at timestep t of a pixel at the squared distance d from the centre.
    mask: Vec<Vec<f32>>,
}

impl Fade {
    /// Builds the tables for images of `shape`.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn new(config: &FadeConfig, shape: ImageShape) -> Result<Self> {
        let FadeConfig { timesteps, radius } = *config;
        check_shape_and_timesteps(shape, timesteps)?;
        check_positive("radius", radius, 100.0)?;
        let distances = (shape.height - 1).pow(2) + (shape.width - 1).pow(2) + 1;
        if distances * timesteps > MAX_TABLE {
            let expected = format!("at most {} for images of {shape}", MAX_TABLE / distances);
            return Err(Error::invalid("degradation.timesteps", timesteps, expected));
        }
        let sigma_max = radius * shape.height.max(shape.width) as f64;
        let mut left = vec![1.0; distances];
        let mut mask = vec![vec![1.0; distances]];
        for t in 1..=timesteps {
            let sigma = sigma_max * (t as f64 / timesteps as f64).powi(2);
            let twice = 2.0 * sigma * sigma;
            left.iter_mut().enumerate().for_each(|(d, left)| *left *= -(-(d as f64) / twice).exp_m1());
            mask.push(left.iter().map(|&left| left as f32).collect());
        }
        Ok(Self { shape, codec: UnitCodec { channels: shape.channels }, mask })
    }

    /// The factor of each pixel at `t` for the centre in `noise`: `H * W` numbers, row by row.
    ///
    /// # Panics
    /// If `t` is above T.
    pub fn mask<'a>(&'a self, t: Timestep, noise: &Noise) -> impl Iterator<Item = f32> + 'a {
        let ImageShape { height, width, .. } = self.shape;
        let centre = noise.0.first().map_or(0, |&p| p as usize).min(height * width - 1);
        let (row, column) = (centre / width, centre % width);
        let table = &self.mask[t.0];
        (0..height).flat_map(move |y| {
            (0..width).map(move |x| table[y.abs_diff(row).pow(2) + x.abs_diff(column).pow(2)])
        })
    }
}

impl Degradation for Fade {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn timesteps(&self) -> usize {
        self.mask.len() - 1
    }

    fn sample_noise(&self, rng: &mut Rng) -> Noise {
        let mut inner = |side: usize| side / RIM + rng.below((side - 2 * (side / RIM)) as u64) as usize;
        let (row, column) = (inner(self.shape.height), inner(self.shape.width));
        Noise(vec![(row * self.shape.width + column) as f32])
    }

    fn degrade(&self, x0: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) {
        let pixels = self.shape.pixels();
        for (x0, out) in x0.chunks_exact(pixels).zip(out.chunks_exact_mut(pixels)) {
            out.iter_mut()
                .zip(x0.iter().zip(self.mask(t, noise)))
                .for_each(|(out, (x, left))| *out = x * left);
        }
    }

    fn sample_prior(&self, _: &mut Rng, out: &mut [f32]) {
        out.fill(0.0);
    }

    fn codec(&self) -> &dyn InputCodec {
        &self.codec
    }
}
