//! The judge: a small classifier of 28x28 digits whose features measure how alike two sets of images are.
//!
//! 3x3 convolutions with ReLU at 28, 14 and 7 pixels, then a linear layer to the features, ReLU, and a linear layer to ten
//! logits. Features are taken before that last ReLU: after it dead units would leave a singular covariance. There is no
//! normalisation: a judge with GroupNorm was seen to forgive noise (noise of 0.1 scored better than 100 images repeated).
//! How the judge is trained and what is computed from it is left out.

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::check_range;
use super::layers::{Conv, Linear};
use crate::data::{CLASSES, SIDE};
use crate::params::Path;
use crate::planes::Planes;

/// Sizes of the judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JudgeConfig {
    /// Channels at 28, 14 and 7 pixels.
    pub channels: [usize; 3],
    /// Number of features.
    pub features: usize,
}

impl Default for JudgeConfig {
    fn default() -> Self {
        Self { channels: [16, 32, 64], features: 64 }
    }
}

/// What the judge says of a batch.
pub struct Verdict {
    /// [B, features], before the last activation.
    pub features: Tensor,
    /// [B, 10], before the softmax.
    pub logits: Tensor,
}

/// The classifier.
pub struct JudgeNet {
    input: Conv,
    shrink: [Conv; 2],
    convs: [Conv; 2],
    features: Linear,
    classes: Linear,
}

impl JudgeConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn check(&self) -> crate::Result<()> {
        check_range("judge.features", self.features, 1, 4096)?;
        for c in self.channels {
            check_range("judge.channels", c, 1, 1024)?;
        }
        Ok(())
    }

    /// Builds the network, taking its parameters from `path`.
    ///
    /// # Errors
    /// If the config is invalid or a parameter exists with another shape.
    pub fn build(&self, mut path: Path<'_>) -> crate::Result<JudgeNet> {
        self.check()?;
        let [c0, c1, c2] = self.channels;
        let side = SIDE / 4;
        Ok(JudgeNet {
            input: Conv::new(1, c0, 3, path.pp("input"))?,
            shrink: [Conv::new(c0, c1, 3, path.pp("shrink.0"))?, Conv::new(c1, c2, 3, path.pp("shrink.1"))?],
            convs: [Conv::new(c1, c1, 3, path.pp("convs.0"))?, Conv::new(c2, c2, 3, path.pp("convs.1"))?],
            features: Linear::new(c2 * side * side, self.features, path.pp("features"))?,
            classes: Linear::new(self.features, CLASSES, path.pp("classes"))?,
        })
    }
}

impl JudgeNet {
    /// Judges `x` [B, 1, 28, 28], ink in [0, 1].
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Verdict> {
        let mut h = self.input.forward(&Planes::enter(x)?)?.relu()?;
        for (shrink, conv) in self.shrink.iter().zip(&self.convs) {
            h = h.conv_stride2(&shrink.kernels, &shrink.bias)?.relu()?;
            h = conv.forward(&h)?.relu()?;
        }
        let h = h.leave()?.flatten_from(1)?;
        let features = self.features.forward(&h)?;
        let logits = self.classes.forward(&features.relu()?)?;
        Ok(Verdict { features, logits })
    }
}
