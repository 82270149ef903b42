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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dm_degrade::DegradationConfig;
    use dm_degrade::degradations::{GaussianConfig, InkConfig};

    use super::*;

    const PREDICTIONS: [Prediction; 3] = [Prediction::Eps, Prediction::X0, Prediction::V];

    fn gaussian() -> Box<dyn Degradation> {
        DegradationConfig::Gaussian(GaussianConfig::default()).build(&[]).unwrap()
    }

    #[test]
    fn weights_are_the_papers() {
        let process = gaussian();
        for t in [1, 50, 300, 600, 900, 1000] {
            let (a, b) = process.signal_and_noise(Level(t)).unwrap();
            let snr = f64::from(a).powi(2) / f64::from(b).powi(2);
            let weight = |w: Weighting, p| w.weight(p, process.as_ref(), Level(t), 2.0);
            let close = |found: f64, expected: f64| {
                assert!((found / expected - 1.0).abs() < 1e-9, "t = {t}: {found}, expected {expected}");
            };
            // Hang et al. 2023, section 3.4 and its appendix for v.
            close(weight(Weighting::MinSnr, Prediction::X0), snr.min(5.0));
            close(weight(Weighting::MinSnr, Prediction::Eps), (5.0 / snr).min(1.0));
            close(weight(Weighting::MinSnr, Prediction::V), snr.min(5.0) / (snr + 1.0));
            // Choi et al. 2022, eq. 8, with k = 1 and gamma = 1 on the loss of eps.
            close(weight(Weighting::P2, Prediction::Eps), 1.0 / (1.0 + snr));
            assert_eq!(weight(Weighting::Uniform, Prediction::V), 1.0);
            assert_eq!(weight(Weighting::Ink, Prediction::Conserving), 2.0);
        }
    }

    /// The weighted loss is one number, whatever the network predicts.
    #[test]
    fn a_weighting_means_the_same_for_every_prediction() {
        let process = gaussian();
        for (t, weighting) in
            [10, 400, 950].into_iter().flat_map(|t| [(t, Weighting::MinSnr), (t, Weighting::P2)])
        {
            let (a, b) =
                process.signal_and_noise(Level(t)).map(|(a, b)| (f64::from(a), f64::from(b))).unwrap();
            // An estimate of x0 off by e is, for the same x_t, off by -a/b e in eps and by -a^2/b e - b e in v.
            let square = |p| match p {
                Prediction::Eps => (a / b).powi(2),
                Prediction::V => (a * a / b + b).powi(2),
                _ => 1.0,
            };
            let [eps, x0, v] =
                PREDICTIONS.map(|p| square(p) * weighting.weight(p, process.as_ref(), Level(t), 1.0));
            assert!((eps / x0 - 1.0).abs() < 1e-5 && (v / x0 - 1.0).abs() < 1e-5, "{t}: {eps} {x0} {v}");
        }
    }

    #[test]
    fn weightings_that_mean_nothing_are_refused() {
        let ink = DegradationConfig::Ink(InkConfig::default()).build(&[1.0]).unwrap();
        let said =
            |w: Weighting, p, process: &dyn Degradation| w.check(p, process).map_err(|e| e.to_string());
        for weighting in [Weighting::MinSnr, Weighting::P2] {
            let message = said(weighting, Prediction::X0, ink.as_ref()).unwrap_err();
            assert!(message.contains("`ink`") && message.contains("Gaussian"), "{message}");
            assert!(PREDICTIONS.iter().all(|&p| said(weighting, p, gaussian().as_ref()).is_ok()));
        }
        assert!(said(Weighting::Ink, Prediction::Free, ink.as_ref()).is_err());
        assert!(said(Weighting::Ink, Prediction::Conserving, ink.as_ref()).is_ok());
    }
}
