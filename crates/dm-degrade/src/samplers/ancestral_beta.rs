//! Ancestral sampling with the larger variance: Ho et al. 2020, algorithm 2, with the variance beta, for any pair of
//! timesteps.
//!
//! x_s = mean of q(x_s | x_t, x0) + sqrt(beta) noise with beta = 1 - (alpha_t/alpha_s)^2, and no noise at s = 0. Both this
//! variance and that of the posterior are exact for one extreme data set: beta if the images are standard normal noise, the
//! posterior's if the training set contains one image only. Real data lie between the two (section 3.2).

use super::chain::{Chain, Sampler, TrajectoryObserver};
use super::gaussian_step::{GaussianStep, check_gaussian, gaussian_of};
use crate::degradation::Degradation;
use crate::error::Result;

/// The sampler and its option, as errors name them.
const WITH_OPTION: &str = "ancestral with variance beta";

/// Ancestral sampling with the variance of the forward step.
#[derive(Clone, Copy, Debug)]
pub struct AncestralBeta;

impl Sampler for AncestralBeta {
    fn name(&self) -> &'static str {
        "ancestral"
    }

    fn summary(&self) -> &'static str {
        "DDPM with the variance of the forward step, for Gaussian noise"
    }

    fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        check_gaussian(degradation, WITH_OPTION)
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn sample(&self, chain: &Chain<'_>, observer: &mut TrajectoryObserver<'_>) -> Result<Vec<f32>> {
        let process = gaussian_of(chain, WITH_OPTION)?;
        chain.walk(chain.sample_prior(), observer, |x, t, s| {
            let step = GaussianStep::new(process, t, s);
            let from_t = step.alpha_t / step.alpha_s * (step.sigma_s / step.sigma_t).powi(2);
            let from_0 = step.alpha_s * step.beta() / step.sigma_t.powi(2);
            let (from_t, from_0) = (from_t as f32, from_0 as f32);
            let deviation = if s.0 == 0 { 0.0 } else { step.beta().sqrt() as f32 };
            let x0 = chain.denoise(&x, t)?;
            chain.each(&x, &x0, t, |x_t, x0, rng, x_s| {
                for (x_s, (x_t, x0)) in x_s.iter_mut().zip(x_t.iter().zip(x0)) {
                    *x_s = from_t * x_t + from_0 * x0 + deviation * rng.normal();
                }
                Ok(())
            })
        })
    }
}
