//! Fade: a hole with soft edges opens at a random centre and grows until the page is blank.
//!
//! Bansal et al. 2022, inpainting: x_t is x_0 times the product over i <= t of masks 1 - exp(-d^2 / 2 sigma_i^2), d being
//! the distance from the centre and sigma_i = sigma_max (i/T)^2, so that the hole grows evenly. In the centre the image
//! is gone at level 1, and no key brings it back.
//!
//! The prior is the blank page and holds no entropy at all. Centres lie at least four pixels inside the page, so that
//! level T leaves next to nothing of the far corners, where digits have no ink.

use dm_nn::data::{PIXELS, SIDE};
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::{DegradationConfig, Entry, check_steps, clamp};
use crate::degradation::{Degradation, Key, Level, no_bridge};
use crate::error::{Error, Result};
use crate::prediction::Prediction;
use crate::samplers::SamplerKind;

/// The registry's line.
pub const ENTRY: Entry = Entry {
    name: "fade",
    summary: "a hole with soft edges opens at a random centre and grows until the page is blank",
    formula: "x_t = x_0 prod_(i <= t) (1 - exp(-d^2 / 2 sigma_i^2)), d the distance from the centre, sigma_i = sigma_max (i/T)^2",
    key: "the centre, one of the 400 inner pixels",
    prior: "the blank page, without entropy",
    inverse: "none: the centre is gone at level 1",
    parameters: &[("steps", "T, 100"), ("sigma_max", "width of the last mask in pixels, 24")],
    source: "Bansal et al. 2022 (inpainting)",
    prediction: Prediction::X0,
    sampler: SamplerKind::Cold,
    config: || DegradationConfig::Fade(FadeConfig::default()),
};

/// Parameters of fade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FadeConfig {
    /// T.
    pub steps: usize,
    /// Width of the last mask in pixels.
    pub sigma_max: f64,
}

impl Default for FadeConfig {
    fn default() -> Self {
        Self { steps: 100, sigma_max: 24.0 }
    }
}

/// Squared distances on the page: 0 to 2 * 27^2.
const DISTANCES: usize = 2 * (SIDE - 1) * (SIDE - 1) + 1;

/// Pixels between the edge of the page and the nearest centre.
const RIM: usize = 4;

/// The fading process. States are images.
pub struct Fade {
    /// `mask[t][d]` is what level t leaves of a pixel at squared distance d from the centre.
    mask: Vec<Vec<f32>>,
}

impl Fade {
    /// Builds the tables.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn new(config: &FadeConfig) -> Result<Self> {
        let FadeConfig { steps, sigma_max } = *config;
        check_steps(steps)?;
        if !(sigma_max > 0.0 && sigma_max <= 1000.0) {
            return Err(Error::invalid("degradation.sigma_max", sigma_max, "above 0, at most 1000"));
        }
        let mut left = vec![1.0; DISTANCES];
        let mut mask = vec![vec![1.0; DISTANCES]];
        for t in 1..=steps {
            let sigma = sigma_max * (t as f64 / steps as f64).powi(2);
            let twice = 2.0 * sigma * sigma;
            left.iter_mut().enumerate().for_each(|(d, left)| *left *= -(-(d as f64) / twice).exp_m1());
            mask.push(left.iter().map(|&left| left as f32).collect());
        }
        Ok(Self { mask })
    }

    /// What `level` leaves of every pixel `[784]` under `key`.
    pub fn mask(&self, level: Level, key: &Key) -> Vec<f32> {
        let centre = key.0.first().map_or(0, |&p| p as usize).min(PIXELS - 1);
        let table = &self.mask[level.0];
        let squared =
            |p: usize| (p / SIDE).abs_diff(centre / SIDE).pow(2) + (p % SIDE).abs_diff(centre % SIDE).pow(2);
        (0..PIXELS).map(|p| table[squared(p)]).collect()
    }
}

impl Degradation for Fade {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn steps(&self) -> usize {
        self.mask.len() - 1
    }

    fn to_state(&self, image: &[f32]) -> Vec<f32> {
        image.to_vec()
    }

    fn to_image(&self, state: &[f32]) -> Vec<f32> {
        clamp(state.iter().copied())
    }

    fn draw(&self, rng: &mut Rng) -> Key {
        let mut inner = || RIM + rng.below((SIDE - 2 * RIM) as u64) as usize;
        Key(vec![(inner() * SIDE + inner()) as f32])
    }

    fn apply(&self, x0: &[f32], level: Level, key: &Key) -> Vec<f32> {
        x0.iter().zip(self.mask(level, key)).map(|(x, left)| x * left).collect()
    }

    fn prior(&self, _: &mut Rng) -> Vec<f32> {
        vec![0.0; PIXELS]
    }

    fn has_bridge(&self) -> bool {
        false
    }

    fn bridge(&self, _: &[f32], _: &[f32], _: Level, _: Level, _: &mut Rng) -> Result<Vec<f32>> {
        Err(no_bridge(self))
    }

    fn invert(&self, x_t: &[f32], level: Level, _: &Key) -> Option<Vec<f32>> {
        (level.0 == 0).then(|| x_t.to_vec())
    }

    fn inversion_tolerance(&self) -> (f32, Level) {
        (0.0, Level(0))
    }

    fn encode(&self, x_t: &[f32], _: Level, out: &mut [f32]) {
        x_t.iter().zip(out).for_each(|(x, out)| *out = 2.0 * x - 1.0);
    }

    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
    }
}
