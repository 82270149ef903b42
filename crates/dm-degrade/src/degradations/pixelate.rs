//! Pixelate: even squares of 2, 4, 8, 16 pixels, at last the whole page.
//!
//! Bansal et al. 2022, super-resolution: halve the resolution and enlarge again without smoothing. A page of 28 is halved
//! to 14, 7, 4, 2 and 1 squares a side; where a number is odd the last square stays smaller. A_k replaces every pixel by
//! the mean of its square, and levels between two rungs k blend: x_t = (1 - w) A_k x_0 + w A_(k+1) x_0. Squares are
//! nested, so A_(k+1) A_k = A_(k+1): within a rung nothing is lost, at its end three quarters of the numbers are.
//!
//! The end is an even page and the total ink its only number. The prior has exactly that law, and no more entropy.

use dm_nn::data::{PIXELS, SIDE};
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::fitted::{InkLaw, Law};
use super::{DegradationConfig, Entry, check_steps, clamp};
use crate::degradation::{Degradation, Key, Level, check_backward};
use crate::error::Result;
use crate::prediction::Prediction;
use crate::samplers::SamplerKind;

/// The registry's line.
pub const ENTRY: Entry = Entry {
    name: "pixelate",
    summary: "squares of even grey, twice as wide from rung to rung, at last the whole page",
    formula: "x_t = (1 - w) A_k x_0 + w A_(k+1) x_0, A_k means over squares of 2^k pixels, 5 t / T = k + w",
    key: "none",
    prior: "an even page with the total ink of the training set's law: one random number, the exact law of level T",
    inverse: "by algebra before the first rung (t < T / 5), to 1e-7 T; none from there on",
    parameters: &[("steps", "T, 100; a multiple of 5 meets every rung")],
    source: "Bansal et al. 2022 (super-resolution)",
    prediction: Prediction::X0,
    sampler: SamplerKind::Cold,
    config: || DegradationConfig::Pixelate(PixelateConfig::default()),
};

/// Parameters of pixelate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PixelateConfig {
    /// T.
    pub steps: usize,
}

impl Default for PixelateConfig {
    fn default() -> Self {
        Self { steps: 100 }
    }
}

/// Halvings from 28 squares a side to one.
const RUNGS: usize = 5;

/// The pixelating process. States are images.
pub struct Pixelate {
    steps: usize,
    /// Law of the total ink.
    total: Law,
}

impl Pixelate {
    /// Builds the process; `fitted` is what [`DegradationConfig::fit`] returned.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn new(config: &PixelateConfig, fitted: &[f32]) -> Result<Self> {
        check_steps(config.steps)?;
        Ok(Self { steps: config.steps, total: InkLaw::new(fitted)?.total })
    }

    /// Rung k and share w of the next one at `level`.
    pub fn rung(&self, level: Level) -> (usize, f32) {
        let (k, rest) = (RUNGS * level.0 / self.steps, RUNGS * level.0 % self.steps);
        (k, rest as f32 / self.steps as f32)
    }
}

/// A_k x: the mean over squares of 2^k pixels, the last ones cut off by the page's edge.
pub fn squares(x: &[f32], k: usize) -> Vec<f32> {
    if k == 0 {
        return x.to_vec();
    }
    let side = 1 << k;
    let across = SIDE.div_ceil(side);
    let square = |p: usize| (p / SIDE / side) * across + p % SIDE / side;
    let mut sums = vec![(0.0f64, 0.0f64); across * across];
    for (p, &x) in x.iter().enumerate() {
        let (sum, count) = &mut sums[square(p)];
        *sum += f64::from(x);
        *count += 1.0;
    }
    (0..PIXELS).map(|p| sums[square(p)]).map(|(sum, count)| (sum / count) as f32).collect()
}

impl Degradation for Pixelate {
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

    fn draw(&self, _: &mut Rng) -> Key {
        Key::default()
    }

    fn apply(&self, x0: &[f32], level: Level, _: &Key) -> Vec<f32> {
        let (k, w) = self.rung(level);
        let here = squares(x0, k);
        if w == 0.0 {
            return here;
        }
        here.iter().zip(squares(x0, k + 1)).map(|(here, next)| here + w * (next - here)).collect()
    }

    fn prior(&self, rng: &mut Rng) -> Vec<f32> {
        vec![self.total.draw(rng) / PIXELS as f32; PIXELS]
    }

    /// Nothing is random: the state at `s` is that of the image.
    fn bridge(&self, _: &[f32], x0: &[f32], t: Level, s: Level, _: &mut Rng) -> Result<Vec<f32>> {
        check_backward(self, t, s)?;
        Ok(self.apply(x0, s, &Key::default()))
    }

    /// A_1 x_t = A_1 x_0 before the first rung, so that x_0 = (x_t - w A_1 x_t) / (1 - w).
    fn invert(&self, x_t: &[f32], level: Level, _: &Key) -> Option<Vec<f32>> {
        let (k, w) = self.rung(level);
        let undo = |(x, next): (&f32, f32)| (x - w * next) / (1.0 - w);
        (k == 0).then(|| {
            if w == 0.0 { x_t.to_vec() } else { x_t.iter().zip(squares(x_t, 1)).map(undo).collect() }
        })
    }

    fn inversion_tolerance(&self) -> (f32, Level) {
        // Rounding is divided by 1 - w, which is at least 5 / T.
        (1e-7 * self.steps as f32, Level((self.steps - 1) / RUNGS))
    }

    /// Centred at the mean of MNIST, and scaled.
    fn encode(&self, x_t: &[f32], _: Level, out: &mut [f32]) {
        x_t.iter().zip(out).for_each(|(x, out)| *out = 3.0 * (x - 0.13));
    }

    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
    }

    fn density(&self, _: Level) -> Option<f32> {
        Some(1.0)
    }
}
