//! Self-attention over the pixels of feature maps.

use candle_core::{D, Result};
use candle_nn::ops::softmax;

use super::layers::{GroupNormSilu, Linear};
use crate::params::Path;
use crate::planes::Planes;

/// Single-head self-attention over the pixels of feature maps, as a residual branch:
/// x + out(softmax(q k^T / sqrt(C)) v), where q, k and v are linear maps of SiLU(GroupNorm(x)).
///
/// Vaswani et al. 2017, equation 1, at the place where Ho et al. 2020 put it in a U-Net. The output projection `out` is
/// zero at first, so that a fresh layer returns its input.
pub(super) struct SelfAttention {
    norm: GroupNormSilu,
    qkv: Linear,
    out: Linear,
}

impl SelfAttention {
    /// Attention on `channels` channels. `groups` must divide `channels`.
    pub fn new(channels: usize, groups: usize, mut path: Path<'_>) -> crate::Result<Self> {
        Ok(Self {
            norm: GroupNormSilu::new(channels, groups, path.pp("norm"))?,
            qkv: Linear::new(channels, 3 * channels, path.pp("qkv"))?,
            out: Linear::zero(channels, channels, path.pp("out"))?,
        })
    }

    /// [B, C, H, W] -> [B, C, H, W]. The scores take B (H W)^2 floats.
    pub fn forward(&self, x: &Planes) -> Result<Planes> {
        let h = self.norm.forward(x)?.leave()?;
        let (b, c, height, width) = h.dims4()?;
        if b == 0 {
            // candle's softmax does not accept an empty tensor.
            return Ok(x.clone());
        }
        let n = height * width;
        let h = h.reshape((b, c, n))?.transpose(1, 2)?.reshape((b * n, c))?;
        let qkv = self.qkv.forward(&h)?.reshape((b, n, 3 * c))?;
        let part = |i: usize| qkv.narrow(2, i * c, c)?.contiguous();
        let scores = (part(0)?.matmul(&part(1)?.transpose(1, 2)?.contiguous()?)? / (c as f64).sqrt())?;
        let mixed = softmax(&scores, D::Minus1)?.matmul(&part(2)?)?;
        let out = self.out.forward(&mixed.reshape((b * n, c))?)?;
        let out = out.reshape((b, n, c))?.transpose(1, 2)?.reshape((b, c, height, width))?;
        x.add(&x.enter_alike(&out)?)
    }
}
