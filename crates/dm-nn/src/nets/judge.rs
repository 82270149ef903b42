//! The judge: a small classifier of 28x28 digits whose features measure how alike two sets of images are.
//!
//! 3x3 convolutions with GroupNorm and SiLU at 28, 14 and 7 pixels, then a linear layer to the features, SiLU, and a linear
//! layer to ten logits. Features are taken before that last SiLU: after an activation dead units would leave a singular
//! covariance. How it is trained and what is computed from it is left out.

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::check_range;
use super::layers::{Conv, GroupNormSilu, Linear};
use crate::data::{CLASSES, SIDE};
use crate::error::Error;
use crate::params::Path;
use crate::planes::Planes;

/// Sizes of the judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JudgeConfig {
    /// Channels at 28, 14 and 7 pixels.
    pub channels: [usize; 3],
    /// Groups of every GroupNorm; must divide every entry of `channels`.
    pub groups: usize,
    /// Number of features.
    pub features: usize,
}

impl Default for JudgeConfig {
    fn default() -> Self {
        Self { channels: [16, 32, 64], groups: 8, features: 64 }
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
    norms: [GroupNormSilu; 5],
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
        check_range("judge.groups", self.groups, 1, 1024)?;
        check_range("judge.features", self.features, 1, 4096)?;
        for c in self.channels {
            check_range("judge.channels", c, 1, 1024)?;
            if c % self.groups != 0 {
                let expected = format!("a multiple of groups = {}", self.groups);
                return Err(Error::invalid("judge.channels", c, expected));
            }
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
        let mut norm =
            |channels, i: usize| GroupNormSilu::new(channels, self.groups, path.pp(format!("norms.{i}")));
        Ok(JudgeNet {
            norms: [norm(c0, 0)?, norm(c1, 1)?, norm(c1, 2)?, norm(c2, 3)?, norm(c2, 4)?],
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
        let h = self.norms[0].forward(&self.input.forward(&Planes::enter(x)?)?)?;
        let h = h.conv_stride2(&self.shrink[0].weight, &self.shrink[0].bias)?;
        let h = self.convs[0].forward(&self.norms[1].forward(&h)?)?;
        let h = self.norms[2].forward(&h)?.conv_stride2(&self.shrink[1].weight, &self.shrink[1].bias)?;
        let h = self.convs[1].forward(&self.norms[3].forward(&h)?)?;
        let h = self.norms[4].forward(&h)?.leave()?.flatten_from(1)?;
        let features = self.features.forward(&h)?;
        let logits = self.classes.forward(&features.silu()?)?;
        Ok(Verdict { features, logits })
    }
}
