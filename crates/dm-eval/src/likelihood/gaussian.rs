//! The bound of Gaussian diffusion: Ho et al. 2020, eq. 5, over images of 256 greys.
//!
//! -log p(x_0) <= KL(q(x_T|x_0) | p(x_T)) + sum_t E KL(q(x_s|x_t,x_0) | p(x_s|x_t)) - E log p(x_0|x_1), s the level below t.
//! p(x_s|x_t) is the sampler `bridge`: q with the restored image in place of x_0. Both are then normal with one variance,
//! and the divergence is 1/2 (SNR_s - SNR_t) |x_0 - restored|^2 with SNR = a^2/b^2 (Kingma et al. 2021, eq. 14).
//!
//! The last step is a normal around the restored image with the variance that the first forward step adds, cut into the
//! 256 greys (Ho et al., eq. 13). Images are greys already; nothing is dequantised.

use dm_degrade::{Degradation, Level, Restorer};
use dm_nn::data::PIXELS;
use dm_nn::rng::{Seed, Stream};
use rayon::prelude::*;

use super::normal::ln_mass;
use super::{Account, BATCH, Bound, bound, check};
use crate::error::{EvalError, Result};
use crate::score::Metric;

/// The bound of Gaussian diffusion.
pub const GAUSSIAN_BOUND: Metric = bound("gaussian bound", "Ho et al. 2020, arXiv:2006.11239, eq. 5 and 13");

/// Bounds the negative log-likelihood of `images` [n, 784] in [0, 1], whole multiples of 1/255, under the chain that
/// visits `levels` (see [`super::levels`]). Noise is drawn from `seed`, anew for every image and level.
///
/// # Errors
/// If the process is not Gaussian noise, levels or images are not what is said here, or the network fails.
pub fn gaussian_bound(
    process: &dyn Degradation,
    restorer: &dyn Restorer,
    images: &[f32],
    levels: &[Level],
    seed: Seed,
    tick: &mut dyn FnMut(usize),
) -> Result<Bound> {
    let n = check(GAUSSIAN_BOUND, process, images, levels)?;
    let at = |level: Level| -> Result<(f64, f64)> {
        let (a, b) = process.signal_and_noise(level).ok_or_else(|| EvalError::Argument {
            metric: GAUSSIAN_BOUND.name,
            argument: "degradation",
            expected: "a Gaussian one".to_owned(),
            found: process.name().to_owned(),
        })?;
        Ok((a.into(), b.into()))
    };
    let (greys, clean) = (Greys::of(process), process.to_state(images));
    let mut account = Account::new(GAUSSIAN_BOUND, n);

    let a_t = at(levels[0])?.0;
    let prior = |x0: &[f32]| -> f64 { x0.iter().map(|&x| prior_divergence(a_t, x.into())).sum() };
    account.part("prior", &clean.chunks_exact(PIXELS).map(prior).collect::<Vec<_>>());

    for pair in levels.windows(2) {
        let (t, s) = (pair[0], pair[1]);
        let ((a_t, b_t), (a_s, b_s)) = (at(t)?, at(s)?);
        let gain = (a_s / b_s).powi(2) - (a_t / b_t).powi(2);
        let mut nats = Vec::with_capacity(n);
        for (batch, clean) in clean.chunks(BATCH * PIXELS).enumerate() {
            let noisy = |(i, x0): (usize, &[f32])| {
                let key =
                    process.draw(&mut seed.stream(Stream::Metric, (batch * BATCH + i) as u64, t.0 as u64));
                process.apply(x0, t, &key)
            };
            let x_t: Vec<f32> = clean.par_chunks_exact(PIXELS).enumerate().flat_map_iter(noisy).collect();
            let mut restored = restorer.restore(&x_t, t)?;
            process.clip(&mut restored);
            let step = |(x0, found): (&[f32], &[f32])| -> f64 {
                let pairs = x0.iter().zip(found).map(|(&x0, &found)| (f64::from(x0), f64::from(found)));
                if s.0 > 0 {
                    pairs.map(|(x0, found)| 0.5 * gain * (x0 - found).powi(2)).sum()
                } else {
                    pairs.map(|(x0, found)| -greys.ln_share(x0, found, b_t)).sum()
                }
            };
            let images = clean.par_chunks_exact(PIXELS).zip(restored.par_chunks_exact(PIXELS));
            nats.par_extend(images.map(step));
            tick(clean.len() / PIXELS);
        }
        account.term(t, s, &nats);
    }
    Ok(account.close())
}

/// KL(N(a x, 1 - a^2) | N(0, 1)) of one pixel, in nats.
fn prior_divergence(a: f64, x: f64) -> f64 {
    0.5 * (a * a * x * x - a * a - (-a * a).ln_1p())
}

/// The 256 greys as states.
struct Greys {
    black: f64,
    white: f64,
    /// Half the distance of two greys.
    half: f64,
}

impl Greys {
    fn of(process: &dyn Degradation) -> Self {
        let ends = process.to_state(&[0.0, 1.0]);
        let (black, white) = (f64::from(ends[0]), f64::from(ends[1]));
        Self { black, white, half: (white - black) / 510.0 }
    }

    /// ln of the mass that a normal of `mean` and `spread` has in the cell of `grey`; the outermost cells are endless.
    fn ln_share(&self, grey: f64, mean: f64, spread: f64) -> f64 {
        let low = if grey < self.black + self.half { f64::NEG_INFINITY } else { grey - self.half - mean };
        let high = if grey > self.white - self.half { f64::INFINITY } else { grey + self.half - mean };
        ln_mass(low / spread, high / spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_256_greys_share_out_everything() {
        let greys = Greys { black: -1.0, white: 1.0, half: 1.0 / 255.0 };
        for (mean, spread) in [(0.0, 0.006), (0.3, 0.05), (1.0, 0.5), (-1.0, 1e-3)] {
            let grey = |i: i32| 2.0 * f64::from(i) / 255.0 - 1.0;
            let total: f64 = (0..256).map(|i| greys.ln_share(grey(i), mean, spread).exp()).sum();
            assert!((total - 1.0).abs() < 1e-9, "{mean}, {spread}: {total}");
        }
    }

    #[test]
    fn the_prior_costs_nothing_without_signal_and_never_less() {
        assert_eq!(prior_divergence(0.0, 5.0), 0.0);
        // KL(N(m, v) | N(0, 1)) = (m^2 + v - 1 - ln v) / 2.
        let (a, x) = (0.6f64, 0.8f64);
        let expected = 0.5 * ((a * x).powi(2) + 0.64 - 1.0 - 0.64f64.ln());
        assert!((prior_divergence(a, x) - expected).abs() < 1e-15);
        for i in 0..100 {
            assert!(prior_divergence(f64::from(i) / 100.0, f64::from(i % 7) - 3.0) >= 0.0);
        }
    }
}
