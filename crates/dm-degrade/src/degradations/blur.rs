//! Blur: x_t = K_t x_0, intensity that spreads without noise.
//!
//! With the heat kernel this is Ink at infinite density, its cold limit (Rissanen et al. 2023 without their noise). With a
//! Gaussian kernel applied t times it is the blur of Bansal et al. 2022 on a torus: intensity that leaves the image on one
//! side enters it on the opposite side. Both conserve the intensity of each channel and need no random numbers.
//!
//! At T only the total intensity still differs noticeably between images, so the prior has almost no entropy: a single
//! number would have to determine all the variety of images. The prior is not reached exactly either. No noise hides what
//! is left of the image at T, and a network can learn to read it.

use dm_nn::image::ImageShape;
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::deterministic::{Deterministic, ImageIntensity};
use super::entry::Entry;
use super::intensity_prior::IntensityPrior;
use super::intensity_statistics::IntensityStatistics;
use super::limits::{check_positive, check_shape_and_timesteps, check_spreads};
use crate::codec::{CenteredCodec, InputCodec};
use crate::degradation::{Degradation, Intensity, Inverse, Posterior};
use crate::error::{Error, Result};
use crate::heat::{Kernel, PlaneKernel, Spectrum, walking_times};
use crate::parameterization::ParameterizationKind;
use crate::samplers::SamplerKind;
use crate::timestep::{Noise, Timestep};

/// The registry's description.
pub const ENTRY: Entry = Entry {
    name: "blur",
    summary: "ink spreads by the heat equation, or by a Gaussian kernel applied repeatedly",
    formula: "x_t = K_t x_0: heat K_t = exp(-tau(t) Laplacian), repeated K_t = G^t",
    noise: "none",
    prior: "the degraded mean image, scaled to a total intensity from the training set's distribution: one random number; a \
            digit at T still differs from it slightly",
    inverse: "heat by inverse cosine transform, to 1e-3 up to tau = 1 (a spread of 1.4 pixels); beyond, rounding is \
              amplified; the repeated kernel not at all",
    parameters: &[
        ("timesteps", "T, 100"),
        (
            "kernel",
            "heat { sigma_min, sigma_max } in pixels, 0.2 to 16; or repeated { size, std } in pixels, 11 and 7",
        ),
    ],
    source: "Bansal et al. 2022; heat as in Rissanen et al. 2023",
    parameterization: ParameterizationKind::X0,
    sampler: SamplerKind::Cold,
};

/// The kernel that blurs the image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum BlurKernel {
    /// The heat equation with reflecting edges; its spread grows geometrically.
    Heat {
        /// The spread sigma = sqrt(2 tau) at t = 1, in pixels.
        #[serde(default = "sigma_min")]
        sigma_min: f64,
        /// The spread at T, in pixels.
        #[serde(default = "sigma_max")]
        sigma_max: f64,
    },
    /// A truncated Gaussian applied t times on a torus, after Bansal et al.
    Repeated {
        /// Width and height of the kernel in pixels, odd.
        #[serde(default = "size")]
        size: usize,
        /// Standard deviation in pixels before truncation.
        #[serde(default = "deviation")]
        std: f64,
    },
}

fn sigma_min() -> f64 {
    0.2
}

fn sigma_max() -> f64 {
    16.0
}

fn size() -> usize {
    11
}

fn deviation() -> f64 {
    7.0
}

/// Parameters of blur.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlurConfig {
    /// T.
    pub timesteps: usize,
    /// The kernel that blurs the image.
    pub kernel: BlurKernel,
}

impl Default for BlurConfig {
    fn default() -> Self {
        Self { timesteps: 100, kernel: BlurKernel::Heat { sigma_min: sigma_min(), sigma_max: sigma_max() } }
    }
}

/// The heat equation is inverted up to this time, to [`INVERSE_ERROR`] of a full pixel. Beyond this time, the rounding of
/// f32 images is amplified by e^(8 tau), the gain of the checkerboard mode.
const INVERTIBLE_UNTIL: f64 = 1.0;
pub(super) const INVERSE_ERROR: f32 = 1e-3;

/// Undoes the heat equation of the time `tau`. Returns false, with `out` unspecified, beyond [`INVERTIBLE_UNTIL`].
pub(super) fn undo_heat(spectrum: &Spectrum, tau: f64, x_t: &[f32], out: &mut [f32]) -> bool {
    if tau == 0.0 {
        out.copy_from_slice(x_t);
    } else if tau <= INVERTIBLE_UNTIL {
        spectrum.filter(x_t, |lambda| (lambda * tau).exp(), out);
    }
    tau <= INVERTIBLE_UNTIL
}

/// The last timestep that [`undo_heat`] can undo, given the walking time of every timestep.
pub(super) fn last_invertible(tau: &[f64]) -> Timestep {
    Timestep(tau.iter().take_while(|&&tau| tau <= INVERTIBLE_UNTIL).count().saturating_sub(1))
}

/// The blurring process. States are images.
pub struct Blur {
    shape: ImageShape,
    codec: CenteredCodec,
    /// The kernel of every timestep.
    kernels: Vec<PlaneKernel>,
    /// The tables of [`BlurKernel::Heat`], if this is the kernel.
    heat: Option<Heat>,
    prior: IntensityPrior,
}

/// Tables of the heat equation, which can be inverted.
struct Heat {
    /// The walking time of every timestep.
    tau: Vec<f64>,
    spectrum: Spectrum,
}

impl Blur {
    /// Builds the tables for images of `shape`; `fitted` is what
    /// [`DegradationConfig::fit`](super::DegradationConfig::fit) returned.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn new(config: &BlurConfig, shape: ImageShape, fitted: &[f32]) -> Result<Self> {
        check_shape_and_timesteps(shape, config.timesteps)?;
        let IntensityStatistics { totals, mean_image, channel_mean } =
            IntensityStatistics::new(fitted, shape)?;
        let (kernels, heat) = match config.kernel {
            BlurKernel::Heat { sigma_min, sigma_max } => {
                check_spreads(sigma_min, sigma_max)?;
                let tau = walking_times(config.timesteps, sigma_min, sigma_max);
                let kernels = tau.iter().map(|&tau| PlaneKernel::heat(shape, tau)).collect();
                (kernels, Some(Heat { tau, spectrum: Spectrum::new(shape) }))
            }
            BlurKernel::Repeated { size, std } => {
                let shorter = shape.height.min(shape.width);
                if size.is_multiple_of(2) || !(3..shorter).contains(&size) {
                    let expected = format!("an odd number from 3 to {}", shorter - 1);
                    return Err(Error::invalid("degradation.kernel.size", size, expected));
                }
                check_positive("kernel.std", std, 100.0)?;
                (repeated(shape, size, std, config.timesteps), None)
            }
        };
        let mut spread = vec![0.0; shape.len()];
        kernels[config.timesteps].spread(&mean_image, &mut spread);
        let prior = IntensityPrior::new(totals, &spread, shape.pixels());
        let codec = CenteredCodec { mean: channel_mean, max: f32::INFINITY };
        Ok(Self { shape, codec, kernels, heat, prior })
    }

    /// The kernel that leads from timestep 0 to `t`.
    ///
    /// # Panics
    /// If `t` is above T.
    pub fn kernel(&self, t: Timestep) -> &PlaneKernel {
        &self.kernels[t.0]
    }

    /// The walking time of `t`; `None` for a repeated kernel.
    ///
    /// The spread is sqrt(2 tau) pixels.
    pub fn tau(&self, t: Timestep) -> Option<f64> {
        self.heat.as_ref()?.tau.get(t.0).copied()
    }
}

/// The powers 0 to `timesteps` of a Gaussian of `size` pixels on a torus.
fn repeated(shape: ImageShape, size: usize, std: f64, timesteps: usize) -> Vec<PlaneKernel> {
    let reach = size / 2;
    let taps: Vec<f64> = (0..=reach).map(|d| (-0.5 * (d as f64 / std).powi(2)).exp()).collect();
    let total = taps[0] + 2.0 * taps[1..].iter().sum::<f64>();
    // Powers of a symmetric circulant matrix are symmetric and circulant, so that the first row determines each of them.
    let first_row = |len: usize| {
        let mut row = vec![0.0; len];
        row[0] = 1.0;
        row
    };
    let next = |row: &[f64]| {
        let len = row.len();
        let at = |x: usize| {
            let pairs = (1..=reach).map(|d| taps[d] * (row[(x + d) % len] + row[(x + len - d) % len]));
            (taps[0] * row[x] + pairs.sum::<f64>()) / total
        };
        (0..len).map(at).collect()
    };
    let (mut height, mut width) = (first_row(shape.height), first_row(shape.width));
    let mut powers = Vec::with_capacity(timesteps + 1);
    for _ in 0..=timesteps {
        powers.push(PlaneKernel::new(shape, |len| {
            let row = if len == shape.width { &width } else { &height };
            Kernel::from_fn(len, |y, x| row[(x + len - y) % len] as f32)
        }));
        (height, width) = (next(&height), next(&width));
    }
    powers
}

impl Degradation for Blur {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn timesteps(&self) -> usize {
        self.kernels.len() - 1
    }

    fn sample_noise(&self, _: &mut Rng) -> Noise {
        Noise::default()
    }

    fn degrade(&self, x0: &[f32], t: Timestep, _: &Noise, out: &mut [f32]) {
        if t.0 == 0 {
            out.copy_from_slice(x0);
        } else {
            self.kernel(t).spread(x0, out);
        }
    }

    /// The totals of all channels are the quantiles of one uniform: bright images are bright in every channel.
    fn sample_prior(&self, rng: &mut Rng, out: &mut [f32]) {
        self.prior.intensity(rng.uniform(), 1.0, out);
    }

    fn codec(&self) -> &dyn InputCodec {
        &self.codec
    }

    fn posterior(&self) -> Option<&dyn Posterior> {
        Some(self)
    }

    fn intensity(&self) -> Option<&dyn Intensity> {
        Some(&ImageIntensity)
    }

    fn inverse(&self) -> Option<&dyn Inverse> {
        self.heat.as_ref().map(|heat| heat as &dyn Inverse)
    }
}

impl Deterministic for Blur {}

impl Inverse for Heat {
    fn invert(&self, x_t: &[f32], t: Timestep, _: &Noise, out: &mut [f32]) -> bool {
        undo_heat(&self.spectrum, self.tau[t.0], x_t, out)
    }

    fn tolerance(&self) -> (f32, Timestep) {
        (INVERSE_ERROR, last_invertible(&self.tau))
    }
}
