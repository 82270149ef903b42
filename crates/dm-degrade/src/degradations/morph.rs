//! Morph: one image turns into another, x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) z with z a letter nobody has written.
//!
//! The animorphosis of Bansal et al. 2022, whose z are photographs of animals while x_0 are faces. There is no second
//! data set here, so that z comes from an endless alphabet of invented letters: a few smooth pen strokes as wide as
//! MNIST's, drawn from the key (`runes.rs`). No image is stored, and the prior is as rich as the alphabet.
//!
//! alpha_t = cos^2(pi t / 2T), so that the rune is alone at level T, exactly. With the rune as key the image comes back by
//! algebra; and from x_t and x_0 the rune does, which makes the bridge.

mod runes;

use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::{DegradationConfig, Entry, check_steps, clamp};
use crate::degradation::{Degradation, Key, Level, check_backward};
use crate::error::Result;
use crate::prediction::Prediction;
use crate::samplers::SamplerKind;

pub use runes::rune;

/// The registry's line.
pub const ENTRY: Entry = Entry {
    name: "morph",
    summary: "the image blends into an invented letter, a rune of a few pen strokes",
    formula: "x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) z, alpha_t = cos^2(pi t / 2T), z a rune",
    key: "z, the rune, 784 pixels",
    prior: "a rune from an endless alphabet, the exact law of level T",
    inverse: "by algebra with the key, to 1e-6 T for t < T",
    parameters: &[("steps", "T, 100")],
    source: "Bansal et al. 2022 (animorphosis); the runes are this project's",
    prediction: Prediction::X0,
    sampler: SamplerKind::Cold,
    config: || DegradationConfig::Morph(MorphConfig::default()),
};

/// Parameters of morph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MorphConfig {
    /// T.
    pub steps: usize,
}

impl Default for MorphConfig {
    fn default() -> Self {
        Self { steps: 100 }
    }
}

/// The morphing process. States are images; halfway both show, and where they cross ink exceeds one full pixel.
pub struct Morph {
    steps: usize,
}

impl Morph {
    /// Builds the process.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn new(config: &MorphConfig) -> Result<Self> {
        check_steps(config.steps)?;
        Ok(Self { steps: config.steps })
    }

    /// Shares of image and rune at `level`; the ends are exact.
    fn shares(&self, level: Level) -> (f32, f32) {
        match level.0 {
            0 => (1.0, 0.0),
            t if t == self.steps => (0.0, 1.0),
            t => {
                let (sin, cos) = (std::f64::consts::FRAC_PI_2 * t as f64 / self.steps as f64).sin_cos();
                (cos as f32, sin as f32)
            }
        }
    }
}

impl Degradation for Morph {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn to_state(&self, image: &[f32]) -> Vec<f32> {
        image.to_vec()
    }

    fn to_image(&self, state: &[f32]) -> Vec<f32> {
        clamp(state.iter().copied())
    }

    fn draw(&self, rng: &mut Rng) -> Key {
        Key(rune(rng))
    }

    fn apply(&self, x0: &[f32], level: Level, key: &Key) -> Vec<f32> {
        let (image, letter) = self.shares(level);
        x0.iter().zip(&key.0).map(|(x, z)| image * x + letter * z).collect()
    }

    fn prior(&self, rng: &mut Rng) -> Vec<f32> {
        rune(rng)
    }

    fn prior_under(&self, key: &Key, _: &mut Rng) -> Vec<f32> {
        key.0.clone()
    }

    /// The rune that explains `x_t`, blended with the image at `s`.
    fn bridge(&self, x_t: &[f32], x0: &[f32], t: Level, s: Level, _: &mut Rng) -> Result<Vec<f32>> {
        check_backward(self, t, s)?;
        let ((image_t, letter_t), (image_s, letter_s)) = (self.shares(t), self.shares(s));
        let step = |(x_t, x0): (&f32, &f32)| image_s * x0 + letter_s * (x_t - image_t * x0) / letter_t;
        Ok(if s.0 == 0 { x0.to_vec() } else { x_t.iter().zip(x0).map(step).collect() })
    }

    fn invert(&self, x_t: &[f32], level: Level, key: &Key) -> Option<Vec<f32>> {
        let (image, letter) = self.shares(level);
        let undo = |(x, z): (&f32, &f32)| (x - letter * z) / image;
        (image > 0.0).then(|| x_t.iter().zip(&key.0).map(undo).collect())
    }

    fn inversion_tolerance(&self) -> (f32, Level) {
        // Rounding is divided by the image's share, which is at least about 1.5 / T below T.
        (1e-6 * self.steps as f32, Level(self.steps - 1))
    }

    fn encode(&self, x_t: &[f32], _: Level, out: &mut [f32]) {
        x_t.iter().zip(out).for_each(|(x, out)| *out = 2.0 * x - 1.0);
    }

    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
    }
}
