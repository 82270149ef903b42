//! The convolution with zero padding of planes of any size, made of circular convolutions of 32x32 points.

use candle_core::{Result, Tensor, bail};

use super::circular::convolve_circular;
use super::tiling::{Tiling, cut, join};
use crate::engine::autograd::LanePlanes;
use crate::engine::conv::weight::ConvWeight;

/// Convolution (cross-correlation) of `x` [B, I, H, W] with `weight` [O, I, k, k] and zero padding of k/2; `bias` is
/// `[O]`. The caller has checked that the shapes fit together and that k is odd; k is at most 31.
///
/// Planes with H + k/2 and W + k/2 up to 32 (29x29 for k = 7) are transformed as a whole: the values that a kernel
/// reads across the period are the zeros beside the plane. Larger planes are cut into overlapping tiles.
pub(in crate::engine::conv) fn conv_fft(
    x: &LanePlanes,
    weight: &ConvWeight,
    bias: &Tensor,
) -> Result<LanePlanes> {
    let kernel = weight.tensor().dim(3)?;
    let Some(tiling) = Tiling::new(x.shape, kernel) else {
        bail!("FFT convolution: a {kernel}x{kernel} kernel is too large for transforms of 32x32 points");
    };
    if tiling.is_whole() {
        return convolve_circular(x, weight, bias);
    }
    join(&convolve_circular(&cut(x, tiling)?, weight, bias)?, tiling)
}
