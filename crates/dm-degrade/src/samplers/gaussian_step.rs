//! One step of a Gaussian process, x_t = alpha x_0 + sigma eps, from timestep t to s < t.

use super::chain::Chain;
use crate::degradation::{Degradation, GaussianProcess, require_gaussian};
use crate::error::Result;
use crate::timestep::Timestep;

/// The config key of a sampler, as errors name it.
pub(super) const FIELD: &str = "sampling.sampler";

/// The factors of signal and noise at both ends of a step.
#[derive(Clone, Copy)]
pub(super) struct GaussianStep {
    pub alpha_t: f64,
    pub sigma_t: f64,
    pub alpha_s: f64,
    pub sigma_s: f64,
}

impl GaussianStep {
    /// The step from `t` to `s` of `process`.
    pub fn new(process: &dyn GaussianProcess, t: Timestep, s: Timestep) -> Self {
        let ((alpha_t, sigma_t), (alpha_s, sigma_s)) = (process.alpha_sigma(t), process.alpha_sigma(s));
        Self {
            alpha_t: alpha_t.into(),
            sigma_t: sigma_t.into(),
            alpha_s: alpha_s.into(),
            sigma_s: sigma_s.into(),
        }
    }

    /// The variance that going from s to t adds, 1 - (alpha_t / alpha_s)^2. With alpha^2 + sigma^2 = 1 it equals
    /// (sigma_t^2 alpha_s^2 - alpha_t^2 sigma_s^2) / alpha_s^2, and the numerator is a sum times a difference. This form
    /// loses no digits: for s = 0 it gives sigma_t^2, and for alpha_t = 0 it gives 1. The direct form would subtract two nearly
    /// equal numbers where t is small.
    pub fn beta(self) -> f64 {
        let Self { alpha_t, sigma_t, alpha_s, sigma_s } = self;
        (sigma_t * alpha_s + alpha_t * sigma_s) * (sigma_t * alpha_s - alpha_t * sigma_s)
            / (alpha_s * alpha_s)
    }

    /// The probability flow while the estimate x0 is held: d(x/sigma) = x0 d(alpha/sigma), so
    /// x_s = sigma_s/sigma_t x_t + (alpha_s - alpha_t sigma_s/sigma_t) x0. These are the two factors.
    pub fn flow(self) -> (f32, f32) {
        let keep = self.sigma_s / self.sigma_t;
        (keep as f32, (self.alpha_s - self.alpha_t * keep) as f32)
    }

    /// The factors of x and x0 in the velocity v = (alpha x - x0) / sigma at t.
    pub fn velocity_t(self) -> (f32, f32) {
        ((self.alpha_t / self.sigma_t) as f32, (-1.0 / self.sigma_t) as f32)
    }

    /// Like [`Self::velocity_t`], at s.
    pub fn velocity_s(self) -> (f32, f32) {
        ((self.alpha_s / self.sigma_s) as f32, (-1.0 / self.sigma_s) as f32)
    }

    /// phi_s - phi_t with alpha = cos(phi), sigma = sin(phi). Negative.
    pub fn angle(self) -> f64 {
        self.sigma_s.atan2(self.alpha_s) - self.sigma_t.atan2(self.alpha_t)
    }

    /// lambda_s - lambda_t with lambda = ln(alpha/sigma). Infinite for s = 0.
    pub fn log_snr_width(self) -> f64 {
        (self.alpha_s / self.sigma_s).ln() - (self.alpha_t / self.sigma_t).ln()
    }
}

/// The Gaussian process of the chain, which the sampler `name` needs.
pub(super) fn gaussian_of<'a>(chain: &Chain<'a>, name: &str) -> Result<&'a dyn GaussianProcess> {
    require_gaussian(chain.degradation, FIELD, name)
}

/// Checks that `degradation` is Gaussian, as the sampler `name` needs it.
pub(super) fn check_gaussian(degradation: &dyn Degradation, name: &str) -> Result<()> {
    require_gaussian(degradation, FIELD, name).map(drop)
}
