//! DDIM, Song et al. 2021, equations 12 and 16: keep the noise that explains x_t, and renew a share of it.
//!
//! x_s = alpha_s x0 + sqrt(sigma_s^2 - fresh^2) eps + fresh noise, eps = (x_t - alpha_t x0) / sigma_t,
//! fresh = eta sigma_s/sigma_t sqrt(1 - (alpha_t/alpha_s)^2).

use super::chain::{Chain, Sampler, TrajectoryObserver};
use super::gaussian_step::{GaussianStep, check_gaussian, gaussian_of};
use crate::degradation::Degradation;
use crate::error::Result;

/// DDIM.
#[derive(Clone, Copy, Debug)]
pub struct Ddim {
    /// The share of fresh noise: 0 is deterministic, 1 is ancestral sampling with the posterior's variance.
    pub eta: f64,
}

impl Sampler for Ddim {
    fn name(&self) -> &'static str {
        "ddim"
    }

    fn summary(&self) -> &'static str {
        "DDIM, deterministic unless --eta is above 0, for Gaussian noise"
    }

    fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        check_gaussian(degradation, self.name())
    }

    fn is_deterministic(&self) -> bool {
        self.eta == 0.0
    }

    fn sample(&self, chain: &Chain<'_>, observer: &mut TrajectoryObserver<'_>) -> Result<Vec<f32>> {
        let process = gaussian_of(chain, self.name())?;
        chain.walk(chain.sample_prior(), observer, |x, t, s| {
            let step = GaussianStep::new(process, t, s);
            let fresh = self.eta * step.sigma_s / step.sigma_t * step.beta().sqrt();
            let kept = (step.sigma_s.powi(2) - fresh.powi(2)).max(0.0).sqrt() / step.sigma_t;
            let (from_t, from_0) = (kept as f32, (step.alpha_s - step.alpha_t * kept) as f32);
            let fresh = fresh as f32;
            let x0 = chain.denoise(&x, t)?;
            chain.each(&x, &x0, t, |x_t, x0, rng, x_s| {
                for (x_s, (x_t, x0)) in x_s.iter_mut().zip(x_t.iter().zip(x0)) {
                    *x_s = from_t * x_t + from_0 * x0;
                    if fresh > 0.0 {
                        *x_s += fresh * rng.normal();
                    }
                }
                Ok(())
            })
        })
    }
}
