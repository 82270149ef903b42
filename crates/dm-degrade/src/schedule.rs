//! Noise schedules of the Gaussian process: which share of the signal is left at each level.
//!
//! A table holds beta_t and alpha_t for t = 0..=T, where alpha_t is the *cumulative* product of 1 - beta (Prince's
//! notation; alpha-bar in Ho et al. 2020). All arithmetic is f64.

use serde::{Deserialize, Serialize};

use crate::degradation::Level;
use crate::error::{Error, Result};

/// A rule for the noise at each level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// beta rises linearly from `beta_1` (t = 0) to `beta_t` (t = T), T + 1 values: Ho et al. 2020 as the notebook has it.
    Linear {
        /// First beta.
        beta_1: f64,
        /// Last beta.
        beta_t: f64,
    },
    /// alpha_t = cos^2((t/T + 0.008) / 1.008 pi/2), beta capped at 0.999: Nichol and Dhariwal 2021, eq. 17.
    Cosine,
}

/// beta and alpha of every level.
#[derive(Clone, Debug)]
pub struct Schedule {
    beta: Vec<f64>,
    alpha: Vec<f64>,
}

impl ScheduleConfig {
    /// Tables for levels 0..=`steps`.
    ///
    /// # Errors
    /// If `steps` is zero or a beta is outside (0, 1).
    pub fn table(&self, steps: usize) -> Result<Schedule> {
        if !(1..=100_000).contains(&steps) {
            return Err(Error::invalid("degradation.steps", steps, "1 to 100000"));
        }
        let share = |t: usize| t as f64 / steps as f64;
        let beta: Vec<f64> = match *self {
            Self::Linear { beta_1, beta_t } => {
                for (field, beta) in [("beta_1", beta_1), ("beta_t", beta_t)] {
                    if !(beta > 0.0 && beta < 1.0) {
                        let field = format!("degradation.schedule.{field}");
                        return Err(Error::invalid(field, beta, "above 0 and below 1"));
                    }
                }
                (0..=steps).map(|t| beta_1 + (beta_t - beta_1) * share(t)).collect()
            }
            Self::Cosine => {
                let f = |t: usize| ((share(t) + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
                let step = |t: usize| (1.0 - f(t) / f(t - 1)).min(0.999);
                std::iter::once(0.0).chain((1..=steps).map(step)).collect()
            }
        };
        // The cumulative product in log space, as the notebook computes it.
        let alpha = beta
            .iter()
            .scan(0.0, |log, beta| {
                *log += (1.0 - beta).ln();
                Some(log.exp())
            })
            .collect();
        Ok(Schedule { beta, alpha })
    }
}

impl Schedule {
    /// T.
    pub fn steps(&self) -> usize {
        self.beta.len() - 1
    }

    /// beta_t, the variance of the noise added at step t.
    pub fn beta(&self, t: Level) -> f64 {
        self.beta[t.0]
    }

    /// alpha_t, the share of the signal's variance left at level t, as tabled: alpha_0 = 1 - beta_0.
    pub fn alpha(&self, t: Level) -> f64 {
        self.alpha[t.0]
    }

    /// alpha_t with the identity at level 0: alpha_0 = 1.
    pub fn signal(&self, t: Level) -> f64 {
        if t.0 == 0 { 1.0 } else { self.alpha[t.0] }
    }
}
