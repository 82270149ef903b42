//! The block of the reference network: 7x7 convolution, LayerNorm, GELU, and a bias per image and channel.
//!
//! Nothing is fused by hand here. The convolution notes the moments of its planes while they are in cache, the
//! normalisation leaves its result pending, and the next block's transform computes each plane as it needs it; going
//! back, gradients pass between the two the same way.

use candle_core::{Result, Tensor};

use super::fft::conv_fft;
use super::kernels::Kernels;
use super::lanes::LanePlanes;
use super::layer_norm_gelu::layer_norm_gelu_bias;

/// `gelu(layer_norm(conv(x))) + channel_bias`: kernels [O, I, k, k], bias `[O]`, gamma and beta [O, H, W] (joint) or [H, W]
/// (each plane alone), `channel_bias` [B, O].
///
/// # Errors
/// If shapes do not fit, or as [`conv_fft`].
pub fn conv_norm_gelu(
    x: &LanePlanes,
    kernels: &Kernels,
    bias: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    channel_bias: Option<&Tensor>,
    eps: f64,
) -> Result<LanePlanes> {
    layer_norm_gelu_bias(&conv_fft(x, kernels, bias)?, gamma, beta, channel_bias, eps)
}
