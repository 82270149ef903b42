//! The process of Ink: tables, degradation, prior and posterior.

use dm_nn::data::Images;
use dm_nn::image::ImageShape;
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::grains::move_grains;
use crate::codec::InputCodec;
use crate::degradation::{Degradation, Grains, Intensity, Posterior, check_backward};
use crate::degradations::density::densities;
use crate::degradations::entry::Entry;
use crate::degradations::grain_codec::GrainCodec;
use crate::degradations::intensity_prior::IntensityPrior;
use crate::degradations::intensity_statistics::IntensityStatistics;
use crate::degradations::limits::{check_shape_and_timesteps, check_spreads};
use crate::degradations::mode_prior::ModePrior;
use crate::error::Result;
use crate::heat::{PlaneKernel, walking_times};
use crate::parameterization::ParameterizationKind;
use crate::poisson;
use crate::samplers::SamplerKind;
use crate::timestep::{Noise, Timestep};

/// The registry's description.
pub const ENTRY: Entry = Entry {
    name: "ink",
    summary: "grains walk at random and fade, until a few are left anywhere on the page",
    formula: "n_t(p) ~ Poisson(L_t (K_tau(t) I)(p)), K the heat kernel, L_t grains per full pixel",
    noise: "one uniform per value, the quantile of its count at every timestep; a film keeps every grain's path",
    prior: "total intensity from the training set's distribution, then Poisson numbers around its mean image at T",
    inverse: "exact in integers along the film; none from counts alone",
    parameters: &[
        ("timesteps", "T, 1000"),
        (
            "density",
            "L_0, grains per full pixel at t = 0, 256; few grains make a hot process, many a cold one",
        ),
        (
            "density_end",
            "L_T, grains per full pixel at T, 1, reached geometrically; L_T = L_0 conserves every grain",
        ),
        ("sigma_min", "spread at t = 1 in pixels, 0.2"),
        ("sigma_max", "spread at T in pixels, 8"),
        (
            "prior",
            "mean_image (every image has the mean image's shape at T) or modes (its lowest cosine modes vary), mean_image",
        ),
    ],
    source: "this project; heat as in Rissanen et al. 2023, thinning of counts as in Chen and Zhou 2023",
    parameterization: ParameterizationKind::Sigmoid,
    sampler: SamplerKind::Ancestral2m,
};

/// Parameters of Ink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InkConfig {
    /// T.
    pub timesteps: usize,
    /// L_0, grains per full pixel at t = 0: the inverse temperature.
    pub density: f32,
    /// L_T, at most L_0. The density falls geometrically from timestep to timestep.
    pub density_end: f32,
    /// The spread sigma = sqrt(2 tau) at t = 1, in pixels.
    pub sigma_min: f64,
    /// The spread at T, in pixels. With 8 pixels and one grain per full pixel, chi-square tests cannot distinguish the
    /// counts of 1,000 MNIST digits from the prior, neither one by one nor summed. With two grains per full pixel they can
    /// distinguish the sum. With 64 grains per full pixel, digits cannot be distinguished from the prior at 16 pixels, and
    /// from a uniform prior only at 24 pixels. Larger images need larger spreads.
    pub sigma_max: f64,
    /// The distribution that sampling starts from.
    #[serde(skip_serializing_if = "InkPrior::is_default")]
    pub prior: InkPrior,
}

/// The prior of Ink: what it takes from the training set besides the distribution of the totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InkPrior {
    /// The mean image: at T, all images have its shape.
    #[default]
    MeanImage,
    /// The joint normal distribution of the totals and the lowest cosine modes.
    Modes,
}

impl InkPrior {
    /// Whether this is the default, which configs do not state.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for InkConfig {
    fn default() -> Self {
        Self {
            timesteps: 1000,
            density: 256.0,
            density_end: 1.0,
            sigma_min: 0.2,
            sigma_max: 8.0,
            prior: InkPrior::MeanImage,
        }
    }
}

/// The Ink process.
pub struct Ink {
    shape: ImageShape,
    /// Also holds the density at every timestep.
    codec: GrainCodec,
    /// The walking time of every timestep.
    tau: Vec<f64>,
    /// The kernel of every timestep.
    kernels: Vec<PlaneKernel>,
    prior: IntensityPrior,
    /// Takes the place of [`Self::prior`] if the config asks for it.
    mode_prior: Option<ModePrior>,
}

impl Ink {
    /// Builds the tables for images of `shape`; `fitted` is what
    /// [`DegradationConfig::fit`](crate::DegradationConfig::fit) returned. Quantiles alone, from 1 to 257 per channel, make
    /// a prior of even intensity.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn new(config: &InkConfig, shape: ImageShape, fitted: &[f32]) -> Result<Self> {
        let InkConfig { timesteps, density, density_end, sigma_min, sigma_max, prior } = *config;
        check_shape_and_timesteps(shape, timesteps)?;
        let density = densities(timesteps, density, density_end)?;
        check_spreads(sigma_min, sigma_max)?;
        let modes = if prior == InkPrior::Modes { ModePrior::fitted_len(shape).min(fitted.len()) } else { 0 };
        let (fitted, modes) = fitted.split_at(fitted.len() - modes);
        let IntensityStatistics { totals, mean_image, channel_mean } =
            IntensityStatistics::new(fitted, shape)?;
        let codec = GrainCodec { density, smallest_unit: 0.0, mean: channel_mean };
        let tau = walking_times(timesteps, sigma_min, sigma_max);
        let kernels: Vec<PlaneKernel> = tau.iter().map(|&tau| PlaneKernel::heat(shape, tau)).collect();
        let mut spread = vec![0.0; shape.len()];
        kernels[timesteps].spread(&mean_image, &mut spread);
        let prior = IntensityPrior::new(totals, &spread, shape.pixels());
        let mode_prior = if modes.is_empty() {
            None
        } else {
            Some(ModePrior::new(modes, shape, tau[timesteps], prior.share())?)
        };
        Ok(Self { shape, codec, tau, kernels, prior, mode_prior })
    }

    /// The walking time tau of `t`; the spread is sqrt(2 tau) pixels.
    ///
    /// # Panics
    /// If `t` is above T.
    pub fn tau(&self, t: Timestep) -> f64 {
        self.tau[t.0]
    }

    /// The share of the grains of timestep 0 that is left at `t`, L_t / L_0.
    pub fn share_left(&self, t: Timestep) -> f64 {
        f64::from(self.codec.density[t.0]) / f64::from(self.codec.density[0])
    }

    /// The mean number of grains of a channel at T, as the quantile of `u` in [0, 1] over the training set.
    pub fn prior_total(&self, channel: usize, u: f32) -> f32 {
        self.prior.total(channel, u) * self.codec.density[self.timesteps()]
    }

    /// The share of each pixel in its channel's grains at T, `[C, H, W]`; sums to 1 per channel.
    pub fn prior_share(&self) -> &[f32] {
        self.prior.share()
    }

    /// Writes to `out` the mean of the counts at `t`: the intensity `x0`, in grains of timestep 0, after walking and fading.
    pub fn mean_counts(&self, x0: &[f32], t: Timestep, out: &mut [f32]) {
        if t.0 == 0 {
            return out.copy_from_slice(x0);
        }
        let left = self.share_left(t) as f32;
        self.kernels[t.0].spread(x0, out);
        out.iter_mut().for_each(|mean| *mean *= left);
    }

    /// What [`Self::new`] needs of a training set.
    pub(crate) fn fit(config: &InkConfig, images: &Images) -> Vec<f32> {
        let mut fitted = IntensityStatistics::fit(images);
        if config.prior == InkPrior::Modes && !fitted.is_empty() {
            fitted.extend(ModePrior::fit(images));
        }
        fitted
    }

    /// Writes to `out` means of counts at T, drawn from the prior.
    fn prior_mean(&self, rng: &mut Rng, out: &mut [f32]) {
        let density = self.codec.density[self.timesteps()];
        match &self.mode_prior {
            Some(prior) => prior.intensity(density, rng, out),
            None => self.prior.intensity(rng.uniform(), density, out),
        }
    }
}

impl Degradation for Ink {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn timesteps(&self) -> usize {
        self.tau.len() - 1
    }

    fn sample_noise(&self, rng: &mut Rng) -> Noise {
        let mut uniforms = vec![0.0; self.shape.len()];
        rng.fill_uniform(&mut uniforms);
        Noise(uniforms)
    }

    fn degrade(&self, x0: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) {
        self.mean_counts(x0, t, out);
        if t.0 > 0 {
            poisson::quantiles(out, &noise.0);
        }
    }

    /// Total intensities from the training set's distribution, then Poisson(total * share) grains at every pixel. The totals
    /// of all channels are the quantiles of one uniform: bright images are bright in every channel.
    fn sample_prior(&self, rng: &mut Rng, out: &mut [f32]) {
        self.prior_mean(rng, out);
        out.iter_mut().for_each(|n| *n = poisson::quantile(*n, rng.uniform()));
    }

    /// Like [`Self::sample_prior`], with the uniforms of `noise` as the quantiles of the counts.
    fn sample_prior_given(&self, noise: &Noise, rng: &mut Rng, out: &mut [f32]) {
        self.prior_mean(rng, out);
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

impl Posterior for Ink {
    /// `x_t` are whole counts and `x0` is nowhere negative ([`InputCodec::clip`]). A grain that finds no intensity within
    /// reach stays where it is.
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
        let pixels = self.shape.pixels();
        let mut h_s = vec![0.0; x0.len()];
        self.mean_counts(x0, s, &mut h_s);
        // For MNIST's images this takes two microseconds, which is less than looking the kernel up in a cache.
        let kernel = PlaneKernel::heat(self.shape, self.tau[t.0] - self.tau[s.0]);
        let planes = x_t.chunks_exact(pixels).zip(h_s.chunks_exact(pixels));
        for (out, (x_t, h_s)) in out.chunks_exact_mut(pixels).zip(planes) {
            move_grains(x_t, h_s, &kernel, rng, out);
        }
        let faded = 1.0 - self.codec.density[t.0] / self.codec.density[s.0];
        if faded > 0.0 {
            let joining = &mut h_s;
            joining.iter_mut().for_each(|h| *h *= faded);
            poisson::quantiles(joining, &self.sample_noise(rng).0);
            out.iter_mut().zip(joining).for_each(|(n, joining)| *n += *joining);
        }
        Ok(())
    }
}

impl Intensity for Ink {
    fn density(&self, t: Timestep) -> f32 {
        self.codec.density[t.0]
    }
}

impl Grains for Ink {
    fn walking_time(&self, t: Timestep) -> f64 {
        self.tau[t.0]
    }
}
