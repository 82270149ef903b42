//! Weightings: how much the loss of an image counts in the objective, by the timestep or by the total intensity of the image.
//! The losses by timestep that a run reports are not weighted.

use dm_degrade::parameterization::Parameterization;
use dm_degrade::{Degradation, Timestep};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How much the loss of an image counts in the objective.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// Every image counts the same.
    #[default]
    Uniform,
    /// min(SNR, 5) on the squared error of x0 (Hang et al. 2023): nearly clean images count less.
    MinSnr,
    /// SNR / (1 + SNR) on the squared error of x0, which is 1 / (1 + SNR) on that of eps (Choi et al. 2022, with k = 1
    /// and gamma = 1): timesteps where only imperceptible detail is missing count less.
    P2,
    /// The total intensity of the image, divided by the mean total intensity of the training images. The cross-entropy of
    /// `softmax` counts a thin 1 as much as a bold 0; with this weighting every unit of intensity counts the same.
    Intensity,
}

/// gamma of min-SNR.
const MIN_SNR_GAMMA: f64 = 5.0;

impl Weighting {
    /// The name in a config.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::MinSnr => "min_snr",
            Self::P2 => "p2",
            Self::Intensity => "intensity",
        }
    }

    /// Checks that this weighting is defined for `parameterization` and `degradation`.
    ///
    /// # Errors
    /// If the weighting is not defined for them.
    pub fn check(self, parameterization: &dyn Parameterization, degradation: &dyn Degradation) -> Result<()> {
        let (fits, expected) = match self {
            Self::Uniform => (true, ""),
            Self::MinSnr | Self::P2 => (
                degradation.gaussian().is_some(),
                "uniform: only a Gaussian degradation has a signal-to-noise ratio",
            ),
            Self::Intensity => (
                parameterization.compares_shares(),
                "uniform: only `softmax` compares shares of the total intensity",
            ),
        };
        let found =
            || format!("`{}` for `{}` with `{}`", self.name(), parameterization.name(), degradation.name());
        if fits { Ok(()) } else { Err(Error::invalid("objective.weighting", found(), expected)) }
    }

    /// The weight of an image at `t` whose total intensity is `intensity` times the mean of the training set.
    ///
    /// With x_t = alpha x_0 + sigma eps, alpha^2 + sigma^2 = 1 and SNR = alpha^2 / sigma^2, a squared error of the estimated
    /// image is SNR times as large in eps and 1 + SNR times as large in v. A weight for x0 is therefore divided by this
    /// factor, [`Parameterization::squared_error_scale`].
    pub fn weight(
        self,
        parameterization: &dyn Parameterization,
        degradation: &dyn Degradation,
        t: Timestep,
        intensity: f64,
    ) -> f64 {
        let snr = || {
            let (alpha, sigma) = degradation.gaussian().map_or((1.0, 1.0), |process| process.alpha_sigma(t));
            (f64::from(alpha) / f64::from(sigma)).powi(2).max(f64::MIN_POSITIVE)
        };
        match self {
            Self::Uniform => 1.0,
            Self::Intensity => intensity,
            Self::MinSnr => {
                let snr = snr();
                snr.min(MIN_SNR_GAMMA) / parameterization.squared_error_scale(snr)
            }
            Self::P2 => {
                let snr = snr();
                snr / (1.0 + snr) / parameterization.squared_error_scale(snr)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dm_degrade::DegradationConfig;
    use dm_degrade::degradations::{GaussianConfig, InkConfig};
    use dm_degrade::parameterization::{Eps, Softmax, Softplus, V, X0};
    use dm_nn::image::ImageShape;

    use super::*;

    const SHAPE: ImageShape = ImageShape::new(1, 12, 9);

    fn gaussian() -> Box<dyn Degradation> {
        DegradationConfig::Gaussian(GaussianConfig::default()).build(SHAPE, &[]).unwrap()
    }

    #[test]
    fn weights_are_those_of_the_papers() {
        let degradation = gaussian();
        for t in [1, 50, 300, 600, 900, 1000] {
            let (alpha, sigma) = degradation.gaussian().unwrap().alpha_sigma(Timestep(t));
            let snr = f64::from(alpha).powi(2) / f64::from(sigma).powi(2);
            let weight =
                |w: Weighting, p: &dyn Parameterization| w.weight(p, degradation.as_ref(), Timestep(t), 2.0);
            let close = |found: f64, expected: f64| {
                assert!((found / expected - 1.0).abs() < 1e-9, "t = {t}: {found}, expected {expected}");
            };
            // Hang et al. 2023, section 3.4 and its appendix for v.
            close(weight(Weighting::MinSnr, &X0), snr.min(5.0));
            close(weight(Weighting::MinSnr, &Eps), (5.0 / snr).min(1.0));
            close(weight(Weighting::MinSnr, &V), snr.min(5.0) / (snr + 1.0));
            // Choi et al. 2022, eq. 8, with k = 1 and gamma = 1 on the loss of eps.
            close(weight(Weighting::P2, &Eps), 1.0 / (1.0 + snr));
            assert_eq!(weight(Weighting::Uniform, &V), 1.0);
            assert_eq!(weight(Weighting::Intensity, &Softmax), 2.0);
        }
    }

    /// The weighted loss is the same number, whatever the network predicts.
    #[test]
    fn a_weighting_means_the_same_for_every_parameterization() {
        let degradation = gaussian();
        for (t, weighting) in
            [10, 400, 950].into_iter().flat_map(|t| [(t, Weighting::MinSnr), (t, Weighting::P2)])
        {
            let (a, b) = degradation.gaussian().unwrap().alpha_sigma(Timestep(t));
            let (a, b) = (f64::from(a), f64::from(b));
            // An estimate of x0 off by e is, for the same x_t, off by -a/b e in eps and by -a^2/b e - b e in v.
            let weighted = |square: f64, parameterization: &dyn Parameterization| {
                square * weighting.weight(parameterization, degradation.as_ref(), Timestep(t), 1.0)
            };
            let eps = weighted((a / b).powi(2), &Eps);
            let x0 = weighted(1.0, &X0);
            let v = weighted((a * a / b + b).powi(2), &V);
            assert!((eps / x0 - 1.0).abs() < 1e-5 && (v / x0 - 1.0).abs() < 1e-5, "{t}: {eps} {x0} {v}");
        }
    }

    #[test]
    fn weightings_that_are_not_defined_are_refused() {
        let ink = DegradationConfig::Ink(InkConfig::default()).build_unfitted(SHAPE).unwrap();
        let error = |w: Weighting, p: &dyn Parameterization, degradation: &dyn Degradation| {
            w.check(p, degradation).map_err(|e| e.to_string())
        };
        for weighting in [Weighting::MinSnr, Weighting::P2] {
            let message = error(weighting, &X0, ink.as_ref()).unwrap_err();
            assert!(message.contains("`ink`") && message.contains("Gaussian"), "{message}");
            for parameterization in [&Eps as &dyn Parameterization, &X0, &V] {
                assert_eq!(error(weighting, parameterization, gaussian().as_ref()), Ok(()));
            }
        }
        assert!(error(Weighting::Intensity, &Softplus, ink.as_ref()).unwrap_err().contains("softmax"));
        assert_eq!(error(Weighting::Intensity, &Softmax, ink.as_ref()), Ok(()));
    }
}
