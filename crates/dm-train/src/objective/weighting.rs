//! Weightings: how much the loss of an image counts, by its level or by its ink. Reported losses are never weighted.

use dm_degrade::degradation::{Degradation, Level};
use dm_degrade::prediction::Prediction;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How much each image counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// All the same.
    #[default]
    Uniform,
    /// min(SNR, 5) on the squared error of x0 (Hang et al. 2023): nearly clean images are not learned for ever.
    MinSnr,
    /// SNR / (1 + SNR) on the squared error of x0, which is 1 / (1 + SNR) on that of eps (Choi et al. 2022, with k = 1
    /// and gamma = 1): less of the levels where only imperceptible detail is missing.
    P2,
    /// An image's total ink over the mean of the training set: every grain counts the same, where the cross-entropy of the
    /// conserving head counts a thin 1 like a bold 0.
    Ink,
}

/// gamma of min-SNR.
const GAMMA: f64 = 5.0;

impl Weighting {
    /// Checks that this weighting means something for `prediction` and `process`.
    ///
    /// # Errors
    /// If it does not.
    pub fn check(self, prediction: Prediction, process: &dyn Degradation) -> Result<()> {
        let (fits, expected) = match self {
            Self::Uniform => (true, ""),
            Self::MinSnr | Self::P2 => {
                let gaussian = process.signal_and_noise(Level(process.steps())).is_some();
                (gaussian, "uniform: only a Gaussian degradation has a signal-to-noise ratio")
            }
            Self::Ink => {
                (prediction == Prediction::Conserving, "uniform: only `conserving` counts shares of ink")
            }
        };
        let found = || format!("{self:?} for {prediction:?} with `{}`", process.name());
        if fits { Ok(()) } else { Err(Error::invalid("objective.weighting", found(), expected)) }
    }

    /// Weight of an image at `level` that holds `ink` times the training set's mean.
    ///
    /// With x_t = a x_0 + b eps, a^2 + b^2 = 1 and SNR = a^2 / b^2, one error of the estimated image is in squares SNR
    /// times as large in eps and 1 + SNR times as large in v. So a weight for x0 is divided by that.
    pub fn weight(self, prediction: Prediction, process: &dyn Degradation, level: Level, ink: f64) -> f64 {
        let (a, b) = process.signal_and_noise(level).unwrap_or((1.0, 1.0));
        let snr = (f64::from(a) / f64::from(b)).powi(2).max(f64::MIN_POSITIVE);
        let for_x0 = match self {
            Self::Uniform => return 1.0,
            Self::Ink => return ink,
            Self::MinSnr => snr.min(GAMMA),
            Self::P2 => snr / (1.0 + snr),
        };
        match prediction {
            Prediction::Eps => for_x0 / snr,
            Prediction::V => for_x0 / (1.0 + snr),
            _ => for_x0,
        }
    }
}
