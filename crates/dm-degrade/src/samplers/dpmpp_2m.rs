//! DPM-Solver++ 2M, Lu et al. 2022 (DPM-Solver++), algorithm 2: the estimate is extrapolated through its last two values,
//! over lambda = ln(alpha/sigma).
//!
//! D = (1 + h/(2 h')) x0 - h/(2 h') x0', where h is the width of this step in lambda, and h' and x0' belong to the step
//! before; then x_s = sigma_s/sigma_t x_t - alpha_s (e^-h - 1) D. The first step has nothing to extrapolate, and the last, to
//! lambda = infinity, takes x0 itself.

use super::chain::{Chain, Sampler, TrajectoryObserver, blend};
use super::gaussian_step::{GaussianStep, check_gaussian, gaussian_of};
use crate::degradation::Degradation;
use crate::error::Result;

/// DPM-Solver++ 2M.
#[derive(Clone, Copy, Debug)]
pub struct Dpmpp2m;

impl Sampler for Dpmpp2m {
    fn name(&self) -> &'static str {
        "dpmpp_2m"
    }

    fn summary(&self) -> &'static str {
        "DPM-Solver++ 2M, second order, deterministic, for Gaussian noise"
    }

    fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        check_gaussian(degradation, self.name())
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn sample(&self, chain: &Chain<'_>, observer: &mut TrajectoryObserver<'_>) -> Result<Vec<f32>> {
        let process = gaussian_of(chain, self.name())?;
        let mut before: Option<(f64, Vec<f32>)> = None;
        chain.walk(chain.sample_prior(), observer, |x, t, s| {
            let step = GaussianStep::new(process, t, s);
            let width = step.log_snr_width();
            let x0 = chain.denoise(&x, t)?;
            let next = match &before {
                Some((width_before, x0_before)) if s.0 > 0 => {
                    let slope = (0.5 * width / width_before) as f32;
                    let extrapolated = blend((1.0 + slope, -slope), &x0, x0_before);
                    blend(step.flow(), &x, &extrapolated)
                }
                _ => blend(step.flow(), &x, &x0),
            };
            before = Some((width, x0));
            Ok(next)
        })
    }
}
