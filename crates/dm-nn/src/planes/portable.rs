//! The operations of [`super::Planes`] on tensors [B, C, H, W], composed of candle's operations. They run on CUDA and Metal,
//! and tests compare the engine with them. They are written for clarity, not for speed.

use candle_core::{D, Result, Tensor, bail};

/// Same-padded convolution; `bias` is `[O]`, or [B, O] for one bias per image.
pub(super) fn conv2d(x: &Tensor, weight: &Tensor, bias: &Tensor, stride: usize) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let y = if stride == 2 && height % 2 != width % 2 {
        // candle's backward pass fails where a stride of two leaves a remainder in one direction only. A row or column of
        // zeros at the end makes both sides even; the result is the same, because zeros follow there anyway.
        let even = x.pad_with_zeros(2, 0, height % 2)?.pad_with_zeros(3, 0, width % 2)?;
        even.conv2d(weight, weight.dim(3)? / 2, stride, 1, 1)?
    } else {
        x.conv2d(weight, weight.dim(3)? / 2, stride, 1, 1)?
    };
    add_channels(&y, bias)
}

/// x + bias with `bias` `[C]` or [B, C].
pub(super) fn add_channels(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let bias = if bias.rank() == 1 { bias.unsqueeze(0)? } else { bias.clone() };
    x.broadcast_add(&bias.unsqueeze(2)?.unsqueeze(3)?)
}

/// LayerNorm over the axes of `gamma` ([C, H, W] or [H, W]), then exact GELU.
pub(super) fn layer_norm_gelu(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Tensor> {
    let dims = x.dims4()?;
    let rows = x.elem_count() / gamma.elem_count().max(1);
    let normal = standardize(&x.reshape((rows, gamma.elem_count()))?, eps)?.reshape(dims)?;
    normal.broadcast_mul(gamma)?.broadcast_add(beta)?.gelu_erf()
}

/// GroupNorm over `groups` groups of channels with affine `[C]`, then SiLU.
pub(super) fn group_norm_silu(
    x: &Tensor,
    groups: usize,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    if groups == 0 || !c.is_multiple_of(groups) {
        bail!("group norm: found {groups} groups, expected a divisor of the {c} channels");
    }
    let normal = standardize(&x.reshape((b * groups, c / groups * h * w))?, eps)?.reshape((b, c, h, w))?;
    let per_channel = (1, c, 1, 1);
    normal.broadcast_mul(&gamma.reshape(per_channel)?)?.broadcast_add(&beta.reshape(per_channel)?)?.silu()
}

/// Subtracts its mean from each row and divides the row by its standard deviation.
fn standardize(rows: &Tensor, eps: f64) -> Result<Tensor> {
    let centred = rows.broadcast_sub(&rows.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    centred.broadcast_div(&(variance + eps)?.sqrt()?)
}

/// Nearest-neighbour upsampling by two, as a broadcast: its backward pass is a plain sum.
pub(super) fn upsample2(x: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    x.reshape((b, c, h, 1, w, 1))?.broadcast_as((b, c, h, 2, w, 2))?.reshape((b, c, 2 * h, 2 * w))
}
