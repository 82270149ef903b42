//! The convolutions that networks use: plain, plus other planes, with stride 2, and after upsampling.
//!
//! Each checks its arguments, asks [`Algorithm::fastest`] and hands over to [`fft`](super::fft) or
//! [`spatial`](super::spatial). Planes may have any height, width and number of channels.

use candle_core::{DType, Result, Tensor, bail};

use super::algorithm::Algorithm;
use super::direct::Geometry;
use super::fft::conv_fft;
use super::spatial::{Method, convolve};
use super::weight::ConvWeight;
use crate::engine::autograd::LanePlanes;
use crate::engine::elementwise::{add, add_channels, upsample2};

/// Cross-correlation of `x` [B, I, H, W] with `weight` [O, I, k, k], k odd, and zero padding of k/2: [B, O, H, W].
/// `bias` is `[O]`, or [B, O] for one bias per image.
///
/// # Errors
/// If k is even or the shapes do not fit together.
pub fn conv2d(x: &LanePlanes, weight: &ConvWeight, bias: &Tensor) -> Result<LanePlanes> {
    conv2d_by(fastest(weight, 1)?, x, weight, bias, 1)
}

/// [`conv2d`] plus `other` [B, O, H, W]. Winograd's algorithm adds `other` as it writes its results.
///
/// # Errors
/// As for [`conv2d`], and if `other` has another shape.
pub fn conv2d_add(
    x: &LanePlanes,
    weight: &ConvWeight,
    bias: &Tensor,
    other: &LanePlanes,
) -> Result<LanePlanes> {
    match fastest(weight, 1)? {
        Algorithm::Winograd => {
            check(x, weight, bias)?;
            convolve(x, weight, bias, Method::Winograd { upsampled: false }, Some(other))
        }
        algorithm => add(&conv2d_by(algorithm, x, weight, bias, 1)?, other),
    }
}

/// [`conv2d`] of `x` after nearest-neighbour upsampling by two: [B, O, 2H, 2W]. Winograd's algorithm reads `x` itself,
/// so that the upsampled planes are never written.
///
/// # Errors
/// As for [`conv2d`].
pub fn upsample2_conv2d(x: &LanePlanes, weight: &ConvWeight, bias: &Tensor) -> Result<LanePlanes> {
    match fastest(weight, 1)? {
        Algorithm::Winograd => {
            check(x, weight, bias)?;
            convolve(x, weight, bias, Method::Winograd { upsampled: true }, None)
        }
        algorithm => conv2d_by(algorithm, &upsample2(x)?, weight, bias, 1),
    }
}

/// Every second row and column of [`conv2d`], the first included: [B, O, ceil(H/2), ceil(W/2)].
///
/// # Errors
/// As for [`conv2d`].
pub fn conv2d_stride2(x: &LanePlanes, weight: &ConvWeight, bias: &Tensor) -> Result<LanePlanes> {
    conv2d_by(fastest(weight, 2)?, x, weight, bias, 2)
}

/// [`conv2d`] by a chosen algorithm, and of its rows and columns every `stride`-th.
///
/// # Errors
/// As for [`conv2d`], and if the algorithm does not take this kernel size or stride.
pub fn conv2d_by(
    algorithm: Algorithm,
    x: &LanePlanes,
    weight: &ConvWeight,
    bias: &Tensor,
    stride: usize,
) -> Result<LanePlanes> {
    let kernel = check(x, weight, bias)?;
    match algorithm {
        Algorithm::Direct if stride > 0 => {
            let geometry = Geometry { kernel, stride, padding: kernel / 2 };
            convolve(x, weight, bias, Method::Direct(geometry), None)
        }
        Algorithm::Winograd if kernel == 3 && stride == 1 => {
            convolve(x, weight, bias, Method::Winograd { upsampled: false }, None)
        }
        Algorithm::Fft if stride == 1 && bias.rank() == 1 => conv_fft(x, weight, bias),
        Algorithm::Fft if stride == 1 => {
            let none = Tensor::zeros(weight.tensor().dim(0)?, DType::F32, bias.device())?;
            add_channels(&conv_fft(x, weight, &none)?, bias)
        }
        _ => bail!("{algorithm:?} cannot compute a {kernel}x{kernel} convolution with stride {stride}"),
    }
}

fn fastest(weight: &ConvWeight, stride: usize) -> Result<Algorithm> {
    let (outputs, inputs, kernel, _) = weight.tensor().dims4()?;
    Ok(Algorithm::fastest(kernel, stride, inputs, outputs))
}

/// Checks that shapes fit together, and returns the kernel size.
fn check(x: &LanePlanes, weight: &ConvWeight, bias: &Tensor) -> Result<usize> {
    let (outputs, inputs, kernel, width) = weight.tensor().dims4()?;
    let shape = x.shape;
    if inputs != shape.channels || outputs == 0 || kernel != width || kernel % 2 == 0 {
        bail!(
            "convolution of {} channels: expected a weight [O, I, k, k] with I = {0}, O > 0 and k odd, found {:?}",
            shape.channels,
            weight.tensor().shape()
        );
    }
    if bias.dims() != [outputs] && bias.dims() != [shape.batch, outputs] {
        bail!(
            "convolution: expected a bias [{outputs}] or [{}, {outputs}], found {:?}",
            shape.batch,
            bias.shape()
        );
    }
    Ok(kernel)
}
