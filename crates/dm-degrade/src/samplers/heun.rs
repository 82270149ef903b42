//! Heun's method on the probability flow: Karras et al. 2022, algorithm 1 without its churn.
//!
//! Karras et al. integrate d(x/alpha) = eps d(sigma/alpha). At T of a variance-preserving process alpha is zero or nearly so,
//! and sigma/alpha is huge. With alpha = cos(phi) and sigma = sin(phi) the same flow is dx = v d phi, v = alpha eps - sigma x0
//! (Salimans and Ho 2022), and phi runs from nearly a right angle at T to zero at timestep 0. All numbers stay bounded.
//!
//! Heun's method averages v at both ends of a step. At the end of the last step, timestep 0, the network is not defined.
//! There the state is the image, which is what the estimate approaches. Near timestep 0 the estimate is a smooth function of
//! (sigma/alpha)^2, so the last step extrapolates it in a straight line to (sigma/alpha)^2 = 0, through its values at the last
//! two timesteps. If the last step used the last estimate unchanged, as DDIM does, the whole chain would only be of order
//! 1.5 on the cosine schedule, whose last step shrinks most slowly as the number of steps grows.

use super::chain::{Chain, Sampler, TrajectoryObserver, blend};
use super::gaussian_step::{GaussianStep, check_gaussian, gaussian_of};
use crate::degradation::Degradation;
use crate::error::Result;

/// Heun's method. Every step but the last takes two network evaluations.
#[derive(Clone, Copy, Debug)]
pub struct Heun;

impl Sampler for Heun {
    fn name(&self) -> &'static str {
        "heun"
    }

    fn summary(&self) -> &'static str {
        "Heun on the probability flow, two evaluations per step, deterministic, for Gaussian noise"
    }

    fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        check_gaussian(degradation, self.name())
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn intervals(&self, nfe: usize) -> usize {
        nfe.div_ceil(2)
    }

    fn nfe(&self, intervals: usize) -> usize {
        2 * intervals - 1
    }

    fn sample(&self, chain: &Chain<'_>, observer: &mut TrajectoryObserver<'_>) -> Result<Vec<f32>> {
        let process = gaussian_of(chain, self.name())?;
        let mut before: Option<(f64, Vec<f32>)> = None;
        chain.walk(chain.sample_prior(), observer, |x, t, s| {
            let step = GaussianStep::new(process, t, s);
            let x0 = chain.denoise(&x, t)?;
            let noise = (step.sigma_t / step.alpha_t).powi(2);
            let next = if s.0 > 0 {
                let euler = blend(step.flow(), &x, &x0);
                let x0_at_s = chain.denoise(&euler, s)?;
                let v_t = blend(step.velocity_t(), &x, &x0);
                let v_s = blend(step.velocity_s(), &euler, &x0_at_s);
                let half_angle = (0.5 * step.angle()) as f32;
                blend((1.0, half_angle), &x, &blend((1.0, 1.0), &v_t, &v_s))
            } else if let Some((noise_before, x0_before)) = &before {
                let slope = (noise / (noise_before - noise)) as f32;
                blend((1.0 + slope, -slope), &x0, x0_before)
            } else {
                x0.clone()
            };
            before = Some((noise, x0));
            Ok(next)
        })
    }
}
