//! Noise schedules of the Gaussian process: the share of the signal that is left at each timestep.
//!
//! A table holds beta_t and alpha_t for t = 0..=T. Here alpha_t is the *cumulative* product of 1 - beta, as in Prince
//! 2023; Ho et al. 2020 write it alpha-bar. It is the share of the signal's variance: the state is
//! x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) eps. All arithmetic is f64.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::timestep::Timestep;

/// The rule by which the noise grows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// beta rises linearly from `beta_1` at t = 0 to `beta_t` at t = T, T + 1 values in all: Ho et al. 2020 as the starter
    /// notebook implements it.
    Linear {
        /// First beta.
        beta_1: f64,
        /// Last beta.
        beta_t: f64,
    },
    /// alpha_t = cos^2((t/T + 0.008) / 1.008 pi/2), beta capped at 0.999: Nichol and Dhariwal 2021, eq. 17.
    Cosine,
    /// alpha_t = (f(end) - f(u)) / (f(end) - f(start)) with u = start + (end - start) t/T and
    /// f(u) = 1 / (1 + exp(-u / tau)), beta capped at 0.999: Jabri et al. 2022, algorithm 6, with their defaults.
    Sigmoid {
        /// Argument u of the logistic function at t = 0.
        #[serde(default = "sigmoid_start")]
        start: f64,
        /// Argument u at t = T.
        #[serde(default = "sigmoid_end")]
        end: f64,
        /// Temperature: the smaller it is, the steeper alpha falls.
        #[serde(default = "sigmoid_tau")]
        tau: f64,
    },
    /// The signal-to-noise ratio alpha_t / (1 - alpha_t) falls geometrically, from `snr_start` just after t = 0 to `snr_end`
    /// at T: the linear log-SNR of Kingma et al. 2021. t = 0 is the clean image.
    LogLinear {
        /// The ratio that the geometric sequence has at t = 0.
        snr_start: f64,
        /// The ratio at T.
        snr_end: f64,
    },
    /// The values themselves, for a schedule that follows none of the other rules.
    Table {
        /// beta_t for t = 0..=T.
        beta: Vec<f64>,
    },
}

fn sigmoid_start() -> f64 {
    -3.0
}

fn sigmoid_end() -> f64 {
    3.0
}

fn sigmoid_tau() -> f64 {
    1.0
}

/// The smallest alpha_T of a table.
const LEAST_SIGNAL: f64 = 1e-12;

/// beta and alpha of every timestep.
#[derive(Clone, Debug)]
pub struct Schedule {
    beta: Vec<f64>,
    alpha: Vec<f64>,
}

impl ScheduleConfig {
    /// The tables for t = 0..=`timesteps`.
    ///
    /// # Errors
    /// If `timesteps` is not between 1 and 100,000, or a parameter of the schedule is outside its domain.
    pub fn table(&self, timesteps: usize) -> Result<Schedule> {
        if !(1..=100_000).contains(&timesteps) {
            return Err(Error::invalid("degradation.timesteps", timesteps, "1 to 100000"));
        }
        let share = |t: usize| t as f64 / timesteps as f64;
        let beta: Vec<f64> = match self {
            &Self::Linear { beta_1, beta_t } => {
                for (field, beta) in [("beta_1", beta_1), ("beta_t", beta_t)] {
                    if !(beta > 0.0 && beta < 1.0) {
                        let field = format!("degradation.schedule.{field}");
                        return Err(Error::invalid(field, beta, "above 0 and below 1"));
                    }
                }
                (0..=timesteps).map(|t| beta_1 + (beta_t - beta_1) * share(t)).collect()
            }
            Self::Cosine => {
                let f = |t: usize| ((share(t) + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
                betas(timesteps, f)
            }
            &Self::Sigmoid { start, end, tau } => {
                let finite = [start, end, tau].iter().all(|v| v.abs() <= 1000.0);
                if !(finite && start < end && tau > 0.0 && (end - start) / tau <= 30.0) {
                    let found = format!("start = {start}, end = {end}, tau = {tau}");
                    let expected = "start < end, tau above 0, (end - start) / tau at most 30";
                    return Err(Error::invalid("degradation.schedule", found, expected));
                }
                let logistic = |u: f64| 1.0 / (1.0 + (-u / tau).exp());
                let f = |t: usize| logistic(end) - logistic(start + (end - start) * share(t));
                betas(timesteps, f)
            }
            &Self::LogLinear { snr_start, snr_end } => {
                if !(snr_end >= 1e-6 && snr_end < snr_start && snr_start <= 1e6) {
                    let found = format!("snr_start = {snr_start}, snr_end = {snr_end}");
                    let expected = "1e-6 <= snr_end < snr_start <= 1e6";
                    return Err(Error::invalid("degradation.schedule", found, expected));
                }
                let snr = |t: usize| snr_start * (snr_end / snr_start).powf(share(t));
                let f = |t: usize| if t == 0 { 1.0 } else { snr(t) / (1.0 + snr(t)) };
                betas(timesteps, f)
            }
            Self::Table { beta } => {
                check_table(beta, timesteps)?;
                beta.clone()
            }
        };
        // The cumulative product in log space, as the starter notebook computes it.
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

/// Checks that `beta` has an entry for each of t = 0..=`timesteps`, that every step adds noise, and that some of the
/// signal is left at the end.
fn check_table(beta: &[f64], timesteps: usize) -> Result<()> {
    let field = "degradation.schedule.beta";
    if beta.len() != timesteps + 1 {
        let expected = format!("{}, one for each of t = 0 to {timesteps}", timesteps + 1);
        return Err(Error::invalid(field, format!("{} numbers", beta.len()), expected));
    }
    let mut alpha = 1.0;
    for (t, &beta) in beta.iter().enumerate() {
        let is_valid = beta < 1.0 && (beta > 0.0 || (t == 0 && beta == 0.0));
        if !is_valid {
            let expected = "above 0 and below 1; the entry of t = 0 may be 0";
            return Err(Error::invalid(format!("{field}, entry {t}"), beta, expected));
        }
        alpha *= 1.0 - beta;
        if alpha < LEAST_SIGNAL {
            let expected = format!("a table whose product of 1 - beta stays above {LEAST_SIGNAL:e}");
            return Err(Error::invalid(format!("{field}, entry {t}"), beta, expected));
        }
    }
    Ok(())
}

/// beta for t = 0..=`timesteps` from any falling function of t that is proportional to alpha.
fn betas(timesteps: usize, f: impl Fn(usize) -> f64) -> Vec<f64> {
    let step = |t: usize| (1.0 - f(t) / f(t - 1)).min(0.999);
    std::iter::once(0.0).chain((1..=timesteps).map(step)).collect()
}

impl Schedule {
    /// T.
    pub fn timesteps(&self) -> usize {
        self.beta.len() - 1
    }

    /// beta_t, the variance of the noise that the step from t - 1 to t adds.
    pub fn beta(&self, t: Timestep) -> f64 {
        self.beta[t.0]
    }

    /// alpha_t as tabled, the share of the signal's variance left at t; alpha_0 = 1 - beta_0.
    pub fn alpha(&self, t: Timestep) -> f64 {
        self.alpha[t.0]
    }

    /// alpha_t with alpha_0 = 1, so that t = 0 is the clean image.
    pub fn signal(&self, t: Timestep) -> f64 {
        if t.0 == 0 { 1.0 } else { self.alpha[t.0] }
    }
}
