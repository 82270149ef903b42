//! DDPM as the starter notebook runs it (Prince 2023, algorithm 18.2): every timestep from T to 1, variance beta_t, no
//! clipping.
//!
//! z_(t-1) = (z_t - beta_t / sqrt(1 - alpha_t) eps(z_t, t)) / sqrt(1 - beta_t) + sqrt(beta_t) noise, no noise at t = 1.

use super::chain::{Chain, Sampler, TrajectoryObserver};
use super::gaussian_step::{check_gaussian, gaussian_of};
use crate::degradation::Degradation;
use crate::error::{Error, Result};

/// The starter notebook's DDPM.
#[derive(Clone, Copy, Debug)]
pub struct DdpmNotebook;

impl Sampler for DdpmNotebook {
    fn name(&self) -> &'static str {
        "ddpm_notebook"
    }

    fn summary(&self) -> &'static str {
        "DDPM as in the starter notebook, every timestep, for Gaussian noise"
    }

    fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        check_gaussian(degradation, self.name())
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn visits_every_timestep(&self) -> bool {
        true
    }

    fn sample(&self, chain: &Chain<'_>, observer: &mut TrajectoryObserver<'_>) -> Result<Vec<f32>> {
        let process = gaussian_of(chain, self.name())?;
        let timesteps = chain.degradation.timesteps();
        if chain.timesteps.len() != timesteps + 1 {
            let found = chain.timesteps.len().saturating_sub(1);
            let expected = format!("all {timesteps} for the sampler `{}`", self.name());
            return Err(Error::invalid("sampling.nfe", found, expected));
        }
        chain.walk(chain.sample_prior(), observer, |z, t, _| {
            let (signal, noise) = process.alpha_sigma(t);
            let beta = process.beta(t);
            let (keep, deviation) = ((1.0 - beta).sqrt(), beta.sqrt());
            let x0 = chain.denoiser.denoise(&z, t)?;
            chain.each(&z, &x0, t, |z, x0, rng, next| {
                for (next, (z, x0)) in next.iter_mut().zip(z.iter().zip(x0)) {
                    let eps = (z - signal * x0) / noise;
                    let fresh = if t.0 > 1 { deviation * rng.normal() } else { 0.0 };
                    *next = (z - beta / noise * eps) / keep + fresh;
                }
                Ok(())
            })
        })
    }
}
