//! Stir: waves shift rows and columns back and forth, further and further, until the image is spread over the page.
//!
//! A lattice shear shifts row y cyclically by round(a sin(2 pi (m y / H + phi))) pixels, or columns likewise. Each shear is
//! a permutation of the pixels, and so is the chain of six that the noise describes: rows, columns, and twice again, with
//! frequencies m and phases phi from the noise and an amplitude a that grows as t^2. Undoing the shears in reverse order
//! restores the image bit for bit from any timestep. Such chains of sines are a usual model of mixing by a flow
//! (Pierrehumbert 1994); rounding makes them exact (Rannou 1974). All channels are shifted alike.
//!
//! Only the places of the pixels change, so x_T has the values of the image. The prior has the distribution of these
//! values (how many are above zero, and how large they are) and draws each value independently. This is an approximation,
//! because pieces of a stroke stay together.

use dm_nn::data::Images;
use dm_nn::image::{ImageShape, MAX_SIDE, to_unit};
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::deterministic::ImageIntensity;
use super::entry::Entry;
use super::intensity_statistics::check_fitted;
use super::limits::{check_positive, check_shape_and_timesteps};
use super::quantile_distribution::{QUANTILES, QuantileDistribution};
use crate::codec::{InputCodec, UnitCodec};
use crate::degradation::{Degradation, Intensity, Inverse};
use crate::error::Result;
use crate::parameterization::ParameterizationKind;
use crate::samplers::SamplerKind;
use crate::timestep::{Noise, Timestep};

/// The registry's description.
pub const ENTRY: Entry = Entry {
    name: "stir",
    summary: "waves shift rows and columns back and forth: a permutation of the pixels that can be undone exactly",
    formula: "six shears in turn: row y shifts cyclically by round(a W (t/T)^2 sin(2 pi (m y / H + phi))), columns likewise",
    noise: "frequency m and phase phi of each shear, 12 numbers",
    prior: "independent pixels, above zero as often and as bright as in the training set; approximate: pieces of \
            a stroke stay together",
    inverse: "bit for bit with the noise, at every timestep",
    parameters: &[
        ("timesteps", "T, 100"),
        ("amplitude", "a, the largest shift at T as a multiple of the line's length, 0.5"),
    ],
    source: "this project; shears by sines as in Pierrehumbert 1994, on the lattice as in Rannou 1974",
    parameterization: ParameterizationKind::X0,
    sampler: SamplerKind::Cold,
};

/// Parameters of stir.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StirConfig {
    /// T.
    pub timesteps: usize,
    /// The largest shift at T as a multiple of the length of the row or column.
    pub amplitude: f64,
}

impl Default for StirConfig {
    fn default() -> Self {
        Self { timesteps: 100, amplitude: 0.5 }
    }
}

/// Number of shears: even ones shift rows, odd ones columns.
const SHEARS: usize = 6;
/// The largest frequency of a shear, in waves per image.
const FREQUENCIES: u64 = 2;

/// The statistics of the training images that the prior uses: 257 quantiles of the share of values above zero in an image,
/// then 257 of the values above zero. Empty if there are no images.
pub fn fit(images: &Images) -> Vec<f32> {
    let len = images.shape.len();
    let inked = |image: &[u8]| image.iter().filter(|&&value| value > 0).count() as f32 / len as f32;
    let mut fitted = QuantileDistribution::fit(images.pixels.chunks_exact(len).map(inked).collect());
    if fitted.is_empty() {
        return fitted;
    }
    let mut counts = [0u64; 256];
    images.pixels.iter().for_each(|&value| counts[usize::from(value)] += 1);
    counts[0] = 0;
    let total: u64 = counts.iter().sum();
    let (mut grey, mut below) = (0u8, 0);
    for i in 0..QUANTILES as u64 {
        let place = total.saturating_sub(1) * i / (QUANTILES as u64 - 1);
        while grey < 255 && below + counts[usize::from(grey)] <= place {
            below += counts[usize::from(grey)];
            grey += 1;
        }
        let mut value = [0.0];
        to_unit(&[grey], &mut value);
        fitted.extend(value);
    }
    fitted
}

/// The stirring process. States are images.
pub struct Stir {
    shape: ImageShape,
    config: StirConfig,
    codec: UnitCodec,
    /// The share of values above zero in an image.
    inked: QuantileDistribution,
    /// The values above zero.
    grey: QuantileDistribution,
}

impl Stir {
    /// Builds the process for images of `shape`; `fitted` is what [`fit`] returned.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn new(config: &StirConfig, shape: ImageShape, fitted: &[f32]) -> Result<Self> {
        check_shape_and_timesteps(shape, config.timesteps)?;
        check_positive("amplitude", config.amplitude, 100.0)?;
        check_fitted(fitted, 1, QUANTILES, 1.0, &format!("{QUANTILES} quantiles of values"))?;
        let (inked, grey) = fitted.split_at(fitted.len().min(QUANTILES));
        let grey = QuantileDistribution::new(if grey.is_empty() { &[1.0] } else { grey });
        let codec = UnitCodec { channels: shape.channels };
        Ok(Self { shape, config: config.clone(), codec, inked: QuantileDistribution::new(inked), grey })
    }

    /// Shifts every row or column of `x` in place by shear number `i` of `noise` at `t`, or back.
    fn shear(&self, x: &mut [f32], i: usize, t: Timestep, noise: &Noise, undo: bool) {
        let ImageShape { height, width, .. } = self.shape;
        let (lines, length) = if i.is_multiple_of(2) { (height, width) } else { (width, height) };
        let (frequency, phase) = (f64::from(noise.0[2 * i]), f64::from(noise.0[2 * i + 1]));
        let amplitude = self.config.amplitude * length as f64;
        let amplitude = amplitude * (t.0 as f64 / self.config.timesteps as f64).powi(2);
        for line in 0..lines {
            let wave = (std::f64::consts::TAU * (frequency * line as f64 / lines as f64 + phase)).sin();
            let shift = (amplitude * wave).round() as i64;
            let shift = (if undo { -shift } else { shift }).rem_euclid(length.cast_signed() as i64) as usize;
            for plane in x.chunks_exact_mut(height * width) {
                if i.is_multiple_of(2) {
                    plane[line * width..(line + 1) * width].rotate_right(shift);
                } else {
                    rotate_column(plane, width, line, shift);
                }
            }
        }
    }
}

/// Moves the values of column `x` of `plane` down by `shift` pixels, cyclically.
fn rotate_column(plane: &mut [f32], width: usize, x: usize, shift: usize) {
    let mut column = [0.0; MAX_SIDE];
    let height = plane.len() / width;
    let column = &mut column[..height];
    column.iter_mut().zip(plane[x..].iter().step_by(width)).for_each(|(to, from)| *to = *from);
    column.rotate_right(shift);
    plane[x..].iter_mut().step_by(width).zip(column).for_each(|(to, from)| *to = *from);
}

impl Degradation for Stir {
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
        let shear = |_| [(1 + rng.below(FREQUENCIES)) as f32, rng.uniform()];
        Noise((0..SHEARS).flat_map(shear).collect())
    }

    fn degrade(&self, x0: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) {
        out.copy_from_slice(x0);
        (0..SHEARS).for_each(|i| self.shear(out, i, t, noise, false));
    }

    fn sample_prior(&self, rng: &mut Rng, out: &mut [f32]) {
        let inked = self.inked.sample(rng);
        out.fill_with(|| if rng.uniform() < inked { self.grey.sample(rng) } else { 0.0 });
    }

    fn codec(&self) -> &dyn InputCodec {
        &self.codec
    }

    fn intensity(&self) -> Option<&dyn Intensity> {
        Some(&ImageIntensity)
    }

    fn inverse(&self) -> Option<&dyn Inverse> {
        Some(self)
    }
}

impl Inverse for Stir {
    fn invert(&self, x_t: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) -> bool {
        out.copy_from_slice(x_t);
        (0..SHEARS).rev().for_each(|i| self.shear(out, i, t, noise, true));
        true
    }

    fn tolerance(&self) -> (f32, Timestep) {
        (0.0, Timestep(self.config.timesteps))
    }
}
