//! Objectives: what each prediction is asked to match, and how the miss is counted. Each returns one loss per image, so
//! that losses can be weighted and reported per level.

mod fused;
mod plain;
mod weighting;

use candle_core::{Result, Tensor};
use dm_degrade::degradation::{Degradation, Key, Level};
use dm_degrade::prediction::Prediction;
use dm_nn::data::PIXELS;

pub use weighting::Weighting;

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
        Prediction::Free | Prediction::Logistic => process.to_image(x0),
    }
}

/// Loss of each image, `[B]`, from the network's output and the targets, both [B, 1, 28, 28]. Gradients flow to the
/// output only.
///
/// # Errors
/// If shapes do not fit.
pub fn losses(prediction: Prediction, output: &Tensor, target: &Tensor) -> Result<Tensor> {
    let rows = (output.dim(0)?, PIXELS);
    let (output, target) = (output.reshape(rows)?, target.reshape(rows)?);
    if output.device().is_cpu() {
        output.contiguous()?.apply_op2(&target.contiguous()?, fused::PerImage(prediction))
    } else {
        plain::losses(prediction, &output, &target)
    }
}
