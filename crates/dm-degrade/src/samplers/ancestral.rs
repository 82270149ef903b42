//! Ancestral sampling with the process's own posterior: x_s ~ q(x_s | x_t, x_0) with the estimate in place of x_0.
//!
//! For Gaussian noise this is Ho et al. 2020, algorithm 2, with the smaller of the two variances of section 3.2, that of the
//! posterior. For Ink every grain moves on its own.

use super::chain::{Chain, Sampler, TrajectoryObserver};
use super::gaussian_step::FIELD;
use crate::degradation::{Degradation, Posterior};
use crate::error::{Error, Result};

/// Ancestral sampling with the posterior's own variance.
#[derive(Clone, Copy, Debug)]
pub struct Ancestral;

impl Sampler for Ancestral {
    fn name(&self) -> &'static str {
        "ancestral"
    }

    fn summary(&self) -> &'static str {
        "the degradation's own posterior q(x_s | x_t, x_0), for any degradation that has one; --variance beta is DDPM's \
         larger variance"
    }

    fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        require_posterior(degradation, self.name()).map(drop)
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn sample(&self, chain: &Chain<'_>, observer: &mut TrajectoryObserver<'_>) -> Result<Vec<f32>> {
        let posterior = require_posterior(chain.degradation, self.name())?;
        chain.walk(chain.sample_prior(), observer, |x, t, s| {
            let x0 = chain.denoise(&x, t)?;
            chain.each(&x, &x0, t, |x_t, x0, rng, x_s| posterior.sample_posterior(x_t, x0, t, s, rng, x_s))
        })
    }
}

/// The posterior of `degradation`, which the sampler `name` needs. If there is none, the error suggests a sampler of cold
/// diffusion: it only needs to degrade an image, with the same noise at every timestep.
pub(super) fn require_posterior<'a>(
    degradation: &'a dyn Degradation,
    name: &str,
) -> Result<&'a dyn Posterior> {
    let found = || format!("{name} with `{}`", degradation.name());
    degradation
        .posterior()
        .ok_or_else(|| Error::invalid(FIELD, found(), "a sampler that keeps the noise (cold)"))
}
