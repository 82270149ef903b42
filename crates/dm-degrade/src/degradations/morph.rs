//! Morph: one image turns into another, x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) z, where z is an
//! invented letter.
//!
//! The animorphosis of Bansal et al. 2022, whose z are photographs of animals while x_0 are faces. There is no second data
//! set here, so z comes from an endless alphabet of invented letters: a few smooth pen strokes as wide as MNIST's, drawn
//! from the noise (`runes.rs`). No image is stored, and the prior is as rich as the alphabet. All channels get the same
//! letter.
//!
//! alpha_t = cos^2(pi t / 2T), so that x_T is the letter alone, exactly. The letter is the noise. The image can be
//! computed from x_t and the letter, and the letter from x_t and x_0, which gives the posterior.

mod runes;

use dm_nn::image::ImageShape;
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::limits::check_shape_and_timesteps;
use crate::codec::{InputCodec, UnitCodec};
use crate::degradation::{Degradation, Inverse, Posterior, check_backward};
use crate::error::Result;
use crate::parameterization::ParameterizationKind;
use crate::samplers::SamplerKind;
use crate::timestep::{Noise, Timestep};

pub use runes::rune;

/// The registry's description.
pub const ENTRY: Entry = Entry {
    name: "morph",
    summary: "the image blends into an invented letter, a rune of a few pen strokes",
    formula: "x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) z, alpha_t = cos^2(pi t / 2T), z a rune",
    noise: "z, the rune, one number per pixel",
    prior: "a rune from an endless alphabet, exactly the distribution of x_T",
    inverse: "by algebra with the noise, to 1e-6 T for t < T",
    parameters: &[("timesteps", "T, 100")],
    source: "Bansal et al. 2022 (animorphosis); the runes are this project's",
    parameterization: ParameterizationKind::X0,
    sampler: SamplerKind::Cold,
};

/// Parameters of morph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MorphConfig {
    /// T.
    pub timesteps: usize,
}

impl Default for MorphConfig {
    fn default() -> Self {
        Self { timesteps: 100 }
    }
}

/// The morphing process. States are images. A pixel may exceed 1 where image and letter overlap.
pub struct Morph {
    shape: ImageShape,
    timesteps: usize,
    codec: UnitCodec,
}

impl Morph {
    /// Builds the process for images of `shape`.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn new(config: &MorphConfig, shape: ImageShape) -> Result<Self> {
        check_shape_and_timesteps(shape, config.timesteps)?;
        let codec = UnitCodec { channels: shape.channels };
        Ok(Self { shape, timesteps: config.timesteps, codec })
    }

    /// The factors of image and rune at `t`; exact at both ends.
    fn factors(&self, t: Timestep) -> (f32, f32) {
        match t.0 {
            0 => (1.0, 0.0),
            t if t == self.timesteps => (0.0, 1.0),
            t => {
                let (sin, cos) = (std::f64::consts::FRAC_PI_2 * t as f64 / self.timesteps as f64).sin_cos();
                (cos as f32, sin as f32)
            }
        }
    }
}

impl Degradation for Morph {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn timesteps(&self) -> usize {
        self.timesteps
    }

    fn sample_noise(&self, rng: &mut Rng) -> Noise {
        let mut letter = vec![0.0; self.shape.pixels()];
        rune(self.shape, rng, &mut letter);
        Noise(letter)
    }

    fn degrade(&self, x0: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) {
        let (image, letter) = self.factors(t);
        let planes = out.chunks_exact_mut(noise.0.len()).zip(x0.chunks_exact(noise.0.len()));
        for (out, x0) in planes {
            let values = out.iter_mut().zip(x0.iter().zip(&noise.0));
            values.for_each(|(out, (x, z))| *out = image * x + letter * z);
        }
    }

    fn sample_prior(&self, rng: &mut Rng, out: &mut [f32]) {
        let (first, others) = out.split_at_mut(self.shape.pixels());
        rune(self.shape, rng, first);
        others.chunks_exact_mut(first.len()).for_each(|out| out.copy_from_slice(first));
    }

    fn sample_prior_given(&self, noise: &Noise, _: &mut Rng, out: &mut [f32]) {
        out.chunks_exact_mut(self.shape.pixels()).for_each(|out| out.copy_from_slice(&noise.0));
    }

    fn codec(&self) -> &dyn InputCodec {
        &self.codec
    }

    fn posterior(&self) -> Option<&dyn Posterior> {
        Some(self)
    }

    fn inverse(&self) -> Option<&dyn Inverse> {
        Some(self)
    }
}

impl Posterior for Morph {
    /// Computes the rune from `x_t` and `x0`, and blends it with the image as at `s`.
    fn sample_posterior(
        &self,
        x_t: &[f32],
        x0: &[f32],
        t: Timestep,
        s: Timestep,
        _: &mut Rng,
        out: &mut [f32],
    ) -> Result<()> {
        check_backward(self.timesteps, t, s)?;
        if s.0 == 0 {
            out.copy_from_slice(x0);
            return Ok(());
        }
        let ((image_t, letter_t), (image_s, letter_s)) = (self.factors(t), self.factors(s));
        let values = out.iter_mut().zip(x_t.iter().zip(x0));
        values.for_each(|(out, (x_t, x0))| *out = image_s * x0 + letter_s * (x_t - image_t * x0) / letter_t);
        Ok(())
    }
}

impl Inverse for Morph {
    fn invert(&self, x_t: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) -> bool {
        let (image, letter) = self.factors(t);
        let planes = out.chunks_exact_mut(noise.0.len()).zip(x_t.chunks_exact(noise.0.len()));
        for (out, x_t) in planes {
            let values = out.iter_mut().zip(x_t.iter().zip(&noise.0));
            values.for_each(|(out, (x, z))| *out = (x - letter * z) / image);
        }
        image > 0.0
    }

    fn tolerance(&self) -> (f32, Timestep) {
        // Rounding is divided by the image's factor, which is at least about 1.5 / T below T.
        (1e-6 * self.timesteps as f32, Timestep(self.timesteps - 1))
    }
}
