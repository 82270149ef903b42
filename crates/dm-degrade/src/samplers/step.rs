//! One step of an additive Gaussian process, x_t = a x_0 + b eps, from level t to s < t.

use super::Chain;
use crate::degradation::Level;
use crate::error::{Error, Result};

/// Signal a and noise b at both ends.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub a_t: f64,
    pub b_t: f64,
    pub a_s: f64,
    pub b_s: f64,
}

impl Step {
    /// The step from `t` to `s` of the chain's process.
    pub fn new(chain: &Chain<'_>, t: Level, s: Level) -> Result<Self> {
        let at = |level| {
            let found = chain.degradation.signal_and_noise(level);
            let expected = "a Gaussian degradation";
            found.ok_or_else(|| Error::invalid("sampler", chain.degradation.name(), expected))
        };
        let ((a_t, b_t), (a_s, b_s)) = (at(t)?, at(s)?);
        Ok(Self { a_t: a_t.into(), b_t: b_t.into(), a_s: a_s.into(), b_s: b_s.into() })
    }

    /// beta of the step, 1 - alpha_t / alpha_s: the variance that going from s to t adds. As a product of a sum and a
    /// difference it is exact at both ends of a schedule.
    pub fn beta(self) -> f64 {
        let Self { a_t, b_t, a_s, b_s } = self;
        (b_t * a_s + a_t * b_s) * (b_t * a_s - a_t * b_s) / (a_s * a_s)
    }

    /// x_s of the flow while the restored image x0 stays what it is: d(x/b) = x0 d(a/b), so
    /// x_s = b_s/b_t x_t + (a_s - a_t b_s/b_t) x0. These are the two factors.
    pub fn flow(self) -> (f32, f32) {
        let keep = self.b_s / self.b_t;
        (keep as f32, (self.a_s - self.a_t * keep) as f32)
    }

    /// v = (a x - x0) / b at level t: its two factors.
    pub fn velocity_t(self) -> (f32, f32) {
        ((self.a_t / self.b_t) as f32, (-1.0 / self.b_t) as f32)
    }

    /// As [`Self::velocity_t`] at level s.
    pub fn velocity_s(self) -> (f32, f32) {
        ((self.a_s / self.b_s) as f32, (-1.0 / self.b_s) as f32)
    }

    /// phi_s - phi_t, a = cos(phi), b = sin(phi): negative.
    pub fn turn(self) -> f64 {
        self.b_s.atan2(self.a_s) - self.b_t.atan2(self.a_t)
    }

    /// lambda_s - lambda_t, lambda = ln(a/b); infinite for s = 0.
    pub fn width(self) -> f64 {
        (self.a_s / self.b_s).ln() - (self.a_t / self.b_t).ln()
    }
}

/// keep x + gain y, pixel by pixel.
pub(super) fn blend((keep, gain): (f32, f32), x: &[f32], y: &[f32]) -> Vec<f32> {
    x.iter().zip(y).map(|(x, y)| keep * x + gain * y).collect()
}
