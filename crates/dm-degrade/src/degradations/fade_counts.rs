//! Fading counts: grains fade in place, one by one, until the page is nearly blank.
//!
//! An image I in [0, 1] holds Poisson(L_0 I(p)) grains in pixel p. A grain is still there at timestep t with probability
//! L_t / L_0, and never moves. By the thinning theorem (Kingman 1993, section 5.1) the counts at t are independent Poisson
//! numbers of mean L_t I(p). This is `ink` without the walk, and the thinning of JUMP (Chen and Zhou 2023).
//!
//! Backward from t to s < t, given an estimate of I: the grains that fade between s and t are independent of those that
//! stay, so Poisson((L_s - L_t) I(p)) new ones join them. This is exact when the estimate is. A grain that has joined stays,
//! so an early mistake is never undone.
//!
//! The prior draws the total from the training set's distribution and distributes Poisson numbers like its mean image. With
//! a hundredth of a grain per full pixel, a digit has about one grain left at T.

use dm_nn::image::ImageShape;
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::density::densities;
use super::entry::Entry;
use super::grain_codec::GrainCodec;
use super::intensity_prior::IntensityPrior;
use super::intensity_statistics::IntensityStatistics;
use super::limits::check_shape_and_timesteps;
use crate::codec::InputCodec;
use crate::degradation::{Degradation, Grains, Intensity, Posterior, check_backward};
use crate::error::Result;
use crate::parameterization::ParameterizationKind;
use crate::poisson;
use crate::samplers::SamplerKind;
use crate::timestep::{Noise, Timestep};

/// The registry's description.
pub const ENTRY: Entry = Entry {
    name: "fade_counts",
    summary: "grains fade one by one where they lie, until the page is nearly blank",
    formula: "n_t(p) ~ Poisson(L_t I(p)), L_t grains per full pixel",
    noise: "one uniform per value, the quantile of its count at every timestep",
    prior: "total intensity from the training set's distribution, then Poisson numbers around its mean image; a digit has about \
            one grain left",
    inverse: "none from counts",
    parameters: &[
        ("timesteps", "T, 1000"),
        ("density", "L_0, grains per full pixel at t = 0, 256"),
        ("density_end", "L_T, grains per full pixel at T, 0.01, reached geometrically"),
    ],
    source: "thinning of counts as in Chen and Zhou 2023",
    parameterization: ParameterizationKind::Sigmoid,
    sampler: SamplerKind::Ancestral2m,
};

/// Parameters of fading counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FadeCountsConfig {
    /// T.
    pub timesteps: usize,
    /// L_0, grains per full pixel at t = 0.
    pub density: f32,
    /// L_T, at most L_0. The density falls geometrically from timestep to timestep.
    pub density_end: f32,
}

impl Default for FadeCountsConfig {
    fn default() -> Self {
        Self { timesteps: 1000, density: 256.0, density_end: 0.01 }
    }
}

/// The process of grains that fade in place. States are grain counts; at timestep 0 they are their means.
pub struct FadeCounts {
    shape: ImageShape,
    /// Also holds the density at every timestep.
    codec: GrainCodec,
    prior: IntensityPrior,
}

/// Below one grain per full pixel, the network's input does not divide by the density.
const SMALLEST_UNIT: f32 = 1.0;

impl FadeCounts {
    /// Builds the tables for images of `shape`; `fitted` is what
    /// [`DegradationConfig::fit`](super::DegradationConfig::fit) returned. Quantiles alone, from 1 to 257 per channel, make
    /// a prior of even intensity.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn new(config: &FadeCountsConfig, shape: ImageShape, fitted: &[f32]) -> Result<Self> {
        let FadeCountsConfig { timesteps, density, density_end } = *config;
        check_shape_and_timesteps(shape, timesteps)?;
        let density = densities(timesteps, density, density_end)?;
        let IntensityStatistics { totals, mean_image, channel_mean } =
            IntensityStatistics::new(fitted, shape)?;
        let codec = GrainCodec { density, smallest_unit: SMALLEST_UNIT, mean: channel_mean };
        Ok(Self { shape, codec, prior: IntensityPrior::new(totals, &mean_image, shape.pixels()) })
    }

    /// Writes to `out` the mean number of grains that the intensity `x0`, in grains of timestep 0, has at density `left`.
    fn mean_counts(&self, x0: &[f32], left: f32, out: &mut [f32]) {
        let share = left / self.codec.density[0];
        out.iter_mut().zip(x0).for_each(|(mean, x0)| *mean = x0 * share);
    }
}

impl Degradation for FadeCounts {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn timesteps(&self) -> usize {
        self.codec.density.len() - 1
    }

    fn sample_noise(&self, rng: &mut Rng) -> Noise {
        let mut uniforms = vec![0.0; self.shape.len()];
        rng.fill_uniform(&mut uniforms);
        Noise(uniforms)
    }

    fn degrade(&self, x0: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) {
        if t.0 == 0 {
            return out.copy_from_slice(x0);
        }
        self.mean_counts(x0, self.codec.density[t.0], out);
        poisson::quantiles(out, &noise.0);
    }

    fn sample_prior(&self, rng: &mut Rng, out: &mut [f32]) {
        self.prior.intensity(rng.uniform(), self.density(Timestep(self.timesteps())), out);
        out.iter_mut().for_each(|n| *n = poisson::quantile(*n, rng.uniform()));
    }

    /// Like [`Self::sample_prior`], with the uniforms of `noise` as the quantiles of the counts.
    fn sample_prior_given(&self, noise: &Noise, rng: &mut Rng, out: &mut [f32]) {
        self.prior.intensity(rng.uniform(), self.density(Timestep(self.timesteps())), out);
        poisson::quantiles(out, &noise.0);
    }

    fn codec(&self) -> &dyn InputCodec {
        &self.codec
    }

    fn posterior(&self) -> Option<&dyn Posterior> {
        Some(self)
    }

    fn intensity(&self) -> Option<&dyn Intensity> {
        Some(self)
    }

    fn grains(&self) -> Option<&dyn Grains> {
        Some(self)
    }
}

impl Posterior for FadeCounts {
    /// `x_t` are whole counts and `x0` is nowhere negative ([`InputCodec::clip`]).
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
        if s.0 == 0 {
            out.copy_from_slice(x0);
            return Ok(());
        }
        self.mean_counts(x0, self.codec.density[s.0] - self.codec.density[t.0], out);
        poisson::quantiles(out, &self.sample_noise(rng).0);
        out.iter_mut().zip(x_t).for_each(|(n, x_t)| *n += x_t);
        Ok(())
    }
}

impl Intensity for FadeCounts {
    fn density(&self, t: Timestep) -> f32 {
        self.codec.density[t.0]
    }
}

impl Grains for FadeCounts {
    fn walking_time(&self, _: Timestep) -> f64 {
        0.0
    }
}
