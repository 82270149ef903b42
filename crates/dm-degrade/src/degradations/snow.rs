//! Snow: flakes fall on the image, drift into streaks, and the sky turns grey until only snow is left.
//!
//! The snowification of Bansal et al. 2022, which is the snow of ImageNet-C (Hendrycks and Dietterich 2019): a coarse field
//! of Gaussian noise is enlarged, values below a falling threshold are set to zero, the rest is motion-blurred along rows or
//! columns and added together with itself turned upside down. Theirs brightens the image a little and leaves it legible.
//! Here the image is blended into an even grey, (1 - w) x_0 + w grey with w = t/T, so that x_T knows nothing of it: the
//! prior is reached exactly and is as varied as snow is. All channels get the same snow. Sizes are relative to the image's
//! longer side.
//!
//! The sum is clipped at white, so that the image cannot be recovered even if the noise is known.

use dm_nn::image::ImageShape;
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::limits::check_shape_and_timesteps;
use crate::codec::{InputCodec, UnitCodec};
use crate::degradation::Degradation;
use crate::error::{Error, Result};
use crate::parameterization::ParameterizationKind;
use crate::samplers::SamplerKind;
use crate::timestep::{Noise, Timestep};

/// The registry's description.
pub const ENTRY: Entry = Entry {
    name: "snow",
    summary: "snow falls and drifts into streaks, and the sky turns grey",
    formula: "x_t = min(1, (1 - t/T) x_0 + (t/T) grey + S_t + S_t upside down), S_t noise above a falling threshold, \
              motion-blurred",
    noise: "the field of flakes, one number per pixel, and whether the wind blows along rows or columns",
    prior: "snow on grey, the exact law of x_T",
    inverse: "none: the sum is clipped at white",
    parameters: &[
        ("timesteps", "T, 100"),
        ("threshold", "the value that a flake has to exceed at T, 0.75; at t = 0 it is 1.15"),
        (
            "streak",
            "standard deviation of the motion blur at T as a multiple of the longer side, 3/28 (3 pixels of 28)",
        ),
        ("grey", "intensity of the sky at T, 0.25"),
    ],
    source: "Bansal et al. 2022 (snowification), after Hendrycks and Dietterich 2019",
    parameterization: ParameterizationKind::X0,
    sampler: SamplerKind::Cold,
};

/// Parameters of snow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnowConfig {
    /// T.
    pub timesteps: usize,
    /// The value that a flake has to exceed at T. The field has the mean 0.55 and, before enlarging, the standard deviation
    /// 0.3.
    pub threshold: f32,
    /// Standard deviation of the motion blur at T as a multiple of the image's longer side.
    pub streak: f32,
    /// Intensity of the sky at T, 0 to 1.
    pub grey: f32,
}

impl Default for SnowConfig {
    fn default() -> Self {
        Self { timesteps: 100, threshold: 0.75, streak: 3.0 / 28.0, grey: 0.25 }
    }
}

/// Mean and standard deviation of the coarse field, and the threshold at t = 0: severity 2 of ImageNet-C, as Bansal et al.
/// use it.
const MEAN: f32 = 0.55;
const DEVIATION: f32 = 0.3;
const FIRST_THRESHOLD: f32 = 1.15;
/// The longer side, in pixels, of the images that the next two constants are for.
const NOMINAL_SIDE: usize = 28;
/// The factor by which the coarse field is enlarged.
const ZOOM: f32 = 2.5;
/// How far the motion blur reaches, in pixels.
const REACH: usize = 5;
/// The largest number of values along a side of the coarse field: 28 pixels over the zoom, and one more at each end.
const MAX_COARSE: usize = 13;
/// The farthest that the motion blur may reach, on the largest images.
const MAX_REACH: usize = 31;

/// The snowing process. States are images.
pub struct Snow {
    shape: ImageShape,
    config: SnowConfig,
    codec: UnitCodec,
    /// The factor by which the coarse field is enlarged.
    zoom: f32,
    /// How far the motion blur reaches, in pixels.
    reach: usize,
    /// Standard deviation of the motion blur at T, in pixels.
    drift: f32,
}

impl Snow {
    /// Builds the process for images of `shape`.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn new(config: &SnowConfig, shape: ImageShape) -> Result<Self> {
        check_shape_and_timesteps(shape, config.timesteps)?;
        let fields = [
            ("threshold", config.threshold, 0.0, FIRST_THRESHOLD),
            ("streak", config.streak, 0.0, 4.0),
            ("grey", config.grey, 0.0, 1.0),
        ];
        for (name, value, least, most) in fields {
            if !(least..=most).contains(&value) {
                return Err(Error::invalid(
                    format!("degradation.{name}"),
                    value,
                    format!("{least} to {most}"),
                ));
            }
        }
        let side = shape.height.max(shape.width);
        Ok(Self {
            shape,
            config: config.clone(),
            codec: UnitCodec { channels: shape.channels },
            zoom: ZOOM * (side as f32 / NOMINAL_SIDE as f32),
            reach: (REACH * side).div_ceil(NOMINAL_SIDE).min(MAX_REACH),
            drift: config.streak * side as f32,
        })
    }

    /// The share of the way to T at timestep `t`.
    fn share(&self, t: Timestep) -> f32 {
        t.0 as f32 / self.config.timesteps as f32
    }

    /// The value of a pixel `x` under the sky and `snow`.
    fn cover(&self, share: f32, x: f32, snow: f32) -> f32 {
        ((1.0 - share) * x + share * self.config.grey + snow).min(1.0)
    }

    /// Writes to every channel of `out` the snow and the snow upside down, added together.
    fn fall(&self, share: f32, noise: &Noise, out: &mut [f32]) {
        let (first, others) = out.split_at_mut(self.shape.pixels());
        self.layer(share, noise, first);
        let last = first.len() - 1;
        for p in 0..first.len().div_ceil(2) {
            let both = first[p] + first[last - p];
            (first[p], first[last - p]) = (both, both);
        }
        others.chunks_exact_mut(first.len()).for_each(|out| out.copy_from_slice(first));
    }

    /// Writes to `layer` `[H, W]` the snow that has fallen by a share of the way to T.
    fn layer(&self, share: f32, noise: &Noise, layer: &mut [f32]) {
        let ImageShape { height, width, .. } = self.shape;
        let threshold = FIRST_THRESHOLD + share * (self.config.threshold - FIRST_THRESHOLD);
        let (field, along_rows) = noise.0.split_at(layer.len().min(noise.0.len()));
        let deviation = (share * self.drift).max(0.05);
        let taps: [f32; MAX_REACH + 1] =
            std::array::from_fn(|d| (-0.5 * (d as f32 / deviation).powi(2)).exp());
        let total = taps[0] + 2.0 * taps[1..=self.reach].iter().sum::<f32>();
        let (stride, length) = if along_rows.first() == Some(&1.0) { (1, width) } else { (width, height) };
        layer.fill(0.0);
        for (p, &flake) in field.iter().enumerate() {
            let flake = if flake < threshold { 0.0 } else { flake.clamp(0.0, 1.0) };
            if flake > 0.0 {
                let place = p / stride % length;
                for to in place.saturating_sub(self.reach)..=(place + self.reach).min(length - 1) {
                    layer[p + to * stride - place * stride] += flake * taps[place.abs_diff(to)] / total;
                }
            }
        }
    }
}

impl Degradation for Snow {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn timesteps(&self) -> usize {
        self.config.timesteps
    }

    fn sample_noise(&self, rng: &mut Rng) -> Noise {
        let ImageShape { height, width, .. } = self.shape;
        let points = |side: usize| ((side - 1) as f32 / self.zoom) as usize + 2;
        let mut coarse = [[0.0; MAX_COARSE]; MAX_COARSE];
        coarse[..points(height)].iter_mut().for_each(|row| rng.fill_normal(&mut row[..points(width)]));
        let enlarged = |p: usize| {
            let (y, x) = ((p / width) as f32 / self.zoom, (p % width) as f32 / self.zoom);
            let (i, j) = (y as usize, x as usize);
            let line = |i: usize| coarse[i][j] + x.fract() * (coarse[i][j + 1] - coarse[i][j]);
            MEAN + DEVIATION * (line(i) + y.fract() * (line(i + 1) - line(i)))
        };
        let wind = f32::from(u8::from(rng.uniform() < 0.5));
        Noise((0..height * width).map(enlarged).chain([wind]).collect())
    }

    fn degrade(&self, x0: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) {
        if t.0 == 0 {
            return out.copy_from_slice(x0);
        }
        let share = self.share(t);
        self.fall(share, noise, out);
        out.iter_mut().zip(x0).for_each(|(out, x)| *out = self.cover(share, *x, *out));
    }

    fn sample_prior(&self, rng: &mut Rng, out: &mut [f32]) {
        let noise = self.sample_noise(rng);
        self.sample_prior_given(&noise, rng, out);
    }

    fn sample_prior_given(&self, noise: &Noise, _: &mut Rng, out: &mut [f32]) {
        let share = self.share(Timestep(self.config.timesteps));
        self.fall(share, noise, out);
        out.iter_mut().for_each(|out| *out = self.cover(share, 0.0, *out));
    }

    fn codec(&self) -> &dyn InputCodec {
        &self.codec
    }
}
