//! Ink: an image is ink whose grains wander off by random walks, and fade one by one, until a few are left anywhere.
//!
//! An image I in [0, 1] holds Poisson(L_0 I(p)) grains in pixel p, L being the density (grains per full pixel). Each grain
//! walks independently for a time tau(t) with the heat kernel K, and is still there at level t with probability L_t / L_0.
//! By the displacement and thinning theorems (Kingman 1993, sections 5.5 and 5.1) the counts at level t are again
//! independent Poisson numbers of mean L_t (K I)(p). Nothing is added. 1/L is a temperature: L = infinity at every level is
//! the deterministic heat equation, that is, blur; with L_T = L_0 no grain fades and ink is conserved to the last grain.
//!
//! Backward from t to s < t, given an estimate h_0 of the intensity: h_s = K_tau(s) h_0, h_t = K_(tau(t)-tau(s)) h_s, and
//! each grain at p moves to p' independently with probability K(p, p') h_s(p') / h_t(p), drawn as row then column; the
//! grains that fade between s and t are independent of those that stay, so Poisson((L_s - L_t) h_s(p)) new ones join
//! them. This is exact when h_0 is.
//!
//! The prior has the law of the total ink of the training set, and at level T its mean ink: digits lie in the middle of the
//! page, half a pixel low and to the right, and at a spread of 8 pixels that still shows. Nothing of a particular image is
//! kept.
//!
//! The key is one uniform per pixel: the count is the Poisson quantile of its mean, a frozen randomness for every level.
//! The last state (level 0) is the intensity itself, not a count: nothing is lost to shot noise at the end.

mod film;
mod grains;

use dm_nn::data::{Images, PIXELS};
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

use super::fitted::{InkLaw, Law, shares};
use super::{DegradationConfig, Entry, check_spreads, check_steps};
use crate::degradation::{Degradation, Key, Level, check_backward};
use crate::error::{Error, Result};
use crate::heat::{self, Kernel, spread};
use crate::poisson;
use crate::prediction::Prediction;
use crate::samplers::SamplerKind;

pub use film::Film;

/// The registry's line.
pub const ENTRY: Entry = Entry {
    name: "ink",
    summary: "grains walk at random and fade, until a few are left anywhere on the page",
    formula: "n_t(p) ~ Poisson(L_t (K_tau(t) I)(p)), K the heat kernel, L_t grains per full pixel",
    key: "one uniform per pixel, the quantile of its count at every level; the film keeps every grain's path",
    prior: "total ink from the training set's law, then Poisson numbers around its mean image at level T",
    inverse: "exact in integers along the film; none from counts alone",
    parameters: &[
        ("steps", "T, 1000"),
        ("density", "L_0, grains per fully inked pixel at level 0, 256; few are hot, many are cold"),
        ("density_end", "L_T, 1, falling to it geometrically; L_T = L_0 conserves every grain"),
        ("sigma_min", "spread at level 1 in pixels, 0.2"),
        ("sigma_max", "spread at level T in pixels, 8"),
    ],
    source: "this project; heat as in Rissanen et al. 2023, thinning of counts as in Chen and Zhou 2023",
    prediction: Prediction::Logistic,
    sampler: SamplerKind::Bridge2m,
    config: || DegradationConfig::Ink(InkConfig::default()),
};

/// Parameters of the ink process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InkConfig {
    /// T.
    pub steps: usize,
    /// L_0, grains per fully inked pixel at level 0: the inverse temperature.
    pub density: f32,
    /// L_T, at most L_0: the density falls geometrically from level to level.
    pub density_end: f32,
    /// Spread sigma = sqrt(2 tau) at level 1, in pixels.
    pub sigma_min: f64,
    /// Spread at level T, in pixels. At 8, and one grain per full pixel, chi-square tests cannot tell the counts of 1,000
    /// MNIST digits from the prior, one by one or summed; with two grains the sum can. Of 64 grains none may be told
    /// apart at 16, and from a uniform prior only at 24.
    pub sigma_max: f64,
}

impl Default for InkConfig {
    fn default() -> Self {
        Self { steps: 1000, density: 256.0, density_end: 1.0, sigma_min: 0.2, sigma_max: 8.0 }
    }
}

/// What the prior has to know of the training images, in full pixels: the law of their total ink as 257 quantiles, then
/// their mean in each of the 784 pixels. Empty if there are none.
pub fn fit(images: &Images) -> Vec<f32> {
    InkLaw::fit(images)
}

/// The ink process.
pub struct Ink {
    /// Grains per full pixel at every level.
    density: Vec<f32>,
    /// Walking time of every level.
    tau: Vec<f64>,
    /// Kernel of every level.
    kernels: Vec<Kernel>,
    /// Law of the total ink, in full pixels.
    total: Law,
    /// Share of each pixel in the total at level T; sums to 1.
    share: Vec<f32>,
}

impl Ink {
    /// Builds the tables; `fitted` is what [`fit`] returned. Quantiles alone, up to 257, make a prior of even ink.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn new(config: &InkConfig, fitted: &[f32]) -> Result<Self> {
        let InkConfig { steps, density, density_end, sigma_min, sigma_max } = *config;
        check_steps(steps)?;
        if !(density > 0.0 && f64::from(density) <= poisson::MAX_MEAN) {
            let expected = format!("above 0, at most {}", poisson::MAX_MEAN);
            return Err(Error::invalid("degradation.density", density, expected));
        }
        if !(density_end > 0.0 && density_end <= density) {
            let expected = format!("above 0, at most density = {density}");
            return Err(Error::invalid("degradation.density_end", density_end, expected));
        }
        let fade = f64::from(density_end) / f64::from(density);
        let left = |t: usize| (f64::from(density) * fade.powf(t as f64 / steps as f64)) as f32;
        let density = (0..=steps).map(left).collect();
        check_spreads(sigma_min, sigma_max)?;
        let law = InkLaw::new(fitted)?;
        let tau = heat::times(steps, sigma_min, sigma_max);
        let kernels: Vec<Kernel> = tau.iter().map(|&tau| heat::kernel(tau)).collect();
        let share = shares(&spread(&kernels[steps], &law.mean));
        Ok(Self { density, tau, kernels, total: law.total, share })
    }

    /// Walking time tau of a level; the spread is sqrt(2 tau) pixels.
    pub fn tau(&self, t: Level) -> f64 {
        self.tau[t.0]
    }

    /// Share of the grains of level 0 that is left at a level.
    pub fn left(&self, t: Level) -> f64 {
        f64::from(self.density[t.0]) / f64::from(self.density[0])
    }

    /// The prior's total of grains before Poisson's law, as the quantile of `u` in [0, 1].
    pub fn prior_total(&self, u: f32) -> f32 {
        self.total.quantile(u) * self.density[self.steps()]
    }

    /// Share of each pixel `[784]` in the prior's grains; sums to 1.
    pub fn prior_share(&self) -> &[f32] {
        &self.share
    }

    /// The mean of the counts at `level`: the intensity `x0`, in grains of level 0, after walking and fading.
    pub fn intensity(&self, x0: &[f32], level: Level) -> Vec<f32> {
        if level.0 == 0 {
            return x0.to_vec();
        }
        let left = self.left(level) as f32;
        let mut mean = spread(&self.kernels[level.0], x0);
        mean.iter_mut().for_each(|mean| *mean *= left);
        mean
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
        image.iter().map(|v| v * self.density[0]).collect()
    }

    fn to_image(&self, state: &[f32]) -> Vec<f32> {
        state.iter().map(|v| (v / self.density[0]).clamp(0.0, 1.0)).collect()
    }

    /// A pixel that holds as many grains as full ink would at this level is white.
    fn picture(&self, state: &[f32], level: Level) -> Vec<f32> {
        state.iter().map(|n| (n / self.density[level.0]).clamp(0.0, 1.0)).collect()
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
        poisson::quantiles(&mean, &key.0)
    }

    /// Total ink from the law of the training set, then Poisson(total * share) grains in every pixel.
    fn prior(&self, rng: &mut Rng) -> Vec<f32> {
        let grains = self.prior_total(rng.uniform());
        self.share.iter().map(|share| poisson::quantile(grains * share, rng.uniform())).collect()
    }

    /// As [`Self::prior`], with the key's uniforms as the quantiles of the counts.
    fn prior_under(&self, key: &Key, rng: &mut Rng) -> Vec<f32> {
        let grains = self.prior_total(rng.uniform());
        self.share.iter().zip(&key.0).map(|(share, &u)| poisson::quantile(grains * share, u)).collect()
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
        let mut x_s = grains::move_grains(x_t, &h_s, &kernel, rng);
        let faded = 1.0 - self.density[t.0] / self.density[s.0];
        if faded > 0.0 {
            let mean: Vec<f32> = h_s.iter().map(|h| faded * h).collect();
            let joining = poisson::quantiles(&mean, &self.draw(rng).0);
            x_s.iter_mut().zip(joining).for_each(|(n, joining)| *n += joining);
        }
        Ok(x_s)
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
    fn encode(&self, x_t: &[f32], level: Level, out: &mut [f32]) {
        let density = self.density[level.0];
        // Where grains are few, shot noise is most of what there is to see.
        let scale = (1.0 + 0.5 / density).sqrt().recip();
        let (linear, root) = out.split_at_mut(PIXELS);
        for ((&n, a), b) in x_t.iter().zip(linear).zip(root) {
            let ink = n / density;
            *a = scale * 3.0 * (ink - 0.13);
            *b = scale * (2.0 * (ink + 0.375 / density).sqrt() - 1.0);
        }
    }

    /// Intensities are not negative. They may exceed one full pixel: the total is what is known.
    fn clip(&self, x0: &mut [f32]) {
        x0.iter_mut().for_each(|h| *h = h.max(0.0));
    }

    fn density(&self, level: Level) -> Option<f32> {
        Some(self.density[level.0])
    }
}
