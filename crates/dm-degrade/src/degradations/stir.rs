//! Stir: rows and columns are shifted to and fro in waves, further and further, until the image is all over the page.
//!
//! A lattice shear shifts row y (or column x) cyclically by round(a sin(2 pi (m y / 28 + phi))) pixels. Each is a
//! permutation of the pixels, and so is the chain of six that the key describes: rows, columns, and twice again, with
//! frequencies m and phases phi from the key and an amplitude a that grows as t^2. Undone in reverse order, the image
//! comes back bit for bit from any level. Such chains of sines are a usual model of mixing by a flow (Pierrehumbert
//! 1994); rounding makes them exact (Rannou 1974).
//!
//! Nothing but the places of the pixels changes, so that level T keeps the grey values of the image. The prior keeps
//! their laws, how many pixels have ink and how much, and draws each pixel on its own. That is approximate: pieces of a
//! stroke stay together.

use dm_nn::data::{Images, PIXELS, SIDE};
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::fitted::{self, Law, QUANTILES};
use super::{DegradationConfig, Entry, check_steps, clamp};
use crate::degradation::{Degradation, Key, Level, no_bridge};
use crate::error::{Error, Result};
use crate::prediction::Prediction;
use crate::samplers::SamplerKind;

/// The registry's line.
pub const ENTRY: Entry = Entry {
    name: "stir",
    summary: "rows and columns are shifted to and fro in waves: a permutation of the pixels, undone bit for bit",
    formula: "six shears in turn: row y (then column x) shifts by round(a (t/T)^2 sin(2 pi (m y / 28 + phi))), cyclically",
    key: "frequency m and phase phi of each shear, 12 numbers",
    prior: "independent pixels, inked as often and as much as in the training set; approximate: pieces of \
            a stroke stay together",
    inverse: "bit for bit with the key, at every level",
    parameters: &[("steps", "T, 100"), ("amplitude", "a, the largest shift at level T in pixels, 14")],
    source: "this project; shears by sines as in Pierrehumbert 1994, on the lattice as in Rannou 1974",
    prediction: Prediction::X0,
    sampler: SamplerKind::Cold,
    config: || DegradationConfig::Stir(StirConfig::default()),
};

/// Parameters of stir.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StirConfig {
    /// T.
    pub steps: usize,
    /// Largest shift of a row or column at level T, in pixels.
    pub amplitude: f64,
}

impl Default for StirConfig {
    fn default() -> Self {
        Self { steps: 100, amplitude: 14.0 }
    }
}

/// Shears in turn: even ones shift rows, odd ones columns.
const SHEARS: usize = 6;
/// Largest frequency of a shear, in waves a page.
const FREQUENCIES: u64 = 2;

/// What the prior knows of the training images: 257 quantiles of the share of inked pixels, then 257 of the ink of an
/// inked pixel. Empty if there are no images.
pub fn fit(images: &Images) -> Vec<f32> {
    let inked = |image: &[u8]| image.iter().filter(|&&pixel| pixel > 0).count() as f32 / PIXELS as f32;
    let mut fitted = Law::fit(images.pixels.chunks_exact(PIXELS).map(inked).collect());
    if fitted.is_empty() {
        return fitted;
    }
    let mut counts = [0u64; 256];
    images.pixels.iter().for_each(|&pixel| counts[usize::from(pixel)] += 1);
    counts[0] = 0;
    let total: u64 = counts.iter().sum();
    let (mut grey, mut below) = (0, 0);
    for i in 0..QUANTILES as u64 {
        let place = total.saturating_sub(1) * i / (QUANTILES as u64 - 1);
        while grey < 255 && below + counts[grey] <= place {
            below += counts[grey];
            grey += 1;
        }
        fitted.push(grey as f32 / 255.0);
    }
    fitted
}

/// The stirring process. States are images.
pub struct Stir {
    steps: usize,
    amplitude: f64,
    /// Law of the share of inked pixels.
    inked: Law,
    /// Law of the ink of an inked pixel.
    grey: Law,
}

impl Stir {
    /// Builds the process; `fitted` is what [`fit`] returned.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn new(config: &StirConfig, fitted: &[f32]) -> Result<Self> {
        let StirConfig { steps, amplitude } = *config;
        check_steps(steps)?;
        if !(amplitude > 0.0 && amplitude <= 1000.0) {
            return Err(Error::invalid("degradation.amplitude", amplitude, "above 0, at most 1000"));
        }
        fitted::check(fitted, 2 * QUANTILES, 1.0, &format!("{QUANTILES} quantiles of greys"))?;
        let (inked, grey) = fitted.split_at(fitted.len().min(QUANTILES));
        let grey = Law::new(if grey.is_empty() { &[1.0] } else { grey });
        Ok(Self { steps, amplitude, inked: Law::new(inked), grey })
    }

    /// Shear number `i` of `key` at `level`, or its undoing: the image `[784]` with every row or column shifted.
    fn shear(&self, x: &[f32], i: usize, level: Level, key: &Key, undo: bool) -> Vec<f32> {
        let (frequency, phase) = (f64::from(key.0[2 * i]), f64::from(key.0[2 * i + 1]));
        let amplitude = self.amplitude * (level.0 as f64 / self.steps as f64).powi(2);
        let shift = |line: usize| {
            let turn = frequency * line as f64 / SIDE as f64 + phase;
            let shift = (amplitude * (std::f64::consts::TAU * turn).sin()).round() as i64;
            (if undo { -shift } else { shift }).rem_euclid(i64::from(SIDE as u32)) as usize
        };
        let shifts: [usize; SIDE] = std::array::from_fn(shift);
        let from = |p: usize| {
            let (y, x) = (p / SIDE, p % SIDE);
            if i.is_multiple_of(2) {
                y * SIDE + (x + SIDE - shifts[y]) % SIDE
            } else {
                (y + SIDE - shifts[x]) % SIDE * SIDE + x
            }
        };
        (0..PIXELS).map(|p| x[from(p)]).collect()
    }
}

impl Degradation for Stir {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn to_state(&self, image: &[f32]) -> Vec<f32> {
        image.to_vec()
    }

    fn to_image(&self, state: &[f32]) -> Vec<f32> {
        clamp(state.iter().copied())
    }

    fn draw(&self, rng: &mut Rng) -> Key {
        let shear = |_| [(1 + rng.below(FREQUENCIES)) as f32, rng.uniform()];
        Key((0..SHEARS).flat_map(shear).collect())
    }

    fn apply(&self, x0: &[f32], level: Level, key: &Key) -> Vec<f32> {
        (0..SHEARS).fold(x0.to_vec(), |x, i| self.shear(&x, i, level, key, false))
    }

    fn prior(&self, rng: &mut Rng) -> Vec<f32> {
        let inked = self.inked.draw(rng);
        (0..PIXELS).map(|_| if rng.uniform() < inked { self.grey.draw(rng) } else { 0.0 }).collect()
    }

    fn has_bridge(&self) -> bool {
        false
    }

    fn bridge(&self, _: &[f32], _: &[f32], _: Level, _: Level, _: &mut Rng) -> Result<Vec<f32>> {
        Err(no_bridge(self))
    }

    fn invert(&self, x_t: &[f32], level: Level, key: &Key) -> Option<Vec<f32>> {
        Some((0..SHEARS).rev().fold(x_t.to_vec(), |x, i| self.shear(&x, i, level, key, true)))
    }

    fn inversion_tolerance(&self) -> (f32, Level) {
        (0.0, Level(self.steps))
    }

    fn encode(&self, x_t: &[f32], _: Level, out: &mut [f32]) {
        x_t.iter().zip(out).for_each(|(x, out)| *out = 2.0 * x - 1.0);
    }

    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
    }

    fn density(&self, _: Level) -> Option<f32> {
        Some(1.0)
    }
}
