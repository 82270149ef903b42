//! Ink: an image is ink whose grains wander off by random walks until the page is evenly grey.
//!
//! An image I in [0, 1] holds Poisson(L I(p)) grains in pixel p, L being the density (grains per full pixel). Each grain
//! walks independently for a time tau(t) with the heat kernel K. By the displacement theorem the counts at level t are
//! again independent Poisson numbers of mean L (K I)(p). Ink is conserved at every step; nothing is added. L is a
//! temperature: L -> infinity is the deterministic heat equation, that is, blur.
//!
//! Backward from t to s < t, given an estimate h_0 of the intensity: h_s = K_tau(s) h_0, h_t = K_(tau(t)-tau(s)) h_s, and
//! each grain at p moves to p' independently with probability K(p, p') h_s(p') / h_t(p), drawn as row then column. This
//! is exact when h_0 is; grains are conserved whatever h_0 is.
//!
//! The prior has the law of the total ink of the training set, and at level T its mean ink: digits hang half a pixel low
//! and to the right of the page's centre, and at a spread of 16 pixels that still shows. Nothing of a particular image is
//! kept.
//!
//! The key is one uniform per pixel: the count is the Poisson quantile of its mean, a frozen randomness for every level.
//! The last state (level 0) is the intensity itself, not a count: nothing is lost to shot noise at the end.

mod film;
mod grains;

use dm_nn::data::{Images, PIXELS};
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::{DegradationConfig, Entry};
use crate::degradation::{Degradation, Key, Level, check_backward};
use crate::error::{Error, Result};
use crate::heat::{self, Kernel, spread};
use crate::poisson;

pub use film::Film;

/// The registry's line.
pub const ENTRY: Entry = Entry {
    name: "ink",
    summary: "Ink: grains of the image diffuse by random walks until the page is evenly grey",
    source: "this project; heat as in Rissanen et al. 2023, grains as Poisson counts",
    config: || DegradationConfig::Ink(InkConfig::default()),
};

/// Parameters of the ink process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InkConfig {
    /// T.
    pub steps: usize,
    /// L, grains per fully inked pixel: the inverse temperature.
    pub density: f32,
    /// Spread sigma = sqrt(2 tau) at level 1, in pixels.
    pub sigma_min: f64,
    /// Spread at level T, in pixels. At 16 a chi-square test of the summed counts of 1,000 MNIST digits is one standard
    /// deviation away from the prior (58 from a uniform one, which would need a spread of 24).
    pub sigma_max: f64,
}

impl Default for InkConfig {
    fn default() -> Self {
        Self { steps: 1000, density: 64.0, sigma_min: 0.2, sigma_max: 16.0 }
    }
}

/// Quantiles kept of the training set's total ink.
const QUANTILES: usize = 257;

/// What the prior has to know of the training images, in full pixels: the law of their total ink as 257 quantiles, then
/// their mean in each of the 784 pixels. Empty if there are none.
pub fn fit(images: &Images) -> Vec<f32> {
    let mut ink = images.total_ink();
    if ink.is_empty() {
        return Vec::new();
    }
    ink.sort_by(f32::total_cmp);
    let last = (ink.len() - 1) as f64;
    let quantile = |i: usize| ink[(last * i as f64 / (QUANTILES - 1) as f64).round() as usize];
    let mut sums = vec![0u64; PIXELS];
    for image in images.pixels.chunks_exact(PIXELS) {
        sums.iter_mut().zip(image).for_each(|(sum, &pixel)| *sum += u64::from(pixel));
    }
    let whole = 255.0 * images.len() as f64;
    (0..QUANTILES).map(quantile).chain(sums.iter().map(|&sum| (sum as f64 / whole) as f32)).collect()
}

/// The ink process.
pub struct Ink {
    density: f32,
    /// Walking time of every level.
    tau: Vec<f64>,
    /// Kernel of every level.
    kernels: Vec<Kernel>,
    /// Quantiles of the total ink, in full pixels.
    totals: Vec<f32>,
    /// Share of each pixel in the total at level T; sums to 1.
    share: Vec<f32>,
}

impl Ink {
    /// Builds the tables; `fitted` is what [`fit`] returned. Quantiles alone, up to 257, make a prior of even ink.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn new(config: &InkConfig, fitted: &[f32]) -> Result<Self> {
        let InkConfig { steps, density, sigma_min, sigma_max } = *config;
        if !(1..=10_000).contains(&steps) {
            return Err(Error::invalid("degradation.steps", steps, "1 to 10000"));
        }
        if !(density > 0.0 && f64::from(density) <= poisson::MAX_MEAN) {
            let expected = format!("above 0, at most {}", poisson::MAX_MEAN);
            return Err(Error::invalid("degradation.density", density, expected));
        }
        if !(sigma_min > 0.0 && sigma_min < sigma_max && sigma_max <= 100.0) {
            let found = format!("{sigma_min} and {sigma_max}");
            let expected = "0 < sigma_min < sigma_max <= 100";
            return Err(Error::invalid("degradation.sigma_min, sigma_max", found, expected));
        }
        if !(1..=QUANTILES).contains(&fitted.len()) && fitted.len() != QUANTILES + PIXELS {
            let expected = format!("1 to {QUANTILES} quantiles, or {QUANTILES} and {PIXELS} means");
            return Err(Error::invalid("fitted ink", format!("{} values", fitted.len()), expected));
        }
        if let Some(i) = fitted.iter().position(|v| !(*v >= 0.0 && *v <= PIXELS as f32)) {
            return Err(Error::invalid(format!("fitted ink, value {i}"), fitted[i], "0 to 784"));
        }
        let (totals, mean) = fitted.split_at(fitted.len().min(QUANTILES));
        let mean = if mean.is_empty() { &[1.0; PIXELS] } else { mean };
        let ratio = sigma_max / sigma_min;
        let tau = |t: usize| match t {
            0 => 0.0,
            t => {
                let share = if steps > 1 { (t - 1) as f64 / (steps - 1) as f64 } else { 1.0 };
                0.5 * (sigma_min * ratio.powf(share)).powi(2)
            }
        };
        let tau: Vec<f64> = (0..=steps).map(tau).collect();
        let kernels: Vec<Kernel> = tau.iter().map(|&tau| heat::kernel(tau)).collect();
        let share = shares(&spread(&kernels[steps], mean));
        Ok(Self { density, tau, kernels, totals: totals.to_vec(), share })
    }

    /// Walking time tau of a level; the spread is sqrt(2 tau) pixels.
    pub fn tau(&self, t: Level) -> f64 {
        self.tau[t.0]
    }

    /// The mean of the counts at `level`: the intensity `x0` after walking.
    pub fn intensity(&self, x0: &[f32], level: Level) -> Vec<f32> {
        if level.0 == 0 { x0.to_vec() } else { spread(&self.kernels[level.0], x0) }
    }
}

impl Degradation for Ink {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn steps(&self) -> usize {
        self.tau.len() - 1
    }

    fn to_state(&self, image: &[f32]) -> Vec<f32> {
        image.iter().map(|v| v * self.density).collect()
    }

    fn to_image(&self, state: &[f32]) -> Vec<f32> {
        state.iter().map(|v| (v / self.density).clamp(0.0, 1.0)).collect()
    }

    fn draw(&self, rng: &mut Rng) -> Key {
        let mut key = vec![0.0; PIXELS];
        rng.fill_uniform(&mut key);
        Key(key)
    }

    fn apply(&self, x0: &[f32], level: Level, key: &Key) -> Vec<f32> {
        if level.0 == 0 {
            return x0.to_vec();
        }
        let mean = self.intensity(x0, level);
        mean.iter().zip(&key.0).map(|(&mean, &u)| poisson::quantile(mean, u)).collect()
    }

    /// Total ink from the law of the training set, then Poisson(total * share) grains in every pixel.
    fn prior(&self, rng: &mut Rng) -> Vec<f32> {
        self.prior_and_key(rng).0
    }

    fn prior_and_key(&self, rng: &mut Rng) -> (Vec<f32>, Key) {
        let at = rng.uniform() * (self.totals.len() - 1) as f32;
        let low = at as usize;
        let high = (low + 1).min(self.totals.len() - 1);
        let total = self.totals[low] + (self.totals[high] - self.totals[low]) * at.fract();
        let grains = total * self.density;
        let key = self.draw(rng);
        let count = |(share, &u): (&f32, &f32)| poisson::quantile(grains * share, u);
        (self.share.iter().zip(&key.0).map(count).collect(), key)
    }

    /// `x_t` are whole counts and `x0` is nowhere negative ([`Degradation::clip`]); a grain that finds no ink in reach
    /// stays where it is.
    fn bridge(&self, x_t: &[f32], x0: &[f32], t: Level, s: Level, rng: &mut Rng) -> Result<Vec<f32>> {
        check_backward(self, t, s)?;
        if s.0 == 0 {
            return Ok(x0.to_vec());
        }
        let h_s = self.intensity(x0, s);
        // Two microseconds: cheaper than any way of keeping it.
        let kernel = heat::kernel(self.tau[t.0] - self.tau[s.0]);
        Ok(grains::move_grains(x_t, &h_s, &kernel, rng))
    }

    /// Counts have lost the paths of their grains; [`Film`] keeps them.
    fn invert(&self, x_t: &[f32], level: Level, _: &Key) -> Option<Vec<f32>> {
        (level.0 == 0).then(|| x_t.to_vec())
    }

    fn inversion_tolerance(&self) -> (f32, Level) {
        (0.0, Level(0))
    }

    fn channels(&self) -> usize {
        2
    }

    /// Counts per full pixel, centred, and their square root, which evens out the shot noise (Anscombe 1948).
    fn encode(&self, x_t: &[f32], _: Level, out: &mut [f32]) {
        let (linear, root) = out.split_at_mut(PIXELS);
        for ((&n, a), b) in x_t.iter().zip(linear).zip(root) {
            let ink = n / self.density;
            *a = 3.0 * (ink - 0.13);
            *b = 2.0 * (ink + 0.375 / self.density).sqrt() - 1.0;
        }
    }

    /// Intensities are not negative. They may exceed one full pixel: the total is what is known.
    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|h| *h = h.max(0.0));
    }

    fn density(&self) -> Option<f32> {
        Some(self.density)
    }
}

/// `weights` over their sum; equal shares if there is nothing to share.
fn shares(weights: &[f32]) -> Vec<f32> {
    let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let share = |&w: &f32| if total > 0.0 { (f64::from(w) / total) as f32 } else { 1.0 / PIXELS as f32 };
    weights.iter().map(share).collect()
}
