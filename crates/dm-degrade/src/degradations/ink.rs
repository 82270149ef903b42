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
//! The key is one uniform per pixel: the count is the Poisson quantile of its mean, a frozen randomness for every level.
//! The last state (level 0) is the intensity itself, not a count: nothing is lost to shot noise at the end.

use dm_nn::data::{Images, PIXELS, SIDE};
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::{DegradationConfig, Entry};
use crate::degradation::{Degradation, Key, Level};
use crate::error::{Error, Result};
use crate::heat::{Heat, Kernel, spread, spread_columns};
use crate::poisson;

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
    /// Spread at level T, in pixels. At 16 the slowest visible mode has decayed to 0.2 %.
    pub sigma_max: f64,
}

impl Default for InkConfig {
    fn default() -> Self {
        Self { steps: 1000, density: 64.0, sigma_min: 0.2, sigma_max: 16.0 }
    }
}

/// Quantiles kept of the training set's total ink.
const QUANTILES: usize = 257;

/// The law of the total ink of the training images, as its quantiles in full pixels.
pub fn fit(images: &Images) -> Vec<f32> {
    let mut ink = images.total_ink();
    ink.sort_by(f32::total_cmp);
    let last = ink.len().saturating_sub(1) as f64;
    (0..QUANTILES).map(|i| ink[(last * i as f64 / (QUANTILES - 1) as f64).round() as usize]).collect()
}

/// The ink process.
pub struct Ink {
    density: f32,
    heat: Heat,
    /// Walking time of every level.
    tau: Vec<f64>,
    /// Kernel of every level.
    kernels: Vec<Kernel>,
    /// Quantiles of the total ink, in full pixels.
    ink: Vec<f32>,
}

impl Ink {
    /// Builds the tables; `ink` is what [`fit`] returned.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn new(config: &InkConfig, ink: &[f32]) -> Result<Self> {
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
        if ink.is_empty() || ink.iter().any(|v| !(*v >= 0.0 && *v <= PIXELS as f32)) {
            let found = format!("{} values", ink.len());
            return Err(Error::invalid("fitted ink quantiles", found, "numbers in 0 to 784"));
        }
        let ratio = sigma_max / sigma_min;
        let tau = |t: usize| match t {
            0 => 0.0,
            t => {
                let share = if steps > 1 { (t - 1) as f64 / (steps - 1) as f64 } else { 1.0 };
                0.5 * (sigma_min * ratio.powf(share)).powi(2)
            }
        };
        let tau: Vec<f64> = (0..=steps).map(tau).collect();
        let heat = Heat::default();
        let kernels = tau.iter().map(|&tau| heat.kernel(tau)).collect();
        Ok(Self { density, heat, tau, kernels, ink: ink.to_vec() })
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

    /// Total ink from the law of the training set, then Poisson(total / 784) grains in every pixel.
    fn prior(&self, rng: &mut Rng) -> Vec<f32> {
        let at = rng.uniform() * (self.ink.len() - 1) as f32;
        let low = at as usize;
        let high = (low + 1).min(self.ink.len() - 1);
        let total = self.ink[low] + (self.ink[high] - self.ink[low]) * at.fract();
        let mean = total * self.density / PIXELS as f32;
        (0..PIXELS).map(|_| poisson::quantile(mean, rng.uniform())).collect()
    }

    fn bridge(&self, x_t: &[f32], x0: &[f32], t: Level, s: Level, rng: &mut Rng) -> Result<Vec<f32>> {
        if s.0 == 0 {
            return Ok(x0.to_vec());
        }
        let h_s = self.intensity(x0, s);
        let kernel = self.heat.kernel(self.tau[t.0] - self.tau[s.0]);
        Ok(move_grains(x_t, &h_s, &kernel, rng))
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

    fn density(&self) -> Option<f32> {
        Some(self.density)
    }
}

/// Moves every grain of `counts` backward: from p to p' with probability kernel(p, p') h_s(p') / h_t(p), row first.
fn move_grains(counts: &[f32], h_s: &[f32], kernel: &Kernel, rng: &mut Rng) -> Vec<f32> {
    // ahead[y'][x] = sum_x' h_s[y'][x'] k(x, x'): what a grain in column x finds in row y'.
    let ahead = spread_columns(kernel, h_s);
    // Cumulative weights over x' for every (x, y'), made when the first grain needs them.
    let mut columns: Vec<Option<[f32; SIDE]>> = vec![None; SIDE * SIDE];
    let mut moved = vec![0.0; PIXELS];
    for (p, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
        let (y, x) = (p / SIDE, p % SIDE);
        let rows = cumulate(|row| kernel[y][row] * ahead[row * SIDE + x]);
        for _ in 0..count as u32 {
            let row = pick(&rows, y, rng);
            let weights = || cumulate(|column| kernel[x][column] * h_s[row * SIDE + column]);
            let column = pick(columns[x * SIDE + row].get_or_insert_with(weights), x, rng);
            moved[row * SIDE + column] += 1.0;
        }
    }
    moved
}

/// Running sums of `weight(0..28)`.
fn cumulate(weight: impl Fn(usize) -> f32) -> [f32; SIDE] {
    let mut sum = 0.0;
    std::array::from_fn(|i| {
        sum += weight(i);
        sum
    })
}

/// Draws an index with the running sums `cumulative`; where they are all zero (no ink is expected in reach) the grain
/// stays at `stay`.
fn pick(cumulative: &[f32; SIDE], stay: usize, rng: &mut Rng) -> usize {
    let total = cumulative[SIDE - 1];
    if total <= 0.0 {
        return stay;
    }
    let at = rng.uniform() * total;
    cumulative.iter().map(|&c| usize::from(c <= at)).sum::<usize>().min(SIDE - 1)
}

/// Every grain of one image with its whole path: the keyed form of the process, invertible bit for bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Film {
    /// `paths[t][g]` is the pixel of grain g at level t.
    paths: Vec<Vec<u16>>,
}

impl Film {
    /// Draws Poisson(x0(p)) grains in every pixel and walks each through the levels `levels`, ascending from 0.
    pub fn record(ink: &Ink, x0: &[f32], levels: &[Level], rng: &mut Rng) -> Self {
        let mut start = Vec::new();
        for (p, &mean) in x0.iter().enumerate() {
            let count = poisson::quantile(mean, rng.uniform()) as usize;
            start.extend(std::iter::repeat_n(p as u16, count));
        }
        let mut paths = vec![start];
        for pair in levels.windows(2) {
            let kernel = ink.heat.kernel(ink.tau(pair[1]) - ink.tau(pair[0]));
            let rows: Vec<[f32; SIDE]> = kernel.iter().map(|row| cumulate(|i| row[i])).collect();
            let mut step = |from: &u16| {
                let (y, x) = (usize::from(*from) / SIDE, usize::from(*from) % SIDE);
                (pick(&rows[y], y, rng) * SIDE + pick(&rows[x], x, rng)) as u16
            };
            let next = paths[paths.len() - 1].iter().map(&mut step).collect();
            paths.push(next);
        }
        Self { paths }
    }

    /// Number of frames: one per recorded level.
    pub fn frames(&self) -> usize {
        self.paths.len()
    }

    /// Grain counts [784] of frame `i`.
    pub fn counts(&self, i: usize) -> Vec<f32> {
        let mut counts = vec![0.0; PIXELS];
        self.paths[i].iter().for_each(|&p| counts[usize::from(p)] += 1.0);
        counts
    }

    /// The counts of frame 0, recovered from the counts of frame `i` by walking every grain back along its path.
    ///
    /// `None` if `counts` are not the counts of frame `i`: then the film is not its key.
    pub fn invert(&self, counts: &[f32], i: usize) -> Option<Vec<f32>> {
        let mut restored = counts.to_vec();
        for (from, to) in self.paths[i].iter().zip(&self.paths[0]) {
            restored[usize::from(*from)] -= 1.0;
            restored[usize::from(*to)] += 1.0;
        }
        (counts == self.counts(i)).then_some(restored)
    }
}
