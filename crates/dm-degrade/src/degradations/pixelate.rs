//! Pixelate: squares of uniform intensity with sides of 2, 4, 8, ... pixels, until one square covers the image.
//!
//! Bansal et al. 2022, super-resolution: halve the resolution and enlarge again without smoothing. A side of 28 pixels is
//! halved to 14, 7, 4, 2 and 1 squares; where a number is odd the last square is smaller. A_k replaces every pixel by the
//! mean of its square, and timesteps between two levels k blend: x_t = (1 - w) A_k x_0 + w A_(k+1) x_0. Squares are nested,
//! so A_(k+1) A_k = A_(k+1). Between two levels no information is lost; at each level three quarters of the numbers are.
//!
//! The last state is a uniform image, which its total intensity determines. The prior has exactly this distribution, and
//! therefore almost no entropy.

use dm_nn::image::ImageShape;
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::deterministic::{Deterministic, ImageIntensity};
use super::entry::Entry;
use super::intensity_statistics::IntensityStatistics;
use super::limits::check_shape_and_timesteps;
use super::quantile_distribution::QuantileDistribution;
use crate::codec::{CenteredCodec, InputCodec};
use crate::degradation::{Degradation, Intensity, Inverse, Posterior};
use crate::error::Result;
use crate::parameterization::ParameterizationKind;
use crate::samplers::SamplerKind;
use crate::timestep::{Noise, Timestep};

/// The registry's description.
pub const ENTRY: Entry = Entry {
    name: "pixelate",
    summary: "squares of uniform grey double in width until one covers the page",
    formula: "x_t = (1 - w) A_k x_0 + w A_(k+1) x_0, A_k means over squares of 2^k pixels, K t / T = k + w, 2^K the \
              smallest power not below the longer side",
    noise: "none",
    prior: "a uniform page with the total intensity of the training set's distribution: one random number, the exact law \
            of x_T for grey images",
    inverse: "by algebra before the first level (t < T / K), to 1e-7 T; none from there on",
    parameters: &[("timesteps", "T, 100; a multiple of K (5 for 28 pixels) meets every level")],
    source: "Bansal et al. 2022 (super-resolution)",
    parameterization: ParameterizationKind::X0,
    sampler: SamplerKind::Cold,
};

/// Parameters of pixelate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PixelateConfig {
    /// T.
    pub timesteps: usize,
}

impl Default for PixelateConfig {
    fn default() -> Self {
        Self { timesteps: 100 }
    }
}

/// The pixelating process. States are images.
pub struct Pixelate {
    shape: ImageShape,
    timesteps: usize,
    /// The number of levels K: how often the resolution is halved until one square covers the image.
    halvings: usize,
    codec: CenteredCodec,
    /// The total intensity of each channel.
    totals: Vec<QuantileDistribution>,
}

impl Pixelate {
    /// Builds the process for images of `shape`; `fitted` is what
    /// [`DegradationConfig::fit`](super::DegradationConfig::fit) returned.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn new(config: &PixelateConfig, shape: ImageShape, fitted: &[f32]) -> Result<Self> {
        check_shape_and_timesteps(shape, config.timesteps)?;
        let IntensityStatistics { totals, channel_mean, .. } = IntensityStatistics::new(fitted, shape)?;
        let halvings = shape.height.max(shape.width).next_power_of_two().ilog2() as usize;
        let codec = CenteredCodec { mean: channel_mean, max: 1.0 };
        Ok(Self { shape, timesteps: config.timesteps, halvings, codec, totals })
    }

    /// The number of levels K: how often the resolution is halved until one square covers the image.
    pub fn levels(&self) -> usize {
        self.halvings
    }

    /// The level k at timestep `t`, and the share w of the next one.
    pub fn level(&self, t: Timestep) -> (usize, f32) {
        let (k, rest) = (self.halvings * t.0 / self.timesteps, self.halvings * t.0 % self.timesteps);
        (k, rest as f32 / self.timesteps as f32)
    }

    /// Writes A_k x to `out`: the mean over squares with sides of 2^k pixels. The edge of the image may cut off the last
    /// squares.
    pub fn squares(&self, x: &[f32], k: usize, out: &mut [f32]) {
        if k == 0 {
            out.copy_from_slice(x);
        } else {
            for_each_square(self.shape, k, x, out, |out, mean| *out = mean);
        }
    }
}

/// Calls `write(value, mean)` for every value of `out`, with the mean of `x` over the square of 2^k pixels around it.
fn for_each_square(shape: ImageShape, k: usize, x: &[f32], out: &mut [f32], write: impl Fn(&mut f32, f32)) {
    let (side, height, width) = (1 << k, shape.height, shape.width);
    for (x, out) in x.chunks_exact(shape.pixels()).zip(out.chunks_exact_mut(shape.pixels())) {
        for (top, left) in
            (0..height).step_by(side).flat_map(|top| (0..width).step_by(side).map(move |left| (top, left)))
        {
            let rows = top..(top + side).min(height);
            let columns = left..(left + side).min(width);
            let line = |y: usize| y * width + columns.start..y * width + columns.end;
            let sum: f64 = rows.clone().flat_map(|y| &x[line(y)]).fold(0.0, |sum, &x| sum + f64::from(x));
            let mean = (sum / (rows.len() * columns.len()) as f64) as f32;
            rows.for_each(|y| out[line(y)].iter_mut().for_each(|out| write(out, mean)));
        }
    }
}

impl Degradation for Pixelate {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn timesteps(&self) -> usize {
        self.timesteps
    }

    fn sample_noise(&self, _: &mut Rng) -> Noise {
        Noise::default()
    }

    fn degrade(&self, x0: &[f32], t: Timestep, _: &Noise, out: &mut [f32]) {
        let (k, w) = self.level(t);
        self.squares(x0, k, out);
        if w > 0.0 {
            for_each_square(self.shape, k + 1, x0, out, |out, next| *out += w * (next - *out));
        }
    }

    /// The totals of all channels are the quantiles of one uniform: bright images are bright in every channel.
    fn sample_prior(&self, rng: &mut Rng, out: &mut [f32]) {
        let (u, pixels) = (rng.uniform(), self.shape.pixels());
        for (out, total) in out.chunks_exact_mut(pixels).zip(&self.totals) {
            out.fill(total.quantile(u) / pixels as f32);
        }
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
        Some(self)
    }
}

impl Deterministic for Pixelate {}

impl Inverse for Pixelate {
    /// Before the first level, A_1 x_t = A_1 x_0 and therefore x_0 = (x_t - w A_1 x_t) / (1 - w).
    fn invert(&self, x_t: &[f32], t: Timestep, _: &Noise, out: &mut [f32]) -> bool {
        let (k, w) = self.level(t);
        out.copy_from_slice(x_t);
        if w > 0.0 {
            for_each_square(self.shape, 1, x_t, out, |out, next| *out = (*out - w * next) / (1.0 - w));
        }
        k == 0
    }

    fn tolerance(&self) -> (f32, Timestep) {
        // Rounding is divided by 1 - w, which is at least K / T.
        (1e-7 * self.timesteps as f32, Timestep((self.timesteps - 1) / self.halvings))
    }
}
