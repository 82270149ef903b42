//! The bound of Gaussian diffusion (Ho et al. 2020, eq. 5) for images of 256 intensities.
//!
//! -log p(x_0) <= KL(q(x_T|x_0) | p(x_T)) + sum_t E KL(q(x_s|x_t,x_0) | p(x_s|x_t)) - E log p(x_0|x_1), where s is the timestep
//! after t in the chain. p(x_s|x_t) is the sampler `ancestral`: q with the estimate in place of x_0. Both are normal with the same
//! variance, so that the divergence is 1/2 (SNR_s - SNR_t) |x_0 - estimate|^2 with SNR = alpha^2/sigma^2 (Kingma et al. 2021,
//! eq. 14).
//!
//! The last step is a normal distribution around the estimate with the variance that the first forward step adds, divided into
//! the 256 intensities (Ho et al., eq. 13). The images have these intensities already, and no noise is added to them.

use dm_degrade::{Degradation, Denoiser, GaussianProcess, Timestep};
use dm_nn::rng::Seed;
use rayon::prelude::*;

use super::bound::{Bound, BoundBuilder, quantity};
use super::chain::{BATCH, clean_states};
use super::normal::ln_mass;
use crate::error::{EvalError, Result};
use crate::score::Quantity;
use crate::streams::METRIC;

/// The bound of Gaussian diffusion.
pub const GAUSSIAN_BOUND: Quantity =
    quantity("gaussian bound", "Ho et al. 2020, arXiv:2006.11239, eq. 5 and 13");

/// Bounds the negative log-likelihood of `images` [n, C, H, W] under the chain that visits `timesteps` (see
/// [`super::timesteps`]). The values of the images are multiples of 1/255 in [0, 1]. For each image and timestep new noise is
/// drawn from `seed`. After each step of a batch `progress` receives the number of images in the batch.
///
/// # Errors
/// If `process` is not Gaussian, `images` are not whole images in [0, 1], `timesteps` do not descend from T to 0, or the denoiser
/// fails.
pub fn gaussian_bound(
    process: &dyn Degradation,
    denoiser: &dyn Denoiser,
    images: &[f32],
    timesteps: &[Timestep],
    seed: Seed,
    progress: &mut dyn FnMut(usize),
) -> Result<Bound> {
    let clean = clean_states(GAUSSIAN_BOUND, process, images, timesteps)?;
    let gaussian = process.gaussian().ok_or_else(|| EvalError::Argument {
        metric: GAUSSIAN_BOUND.name,
        argument: "degradation",
        expected: "a Gaussian one".to_owned(),
        found: process.name().to_owned(),
    })?;
    let (len, intensities) = (process.shape().len(), Intensities::of(process));
    let n = clean.len() / len;
    let mut bound = BoundBuilder::new(GAUSSIAN_BOUND, n, len);

    let alpha_t = alpha_sigma(gaussian, timesteps[0]).0;
    let prior = |x0: &[f32]| -> f64 { x0.iter().map(|&x| prior_divergence(alpha_t, x.into())).sum() };
    bound.add_part("prior", &clean.chunks_exact(len).map(prior).collect::<Vec<_>>());

    for pair in timesteps.windows(2) {
        let (t, s) = (pair[0], pair[1]);
        let ((alpha_t, sigma_t), (alpha_s, sigma_s)) = (alpha_sigma(gaussian, t), alpha_sigma(gaussian, s));
        let snr_gain = (alpha_s / sigma_s).powi(2) - (alpha_t / sigma_t).powi(2);
        let mut nats = Vec::with_capacity(n);
        for (batch, clean) in clean.chunks(BATCH * len).enumerate() {
            let mut x_t = vec![0.0; clean.len()];
            x_t.par_chunks_exact_mut(len).zip(clean.par_chunks_exact(len)).enumerate().for_each(
                |(i, (x_t, x0))| {
                    let mut rng = seed.stream(METRIC, (batch * BATCH + i) as u64, t.0 as u64);
                    process.degrade(x0, t, &process.sample_noise(&mut rng), x_t);
                },
            );
            let mut estimates = denoiser.denoise(&x_t, t)?;
            estimates.chunks_exact_mut(len).for_each(|x0| process.codec().clip(x0));
            let step = |(x0, estimate): (&[f32], &[f32])| -> f64 {
                let pairs = x0.iter().zip(estimate).map(|(&x0, &found)| (f64::from(x0), f64::from(found)));
                if s.0 > 0 {
                    pairs.map(|(x0, estimate)| 0.5 * snr_gain * (x0 - estimate).powi(2)).sum()
                } else {
                    let pairs = pairs.enumerate();
                    pairs.map(|(i, (x0, estimate))| -intensities.ln_mass(i, x0, estimate, sigma_t)).sum()
                }
            };
            let images = clean.par_chunks_exact(len).zip(estimates.par_chunks_exact(len));
            nats.par_extend(images.map(step));
            progress(clean.len() / len);
        }
        bound.add_term(t, s, &nats);
    }
    Ok(bound.finish())
}

/// (alpha, sigma) at `t`.
fn alpha_sigma(gaussian: &dyn GaussianProcess, t: Timestep) -> (f64, f64) {
    let (alpha, sigma) = gaussian.alpha_sigma(t);
    (alpha.into(), sigma.into())
}

/// KL(N(alpha x, 1 - alpha^2) | N(0, 1)) of one value, in nats.
fn prior_divergence(alpha: f64, x: f64) -> f64 {
    0.5 * (alpha * alpha * x * x - alpha * alpha - (-alpha * alpha).ln_1p())
}

/// The 256 intensities as states, for each value of an image.
struct Intensities {
    /// The states of intensity 0, `[C, H, W]`.
    black: Vec<f32>,
    /// The states of intensity 255, `[C, H, W]`.
    white: Vec<f32>,
}

impl Intensities {
    fn of(process: &dyn Degradation) -> Self {
        let uniform = |intensity: f32| {
            let len = process.shape().len();
            let mut state = vec![0.0; len];
            process.codec().encode_image(&vec![intensity; len], &mut state);
            state
        };
        Self { black: uniform(0.0), white: uniform(1.0) }
    }

    /// ln of the probability that value `i` has the intensity with the state `x`, if the state is normal around `mean` with the
    /// standard deviation `sigma`. The probability of an intensity is that of all states nearest to it.
    fn ln_mass(&self, i: usize, x: f64, mean: f64, sigma: f64) -> f64 {
        let (black, white) = (f64::from(self.black[i]), f64::from(self.white[i]));
        // Half the distance between neighbouring intensities.
        let half = (white - black) / 510.0;
        let low = if x < black + half { f64::NEG_INFINITY } else { x - half - mean };
        let high = if x > white - half { f64::INFINITY } else { x + half - mean };
        ln_mass(low / sigma, high / sigma)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probabilities_of_the_256_intensities_add_up_to_one() {
        let intensities = Intensities { black: vec![-1.0], white: vec![1.0] };
        for (mean, sigma) in [(0.0, 0.006), (0.3, 0.05), (1.0, 0.5), (-1.0, 1e-3)] {
            let state = |i: i32| 2.0 * f64::from(i) / 255.0 - 1.0;
            let total: f64 = (0..256).map(|i| intensities.ln_mass(0, state(i), mean, sigma).exp()).sum();
            assert!((total - 1.0).abs() < 1e-9, "{mean}, {sigma}: {total}");
        }
    }

    #[test]
    fn the_prior_costs_nothing_without_signal_and_is_never_negative() {
        assert_eq!(prior_divergence(0.0, 5.0), 0.0);
        // KL(N(m, v) | N(0, 1)) = (m^2 + v - 1 - ln v) / 2.
        let (alpha, x) = (0.6f64, 0.8f64);
        let expected = 0.5 * ((alpha * x).powi(2) + 0.64 - 1.0 - 0.64f64.ln());
        assert!((prior_divergence(alpha, x) - expected).abs() < 1e-15);
        for i in 0..100 {
            assert!(prior_divergence(f64::from(i) / 100.0, f64::from(i % 7) - 3.0) >= 0.0);
        }
    }
}
