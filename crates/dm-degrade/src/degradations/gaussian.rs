//! Gaussian noise, variance preserving: x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) eps.
//!
//! Sohl-Dickstein et al. 2015, Ho et al. 2020. The key is eps itself, so with the key the degradation is inverted by
//! algebra. States are images scaled to [-range, range].
//!
//! Cold, every image gets one and the same eps: a fixed pattern that is blended in and holds no entropy (Bansal et al.
//! 2022, section 5.2). The end of the chain is then a single state.

use dm_nn::data::PIXELS;
use dm_nn::rng::{Rng, Seed, Stream};
use serde::{Deserialize, Serialize};

use super::{DegradationConfig, Entry};
use crate::degradation::{Degradation, Key, Level, check_backward};
use crate::error::{Error, Result};
use crate::prediction::Prediction;
use crate::samplers::SamplerKind;
use crate::schedule::{Schedule, ScheduleConfig};

/// The registry's line.
pub const ENTRY: Entry = Entry {
    name: "gaussian",
    summary: "x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) eps",
    formula: "x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) eps, eps standard normal",
    key: "eps, 784 normals; cold: one fixed pattern for every image",
    prior: "standard normals; cold: the fixed pattern itself, without entropy",
    inverse: "by algebra with the key, to 1e-4 while a hundredth of the signal is left",
    parameters: &[
        ("steps", "T, 1000"),
        (
            "schedule",
            "how alpha falls: linear { beta_1, beta_t }, cosine, sigmoid { start, end, tau }; cosine",
        ),
        ("range", "images are scaled to [-range, range], 1"),
        ("cold", "one fixed eps for every image, false"),
    ],
    source: "Ho et al. 2020",
    prediction: Prediction::V,
    sampler: SamplerKind::Bridge2m,
    config: || DegradationConfig::Gaussian(GaussianConfig::default()),
};

/// Parameters of the Gaussian process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GaussianConfig {
    /// T.
    pub steps: usize,
    /// How the noise grows.
    pub schedule: ScheduleConfig,
    /// Images are scaled to [-range, range]: 1 is usual, 0.5 is the notebook's.
    pub range: f32,
    /// One fixed eps for every image.
    pub cold: bool,
}

impl Default for GaussianConfig {
    fn default() -> Self {
        Self { steps: 1000, schedule: ScheduleConfig::Cosine, range: 1.0, cold: false }
    }
}

/// The Gaussian process.
pub struct Gaussian {
    schedule: Schedule,
    range: f32,
    /// The one eps of the cold process.
    pattern: Option<Vec<f32>>,
}

/// Root of the cold pattern: any constant will do, as long as it never changes.
const PATTERN: Seed = Seed(2022);

impl Gaussian {
    /// Builds the tables.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn new(config: &GaussianConfig) -> Result<Self> {
        if !(config.range > 0.0 && config.range <= 10.0) {
            return Err(Error::invalid("degradation.range", config.range, "above 0, at most 10"));
        }
        let pattern = config.cold.then(|| normals(&mut PATTERN.stream(Stream::Degrade, 0, 0)));
        Ok(Self { schedule: config.schedule.table(config.steps)?, range: config.range, pattern })
    }

    /// The schedule's tables.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }
}

/// 784 standard normals.
fn normals(rng: &mut Rng) -> Vec<f32> {
    let mut eps = vec![0.0; PIXELS];
    rng.fill_normal(&mut eps);
    eps
}

impl Degradation for Gaussian {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn steps(&self) -> usize {
        self.schedule.steps()
    }

    fn to_state(&self, image: &[f32]) -> Vec<f32> {
        image.iter().map(|v| (2.0 * v - 1.0) * self.range).collect()
    }

    fn to_image(&self, state: &[f32]) -> Vec<f32> {
        state.iter().map(|v| (0.5 * v / self.range + 0.5).clamp(0.0, 1.0)).collect()
    }

    fn draw(&self, rng: &mut Rng) -> Key {
        Key(self.prior(rng))
    }

    fn apply(&self, x0: &[f32], level: Level, key: &Key) -> Vec<f32> {
        let alpha = self.schedule.signal(level);
        let (signal, noise) = (alpha.sqrt() as f32, (1.0 - alpha).sqrt() as f32);
        x0.iter().zip(&key.0).map(|(x, eps)| signal * x + noise * eps).collect()
    }

    fn prior(&self, rng: &mut Rng) -> Vec<f32> {
        self.pattern.clone().unwrap_or_else(|| normals(rng))
    }

    fn prior_under(&self, key: &Key, _: &mut Rng) -> Vec<f32> {
        key.0.clone()
    }

    /// q(x_s | x_t, x_0), Ho et al. 2020, eq. 6 and 7, for any s < t. Cold, there is nothing to draw.
    fn bridge(&self, x_t: &[f32], x0: &[f32], t: Level, s: Level, rng: &mut Rng) -> Result<Vec<f32>> {
        check_backward(self, t, s)?;
        if let Some(pattern) = &self.pattern {
            return Ok(self.apply(x0, s, &Key(pattern.clone())));
        }
        let (alpha_t, alpha_s) = (self.schedule.signal(t), self.schedule.signal(s));
        let step = alpha_t / alpha_s;
        let from_t = (step.sqrt() * (1.0 - alpha_s) / (1.0 - alpha_t)) as f32;
        let from_0 = (alpha_s.sqrt() * (1.0 - step) / (1.0 - alpha_t)) as f32;
        let spread = ((1.0 - alpha_s) / (1.0 - alpha_t) * (1.0 - step)).sqrt() as f32;
        let mean = x_t.iter().zip(x0).map(|(x_t, x0)| from_t * x_t + from_0 * x0);
        Ok(if s.0 == 0 { mean.collect() } else { mean.map(|m| m + spread * rng.normal()).collect() })
    }

    fn invert(&self, x_t: &[f32], level: Level, key: &Key) -> Option<Vec<f32>> {
        let (signal, noise) = self.signal_and_noise(level)?;
        Some(x_t.iter().zip(&key.0).map(|(x, eps)| (x - noise * eps) / signal).collect())
    }

    fn inversion_tolerance(&self) -> (f32, Level) {
        // Rounding of x_t (a few units) is divided by the signal: bounded while at least a hundredth of it is left.
        let enough = |t: &usize| self.schedule.signal(Level(*t)) >= 1e-4;
        (1e-4, Level((0..=self.steps()).rev().find(enough).unwrap_or(0)))
    }

    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|x| *x = x.clamp(-self.range, self.range));
    }

    fn signal_and_noise(&self, level: Level) -> Option<(f32, f32)> {
        let alpha = self.schedule.signal(level);
        Some((alpha.sqrt() as f32, (1.0 - alpha).sqrt() as f32))
    }

    fn step_variance(&self, level: Level) -> Option<f32> {
        Some(self.schedule.beta(level) as f32)
    }
}
