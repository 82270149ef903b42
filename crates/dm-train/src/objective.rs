//! Objectives: what each prediction is asked to match, and how the miss is counted. Each returns one loss per image, so
//! that losses can be reported per level.

use candle_core::{D, Result, Tensor};
use dm_degrade::degradation::{Degradation, Key, Level};
use dm_degrade::prediction::Prediction;
use dm_nn::data::PIXELS;

/// What the network should have said for one image, `[784]`.
///
/// eps: the noise. x0: the state at level 0. v: a eps - b x_0. Intensities: the image itself.
pub fn target(
    prediction: Prediction,
    process: &dyn Degradation,
    x0: &[f32],
    level: Level,
    key: &Key,
) -> Vec<f32> {
    match prediction {
        Prediction::Eps => key.0.clone(),
        Prediction::X0 => x0.to_vec(),
        Prediction::V => {
            let (a, b) = process.signal_and_noise(level).unwrap_or((1.0, 0.0));
            x0.iter().zip(&key.0).map(|(x0, eps)| a * eps - b * x0).collect()
        }
        Prediction::Conserving => {
            let ink: f32 = x0.iter().sum();
            x0.iter().map(|x0| x0 / ink.max(f32::MIN_POSITIVE)).collect()
        }
        Prediction::Free => process.to_image(x0),
    }
}

/// Loss of each image, `[B]`, from the network's output and the targets, both [B, 1, 28, 28].
///
/// # Errors
/// If shapes do not fit.
pub fn losses(prediction: Prediction, output: &Tensor, target: &Tensor) -> Result<Tensor> {
    let batch = output.dim(0)?;
    let output = output.reshape((batch, PIXELS))?;
    let target = target.reshape((batch, PIXELS))?;
    match prediction {
        // Mean squared error: Ho et al. 2020, eq. 14, for eps.
        Prediction::Eps | Prediction::X0 | Prediction::V => (output - target)?.sqr()?.mean(1),
        // Cross-entropy of the image as a distribution of ink over pixels: - sum_p I(p) log rho(p), sum_p I(p) = 1.
        Prediction::Conserving => {
            let log_rho = candle_nn::ops::log_softmax(&output, D::Minus1)?;
            (target * log_rho)?.sum(1)?.neg()
        }
        // Generalised Kullback-Leibler divergence, the Poisson likelihood: rho - I log rho, mean over pixels.
        Prediction::Free => {
            let rho = softplus(&output)?;
            let log_rho = (&rho + 1e-8)?.log()?;
            (rho - (target * log_rho)?)?.mean(1)
        }
    }
}

/// ln(1 + e^z) = max(z, 0) + ln(1 + e^-|z|).
fn softplus(z: &Tensor) -> Result<Tensor> {
    z.relu()? + (z.abs()?.neg()?.exp()? + 1.0)?.log()?
}
