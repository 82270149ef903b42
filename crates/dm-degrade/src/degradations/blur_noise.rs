//! Blur with Gaussian noise: intensity spreads by the heat equation and normal noise grows over it.
//!
//! Blurring diffusion (Hoogeboom and Salimans 2023): x_t = K_t x_0 + sigma_t eps with white noise eps, so every cosine mode
//! k is a Gaussian process of its own, with the signal e^(-lambda_k tau(t)). The noise is that of `ink` in normal form. Ink's
//! count of mean L_t h divided by L_t has the variance h / L_t; with the mean intensity m of the training set in place of
//! h, sigma_t^2 = m / L_t. So both processes have the same signal-to-noise ratio in every mode, and differ only in the kind
//! of noise: whole grains, or normal numbers.
//!
//! Backward from t to s < t, given x_0, every mode is drawn from its normal posterior; all gains are functions of the
//! Laplacian, applied by cosine transform.
//!
//! The prior is that of `ink`: the total intensity from the training set's distribution, spread like its mean image at T,
//! here with normal noise.

use dm_nn::image::ImageShape;
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::blur::{INVERSE_ERROR, last_invertible, undo_heat};
use super::density::densities;
use super::entry::Entry;
use super::intensity_prior::IntensityPrior;
use super::intensity_statistics::IntensityStatistics;
use super::limits::{check_shape_and_timesteps, check_spreads};
use crate::codec::{CENTERED_SCALE, InputCodec, clamp_into};
use crate::degradation::{Degradation, Inverse, Posterior, check_backward};
use crate::error::Result;
use crate::heat::{PlaneKernel, Spectrum, walking_times};
use crate::parameterization::ParameterizationKind;
use crate::samplers::SamplerKind;
use crate::timestep::{Noise, Timestep};

/// The registry's description.
pub const ENTRY: Entry = Entry {
    name: "blur_noise",
    summary: "ink spreads by the heat equation while Gaussian noise grows over it",
    formula: "x_t = K_tau(t) x_0 + sqrt(m / L_t) eps, K the heat kernel, m the mean intensity, eps standard normal",
    noise: "eps, one normal per value",
    prior: "total intensity from the training set's distribution, spread like its mean image at T, with the noise of T",
    inverse: "with the noise by inverse cosine transform, to 2e-3 up to tau = 1 (a spread of 1.4 pixels); beyond, not at all",
    parameters: &[
        ("timesteps", "T, 1000"),
        ("density", "L_0, as in ink: the noise has the variance m / L_t, 256"),
        ("density_end", "L_T, 1, reached geometrically"),
        ("sigma_min", "spread at t = 1 in pixels, 0.2"),
        ("sigma_max", "spread at T in pixels, 8"),
    ],
    source: "Hoogeboom and Salimans 2023; the schedule is that of this project's ink",
    parameterization: ParameterizationKind::Sigmoid,
    sampler: SamplerKind::Ancestral2m,
};

/// Parameters of blur with noise. The keys and defaults are those of Ink, so that equal values make the signal-to-noise
/// ratios of both processes equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlurNoiseConfig {
    /// T.
    pub timesteps: usize,
    /// L_0: the noise at t has the variance m / L_t, where m is the mean intensity of the training set.
    pub density: f32,
    /// L_T, at most L_0. L falls geometrically from timestep to timestep.
    pub density_end: f32,
    /// The spread sigma = sqrt(2 tau) at t = 1, in pixels.
    pub sigma_min: f64,
    /// The spread at T, in pixels.
    pub sigma_max: f64,
}

impl Default for BlurNoiseConfig {
    fn default() -> Self {
        Self { timesteps: 1000, density: 256.0, density_end: 1.0, sigma_min: 0.2, sigma_max: 8.0 }
    }
}

/// The smallest mean intensity that the noise is computed from: blank training images would leave no noise.
const SMALLEST_MEAN: f32 = 0.01;

/// Blur with Gaussian noise. States are images with noise.
pub struct BlurNoise {
    shape: ImageShape,
    codec: NoisyCodec,
    /// The walking time of every timestep.
    tau: Vec<f64>,
    /// The kernel of every timestep.
    kernels: Vec<PlaneKernel>,
    spectrum: Spectrum,
    prior: IntensityPrior,
}

impl BlurNoise {
    /// Builds the tables for images of `shape`; `fitted` is what
    /// [`DegradationConfig::fit`](super::DegradationConfig::fit) returned. Quantiles alone, from 1 to 257 per channel, make
    /// a prior of even intensity.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn new(config: &BlurNoiseConfig, shape: ImageShape, fitted: &[f32]) -> Result<Self> {
        let BlurNoiseConfig { timesteps, density, density_end, sigma_min, sigma_max } = *config;
        check_shape_and_timesteps(shape, timesteps)?;
        let density = densities(timesteps, density, density_end)?;
        check_spreads(sigma_min, sigma_max)?;
        let IntensityStatistics { totals, mean_image, channel_mean } =
            IntensityStatistics::new(fitted, shape)?;
        let deviation = |mean: f32, t: usize| match t {
            0 => 0.0,
            t => (mean.max(SMALLEST_MEAN) / density[t]).sqrt(),
        };
        let sigma =
            (0..=timesteps).map(|t| channel_mean.iter().map(|&mean| deviation(mean, t)).collect()).collect();
        let tau = walking_times(timesteps, sigma_min, sigma_max);
        let kernels: Vec<PlaneKernel> = tau.iter().map(|&tau| PlaneKernel::heat(shape, tau)).collect();
        let mut spread = vec![0.0; shape.len()];
        kernels[timesteps].spread(&mean_image, &mut spread);
        let prior = IntensityPrior::new(totals, &spread, shape.pixels());
        let codec = NoisyCodec { mean: channel_mean, sigma };
        Ok(Self { shape, codec, tau, kernels, spectrum: Spectrum::new(shape), prior })
    }

    /// The walking time tau of `t`; the spread is sqrt(2 tau) pixels.
    ///
    /// # Panics
    /// If `t` is above T.
    pub fn tau(&self, t: Timestep) -> f64 {
        self.tau[t.0]
    }

    /// The standard deviation of the noise of each channel at `t`, `[C]`.
    ///
    /// # Panics
    /// If `t` is above T.
    pub fn sigma(&self, t: Timestep) -> &[f32] {
        &self.codec.sigma[t.0]
    }

    /// Adds to `values` `[C, H, W]` the noise of `t` that is made of the standard normals `eps`, times `sign`.
    fn add_noise(&self, t: Timestep, sign: f32, eps: &[f32], values: &mut [f32]) {
        let pixels = self.shape.pixels();
        let planes = values.chunks_exact_mut(pixels).zip(eps.chunks_exact(pixels)).zip(self.sigma(t));
        for ((values, eps), sigma) in planes {
            values.iter_mut().zip(eps).for_each(|(value, eps)| *value += sign * sigma * eps);
        }
    }
}

impl Degradation for BlurNoise {
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
        let mut eps = vec![0.0; self.shape.len()];
        rng.fill_normal(&mut eps);
        Noise(eps)
    }

    fn degrade(&self, x0: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) {
        if t.0 == 0 {
            return out.copy_from_slice(x0);
        }
        self.kernels[t.0].spread(x0, out);
        self.add_noise(t, 1.0, &noise.0, out);
    }

    fn sample_prior(&self, rng: &mut Rng, out: &mut [f32]) {
        let noise = self.sample_noise(rng);
        self.sample_prior_given(&noise, rng, out);
    }

    /// Like [`Self::sample_prior`], with the normals of `noise`; only the total intensity is drawn.
    fn sample_prior_given(&self, noise: &Noise, rng: &mut Rng, out: &mut [f32]) {
        self.prior.intensity(rng.uniform(), 1.0, out);
        self.add_noise(Timestep(self.timesteps()), 1.0, &noise.0, out);
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

impl Posterior for BlurNoise {
    /// Hoogeboom and Salimans 2023, section 3.2. With a = e^(-lambda (tau_t - tau_s)) and v = sigma_t^2 - a^2 sigma_s^2, the
    /// variance that going from s to t adds, the posterior of a mode has the mean
    /// a sigma_s^2/sigma_t^2 x_t + v/sigma_t^2 e^(-lambda tau_s) x_0 and the variance sigma_s^2 v / sigma_t^2.
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
        let (pixels, eps) = (self.shape.pixels(), self.sample_noise(rng).0);
        let planes = out.chunks_exact_mut(pixels).zip(self.sigma(t).iter().zip(self.sigma(s)));
        for (channel, (out, (&sigma_t, &sigma_s))) in planes.enumerate() {
            let (noise_t, noise_s) = (f64::from(sigma_t).powi(2), f64::from(sigma_s).powi(2));
            let gains = |lambda: f64| {
                let kept = (-lambda * (self.tau[t.0] - self.tau[s.0])).exp();
                let added = (noise_t - kept * kept * noise_s).max(0.0);
                let signal = (-lambda * self.tau[s.0]).exp();
                [kept * noise_s / noise_t, added / noise_t * signal, (noise_s * added / noise_t).sqrt()]
            };
            let plane = channel * pixels..(channel + 1) * pixels;
            let terms = [&x_t[plane.clone()], &x0[plane.clone()], &eps[plane]];
            self.spectrum.filter_sum(terms, gains, out);
        }
        Ok(())
    }
}

impl Inverse for BlurNoise {
    fn invert(&self, x_t: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) -> bool {
        let mut blurred = x_t.to_vec();
        self.add_noise(t, -1.0, &noise.0, &mut blurred);
        undo_heat(&self.spectrum, self.tau[t.0], &blurred, out)
    }

    /// Twice the error of blur, because adding and subtracting the noise rounds as well.
    fn tolerance(&self) -> (f32, Timestep) {
        (2.0 * INVERSE_ERROR, last_invertible(&self.tau))
    }
}

/// The state is the image as an intensity, with noise. The network's input is centred and scaled so that it has about unit
/// variance at every timestep.
struct NoisyCodec {
    /// Mean intensity of each channel over the training set, `[C]`.
    mean: Vec<f32>,
    /// Standard deviation of the noise at every timestep, `[C]` each.
    sigma: Vec<Vec<f32>>,
}

impl InputCodec for NoisyCodec {
    fn encode_image(&self, image: &[f32], state: &mut [f32]) {
        state.copy_from_slice(image);
    }

    fn decode_image(&self, state: &[f32], image: &mut [f32]) {
        clamp_into(state, image);
    }

    fn input_channels(&self) -> usize {
        self.mean.len()
    }

    fn encode_input(&self, x_t: &[f32], t: Timestep, out: &mut [f32]) {
        let pixels = x_t.len() / self.mean.len();
        let planes = x_t.chunks_exact(pixels).zip(out.chunks_exact_mut(pixels));
        for ((x_t, out), (mean, sigma)) in planes.zip(self.mean.iter().zip(&self.sigma[t.0])) {
            let scale = CENTERED_SCALE / (1.0 + (CENTERED_SCALE * sigma).powi(2)).sqrt();
            x_t.iter().zip(out).for_each(|(x, out)| *out = scale * (x - mean));
        }
    }

    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
    }
}
