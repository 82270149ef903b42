//! The block of the reference network: convolution, LayerNorm, GELU, and a bias per image and channel.
//!
//! The operations fuse without code for this particular sequence. The FFT convolution records the mean and variance of
//! each plane while the plane is in cache. The normalisation leaves its result pending, and the next block's transform
//! computes each plane when it needs it. In the backward pass the gradients go from one operation to the next in the
//! same way.

use candle_core::{Result, Tensor};

use super::operations::conv2d;
use super::weight::ConvWeight;
use crate::engine::autograd::LanePlanes;
use crate::engine::norm::layer_norm_gelu_bias;

/// `gelu(layer_norm(conv2d(x))) + channel_bias` of `x` [B, I, H, W]: [B, O, H, W].
///
/// `weight` is [O, I, k, k] with k odd, `bias` `[O]`, and `channel_bias` [B, O]. With `gamma` and `beta` [O, H, W] an
/// image is normalised as a whole, with [H, W] each of its planes by itself.
///
/// # Errors
/// If k is even or the shapes do not fit together.
pub fn conv_norm_gelu(
    x: &LanePlanes,
    weight: &ConvWeight,
    bias: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    channel_bias: Option<&Tensor>,
    eps: f64,
) -> Result<LanePlanes> {
    layer_norm_gelu_bias(&conv2d(x, weight, bias)?, gamma, beta, channel_bias, eps)
}
