//! What the network predicts, and how that becomes an estimate of the whole image.
//!
//! With x_t = a x_0 + b eps a network may predict eps, x_0 or v = a eps - b x_0 (Salimans and Ho 2022): the same
//! information, weighted differently over t. For ink it predicts intensity: through a softmax over the pixels that
//! conserves the ink, freely through a softplus, or pixel by pixel between paper and full ink.

use serde::{Deserialize, Serialize};

use crate::degradation::{Degradation, Level};
use crate::error::{Error, Result};

/// What the network's output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The noise of an additive Gaussian process.
    Eps,
    /// The state at level 0.
    X0,
    /// v = a eps - b x_0 of an additive Gaussian process.
    V,
    /// log-intensity up to a constant: a softmax over pixels shares out the ink that is there.
    Conserving,
    /// Intensity per full pixel through a softplus; grains are not counted.
    Free,
    /// Intensity per full pixel through a logistic function, so from paper to full ink; grains are not counted.
    Logistic,
}

impl Prediction {
    /// Checks that this prediction means something for `degradation`.
    ///
    /// # Errors
    /// If it does not.
    pub fn check(self, degradation: &dyn Degradation) -> Result<()> {
        let level = Level(degradation.steps());
        let (fits, needs) = match self {
            Self::Eps | Self::V => (degradation.signal_and_noise(level).is_some(), "a Gaussian degradation"),
            Self::Conserving | Self::Free | Self::Logistic => {
                (degradation.density(level).is_some(), "a degradation of intensities")
            }
            Self::X0 => (true, ""),
        };
        let found = || format!("{self:?} with `{}`", degradation.name());
        if fits { Ok(()) } else { Err(Error::invalid("objective.prediction", found(), needs)) }
    }

    /// The estimate of the state at level 0 from the network's output for the state `x_t`, both `[784]`.
    pub fn restore(
        self,
        degradation: &dyn Degradation,
        x_t: &[f32],
        level: Level,
        output: &[f32],
    ) -> Vec<f32> {
        let (a, b) = degradation.signal_and_noise(level).unwrap_or((1.0, 0.0));
        let density = |level| degradation.density(level).unwrap_or(1.0);
        let pairs = x_t.iter().zip(output);
        match self {
            Self::Eps => pairs.map(|(x, eps)| (x - b * eps) / a).collect(),
            Self::X0 => output.to_vec(),
            Self::V => pairs.map(|(x, v)| a * x - b * v).collect(),
            Self::Conserving => {
                let ink = x_t.iter().sum::<f32>() * (density(Level(0)) / density(level));
                softmax(output).iter().map(|share| share * ink).collect()
            }
            Self::Free => output.iter().map(|&z| density(Level(0)) * softplus(z)).collect(),
            Self::Logistic => output.iter().map(|&z| density(Level(0)) / (1.0 + (-z).exp())).collect(),
        }
    }
}

/// exp(z) over its sum, without overflow.
fn softmax(z: &[f32]) -> Vec<f32> {
    let top = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = z.iter().map(|z| (z - top).exp()).collect();
    let total: f32 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

/// ln(1 + e^z) without overflow.
fn softplus(z: f32) -> f32 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}
