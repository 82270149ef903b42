//! The losses in candle's own operations, formula by formula: what CUDA and Metal run, and the oracle of the fused form.

use candle_core::{D, Result, Tensor};
use dm_degrade::prediction::Prediction;

/// Loss of each image, `[B]`, from output and targets [B, 784].
pub(super) fn losses(prediction: Prediction, output: &Tensor, target: &Tensor) -> Result<Tensor> {
    match prediction {
        // Mean squared error: Ho et al. 2020, eq. 14, for eps.
        Prediction::Eps | Prediction::X0 | Prediction::V => (output - target)?.sqr()?.mean(1),
        // Cross-entropy of the image as a distribution of ink over pixels: - sum_p I(p) log rho(p), sum_p I(p) = 1.
        Prediction::Conserving => {
            let log_rho = candle_nn::ops::log_softmax(output, D::Minus1)?;
            (target * log_rho)?.sum(1)?.neg()
        }
        // Generalised Kullback-Leibler divergence, the Poisson likelihood: rho - I log rho, mean over pixels.
        Prediction::Free => {
            let rho = softplus(output)?;
            let log_rho = (&rho + 1e-8)?.log()?;
            (rho - (target * log_rho)?)?.mean(1)
        }
        // Cross-entropy pixel by pixel, rho = 1 / (1 + e^-z): -I log rho - (1 - I) log (1 - rho), mean over pixels.
        Prediction::Logistic => (softplus(output)? - (target * output)?)?.mean(1),
    }
}

/// ln(1 + e^z) = max(z, 0) + ln(1 + e^-|z|).
fn softplus(z: &Tensor) -> Result<Tensor> {
    z.relu()? + (z.abs()?.neg()?.exp()? + 1.0)?.log()?
}
