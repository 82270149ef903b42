//! Prince 2023, algorithm 18.2, as the starter notebook runs it: every level from T to 1, variance beta_t, no clipping.
//!
//! z_(t-1) = (z_t - beta_t / sqrt(1 - alpha_t) eps(z_t, t)) / sqrt(1 - beta_t) + sqrt(beta_t) noise, no noise at t = 1.

use super::step::Step;
use super::{Chain, Watch};
use crate::degradation::Level;
use crate::error::{Error, Result};

pub(super) fn run(chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
    let steps = chain.degradation.steps();
    if chain.levels.len() != steps + 1 {
        let found = chain.levels.len() - 1;
        return Err(Error::invalid("sampling steps", found, format!("all {steps} for the sampler `prince`")));
    }
    let mut z = chain.prior();
    watch(Level(steps), &z);
    for t in (1..=steps).rev().map(Level) {
        let step = Step::new(chain, t, Level(t.0 - 1))?;
        let (signal, noise) = (step.a_t as f32, step.b_t as f32);
        let beta = chain.degradation.step_variance(t).unwrap_or(0.0);
        let x0 = chain.restorer.restore(&z, t)?;
        let (keep, spread) = ((1.0 - beta).sqrt(), beta.sqrt());
        z = chain.each(&z, &x0, t, |z, x0, rng| {
            let step = |(z, x0): (&f32, &f32)| {
                let eps = (z - signal * x0) / noise;
                let fresh = if t.0 > 1 { spread * rng.normal() } else { 0.0 };
                (z - beta / noise * eps) / keep + fresh
            };
            Ok(z.iter().zip(x0).map(step).collect())
        })?;
        watch(Level(t.0 - 1), &z);
    }
    Ok(z)
}
