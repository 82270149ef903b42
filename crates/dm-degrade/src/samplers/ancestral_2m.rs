//! Ancestral sampling of second order: the estimate is extrapolated through its last two values.
//!
//! The network's estimate of x_0 improves while a step goes from t down to s. A posterior that uses the estimate x0 of the
//! step's start therefore lags by half a step. As in the multistep solvers (DPM-Solver++ 2M, Lu et al. 2022), this sampler uses
//! an estimate for the middle of the step instead. Let t' > t be the timestep before t, with the estimate x0'. The straight
//! line through both estimates has at t - (t - s)/2 the value x0 + (t - s) / (2 (t' - t)) (x0 - x0'). For Gaussian noise this
//! is SDE-DPM-Solver++ 2M, with the extrapolation in t. It costs no network evaluation. The first step has no earlier estimate,
//! and the last, to timestep 0, does not need a better one; both use x0 itself.

use super::ancestral::require_posterior;
use super::chain::{Chain, Sampler, TrajectoryObserver, blend};
use crate::degradation::Degradation;
use crate::error::Result;
use crate::timestep::Timestep;

/// Ancestral sampling with the extrapolated estimate.
#[derive(Clone, Copy, Debug)]
pub struct Ancestral2m;

impl Sampler for Ancestral2m {
    fn name(&self) -> &'static str {
        "ancestral_2m"
    }

    fn summary(&self) -> &'static str {
        "ancestral with the estimate extrapolated from the last two steps (SDE-DPM-Solver++ 2M in t for Gaussian noise)"
    }

    fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        require_posterior(degradation, self.name()).map(drop)
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn sample(&self, chain: &Chain<'_>, observer: &mut TrajectoryObserver<'_>) -> Result<Vec<f32>> {
        let posterior = require_posterior(chain.degradation, self.name())?;
        let mut before: Option<(Timestep, Vec<f32>)> = None;
        chain.walk(chain.sample_prior(), observer, |x, t, s| {
            let x0 = chain.denoise(&x, t)?;
            let extrapolated = match &before {
                Some((above, x0_before)) if s.0 > 0 => {
                    let slope = 0.5 * (t.0 - s.0) as f32 / (above.0 - t.0) as f32;
                    let mut extrapolated = blend((1.0 + slope, -slope), &x0, x0_before);
                    chain.clip(&mut extrapolated);
                    extrapolated
                }
                _ => x0.clone(),
            };
            before = Some((t, x0));
            chain.each(&x, &extrapolated, t, |x_t, x0, rng, x_s| {
                posterior.sample_posterior(x_t, x0, t, s, rng, x_s)
            })
        })
    }
}
