//! Gaussian noise, variance preserving: x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) eps.
//!
//! Sohl-Dickstein et al. 2015, Ho et al. 2020. The noise is eps itself, so with it the degradation is inverted by algebra.
//! States are images scaled to [-range, range].
//!
//! With `cold = true` every image gets the same eps, a fixed pattern that is blended in and has no entropy (Bansal et al.
//! 2022, section 5.2). The chain then starts at a single state.

use dm_nn::image::ImageShape;
use dm_nn::rng::{Rng, Seed};
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::limits::check_positive;
use crate::codec::{InputCodec, SignedCodec};
use crate::degradation::{Degradation, GaussianProcess, Inverse, Posterior, check_backward};
use crate::error::Result;
use crate::parameterization::ParameterizationKind;
use crate::samplers::SamplerKind;
use crate::schedule::{Schedule, ScheduleConfig};
use crate::streams;
use crate::timestep::{Noise, Timestep};

/// The registry's description.
pub const ENTRY: Entry = Entry {
    name: "gaussian",
    summary: "x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) eps",
    formula: "x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) eps, eps standard normal",
    noise: "eps, one normal per value; cold: one fixed pattern for every image",
    prior: "standard normals; cold: the fixed pattern itself, without entropy",
    inverse: "by algebra with the noise, to 1e-4 while a hundredth of the signal is left",
    parameters: &[
        ("timesteps", "T, 1000"),
        (
            "schedule",
            "how alpha falls: linear { beta_1, beta_t }, cosine, sigmoid { start, end, tau }, log_linear { snr_start, \
             snr_end }, table { beta }; cosine",
        ),
        ("range", "images are scaled to [-range, range], 1"),
        ("cold", "one fixed eps for every image, false"),
    ],
    source: "Ho et al. 2020",
    parameterization: ParameterizationKind::V,
    sampler: SamplerKind::Ancestral2m,
};

/// Parameters of the Gaussian process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GaussianConfig {
    /// T.
    pub timesteps: usize,
    /// How the noise grows.
    pub schedule: ScheduleConfig,
    /// Images are scaled to [-range, range]: 1 is usual, 0.5 is the starter notebook's.
    pub range: f32,
    /// Whether every image gets the same eps.
    pub cold: bool,
}

impl Default for GaussianConfig {
    fn default() -> Self {
        Self { timesteps: 1000, schedule: ScheduleConfig::Cosine, range: 1.0, cold: false }
    }
}

/// The Gaussian process.
pub struct Gaussian {
    shape: ImageShape,
    schedule: Schedule,
    codec: SignedCodec,
    /// The one eps of the cold process.
    pattern: Option<Vec<f32>>,
}

/// The seed of the cold pattern. Any constant serves, as long as it never changes.
const PATTERN: Seed = Seed(2022);

impl Gaussian {
    /// Builds the tables for images of `shape`.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn new(config: &GaussianConfig, shape: ImageShape) -> Result<Self> {
        shape.check("image")?;
        check_positive("range", config.range.into(), 10.0)?;
        let pattern = config.cold.then(|| {
            let mut eps = vec![0.0; shape.len()];
            PATTERN.stream(streams::DEGRADE, 0, 0).fill_normal(&mut eps);
            eps
        });
        let codec = SignedCodec { channels: shape.channels, range: config.range };
        Ok(Self { shape, schedule: config.schedule.table(config.timesteps)?, codec, pattern })
    }

    /// The schedule's tables.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }
}

impl Degradation for Gaussian {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn timesteps(&self) -> usize {
        self.schedule.timesteps()
    }

    fn sample_noise(&self, rng: &mut Rng) -> Noise {
        let mut eps = vec![0.0; self.shape.len()];
        self.sample_prior(rng, &mut eps);
        Noise(eps)
    }

    fn degrade(&self, x0: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) {
        blend(self.alpha_sigma(t), x0, &noise.0, out);
    }

    fn sample_prior(&self, rng: &mut Rng, out: &mut [f32]) {
        match &self.pattern {
            Some(pattern) => out.copy_from_slice(pattern),
            None => rng.fill_normal(out),
        }
    }

    fn sample_prior_given(&self, noise: &Noise, _: &mut Rng, out: &mut [f32]) {
        out.copy_from_slice(&noise.0);
    }

    fn codec(&self) -> &dyn InputCodec {
        &self.codec
    }

    fn gaussian(&self) -> Option<&dyn GaussianProcess> {
        Some(self)
    }

    fn posterior(&self) -> Option<&dyn Posterior> {
        Some(self)
    }

    fn inverse(&self) -> Option<&dyn Inverse> {
        Some(self)
    }
}

/// alpha x_0 + sigma eps.
fn blend((alpha, sigma): (f32, f32), x0: &[f32], eps: &[f32], out: &mut [f32]) {
    out.iter_mut().zip(x0.iter().zip(eps)).for_each(|(out, (x, eps))| *out = alpha * x + sigma * eps);
}

impl GaussianProcess for Gaussian {
    fn alpha_sigma(&self, t: Timestep) -> (f32, f32) {
        let alpha = self.schedule.signal(t);
        (alpha.sqrt() as f32, (1.0 - alpha).sqrt() as f32)
    }

    fn beta(&self, t: Timestep) -> f32 {
        self.schedule.beta(t) as f32
    }
}

impl Posterior for Gaussian {
    /// Ho et al. 2020, equations 6 and 7, for any s < t. The cold process has nothing to draw.
    fn sample_posterior(
        &self,
        x_t: &[f32],
        x0: &[f32],
        t: Timestep,
        s: Timestep,
        rng: &mut Rng,
        out: &mut [f32],
    ) -> Result<()> {
        check_backward(self.timesteps(), t, s)?;
        if let Some(pattern) = &self.pattern {
            blend(self.alpha_sigma(s), x0, pattern, out);
            return Ok(());
        }
        let (alpha_t, alpha_s) = (self.schedule.signal(t), self.schedule.signal(s));
        let step = alpha_t / alpha_s;
        let from_t = (step.sqrt() * (1.0 - alpha_s) / (1.0 - alpha_t)) as f32;
        let from_0 = (alpha_s.sqrt() * (1.0 - step) / (1.0 - alpha_t)) as f32;
        let deviation = ((1.0 - alpha_s) / (1.0 - alpha_t) * (1.0 - step)).sqrt() as f32;
        for (out, (x_t, x0)) in out.iter_mut().zip(x_t.iter().zip(x0)) {
            *out = from_t * x_t + from_0 * x0;
            if s.0 > 0 {
                *out += deviation * rng.normal();
            }
        }
        Ok(())
    }
}

impl Inverse for Gaussian {
    fn invert(&self, x_t: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) -> bool {
        let (alpha, sigma) = self.alpha_sigma(t);
        let values = out.iter_mut().zip(x_t.iter().zip(&noise.0));
        values.for_each(|(out, (x, eps))| *out = (x - sigma * eps) / alpha);
        true
    }

    fn tolerance(&self) -> (f32, Timestep) {
        // The rounding of x_t, a few units, is divided by the signal: bounded while at least a hundredth of it is left.
        let enough = |t: &usize| self.schedule.signal(Timestep(*t)) >= 1e-4;
        (1e-4, Timestep((0..=self.timesteps()).rev().find(enough).unwrap_or(0)))
    }
}
