//! Convolutions as operations of the graph: 3x3, 3x3 after upsampling, 3x3 with stride 2, and 1x1.
//!
//! The bias is `[O]`, or [B, O]: one per image, which is how a time embedding is added at no cost. The arithmetic is in
//! [`winograd`](super::winograd) and [`taps`](super::taps).

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};

use super::add::{add, sum_of};
use super::channel_bias::{bias_planes, channel_sums, per_image};
use super::kernels::Kernels;
use super::lanes::{GradSlot, LanePlanes, LaneShape, token, token_grad, with_slice};
use super::plane_data::PlaneData;
use super::pool::Buffer;
use super::taps::{self, Geometry};
use super::upsample::upsample2;
use super::winograd::{self, Terms};

/// Fewest channels on both sides for which the transforms of Winograd's algorithm pay.
const WINOGRAD_CHANNELS: usize = 8;

/// 3x3 convolution with same padding; `kernels` [O, I, 3, 3], `bias` `[O]` or [B, O].
pub(crate) fn conv3x3(x: &LanePlanes, kernels: &Kernels, bias: &Tensor) -> Result<LanePlanes> {
    let algorithm = if winograd_pays(kernels)? {
        Algorithm::Winograd { doubled: false }
    } else {
        Algorithm::Taps(Geometry { kernel: 3, stride: 1, padding: 1 })
    };
    convolution(x, kernels, bias, algorithm, 3, None)
}

fn winograd_pays(kernels: &Kernels) -> Result<bool> {
    let (out, inp, ..) = kernels.weight().dims4()?;
    Ok(out.min(inp) >= WINOGRAD_CHANNELS)
}

/// [`conv3x3`] plus `other`, added as the results are written.
pub(crate) fn conv3x3_add(
    x: &LanePlanes,
    kernels: &Kernels,
    bias: &Tensor,
    other: &LanePlanes,
) -> Result<LanePlanes> {
    if winograd_pays(kernels)? {
        convolution(x, kernels, bias, Algorithm::Winograd { doubled: false }, 3, Some(other))
    } else {
        add(&conv3x3(x, kernels, bias)?, other)
    }
}

/// [`conv3x3`] of planes doubled by nearest upsampling, which are never written where Winograd's algorithm pays.
pub(crate) fn upsample2_conv3x3(x: &LanePlanes, kernels: &Kernels, bias: &Tensor) -> Result<LanePlanes> {
    if !winograd_pays(kernels)? {
        return conv3x3(&upsample2(x)?, kernels, bias);
    }
    convolution(x, kernels, bias, Algorithm::Winograd { doubled: true }, 3, None)
}

/// 3x3 convolution with stride 2 and padding 1: halves the sides, rounding up.
pub(crate) fn conv3x3_stride2(x: &LanePlanes, kernels: &Kernels, bias: &Tensor) -> Result<LanePlanes> {
    convolution(x, kernels, bias, Algorithm::Taps(Geometry { kernel: 3, stride: 2, padding: 1 }), 3, None)
}

/// 1x1 convolution; `kernels` [O, I, 1, 1], `bias` `[O]` or [B, O].
pub(crate) fn conv1x1(x: &LanePlanes, kernels: &Kernels, bias: &Tensor) -> Result<LanePlanes> {
    convolution(x, kernels, bias, Algorithm::Taps(Geometry { kernel: 1, stride: 1, padding: 0 }), 1, None)
}

#[derive(Clone, Copy)]
enum Algorithm {
    /// With `doubled`, of the input after nearest upsampling.
    Winograd {
        doubled: bool,
    },
    Taps(Geometry),
}

impl Algorithm {
    fn output(self, shape: LaneShape, channels: usize) -> LaneShape {
        match self {
            Self::Winograd { doubled: true } => shape.doubled().with_channels(channels),
            Self::Winograd { doubled: false } => shape.with_channels(channels),
            Self::Taps(geometry) => geometry.output(shape, channels),
        }
    }

    fn forward(
        self,
        x: &PlaneData,
        shape: LaneShape,
        kernels: &Kernels,
        out: usize,
        bias: &[f32],
        other: Option<&PlaneData>,
    ) -> Result<Buffer> {
        match self {
            Self::Winograd { doubled } => {
                let make = |weights: &[f32]| winograd::transformed(weights, out, shape.channels);
                let weights = kernels.transform(make)?;
                Ok(winograd::forward(x, shape, &weights, out, Terms { bias, other }, doubled))
            }
            Self::Taps(geometry) => {
                let convolve = |weights: &[f32]| Ok(taps::forward(x, shape, weights, out, geometry, bias));
                with_slice(kernels.weight(), convolve)
            }
        }
    }

    fn input_gradient(self, grad: &PlaneData, shape: LaneShape, weight: &[f32], out: usize) -> Buffer {
        match self {
            Self::Winograd { doubled } => winograd::input_gradient(grad, shape, weight, out, doubled),
            Self::Taps(geometry) => taps::input_gradient(grad, shape, weight, out, geometry),
        }
    }

    /// Gradient of the weights; with it, where it is a by-product, the gradient's sums over pixels: vectors [block, out].
    fn weight_gradient(
        self,
        x: &PlaneData,
        grad: &PlaneData,
        shape: LaneShape,
        out: usize,
    ) -> (Vec<f32>, Option<Buffer>) {
        match self {
            Self::Winograd { doubled } => {
                let (weights, sums) = winograd::weight_gradient(x, grad, shape, out, doubled);
                (weights, Some(sums))
            }
            Self::Taps(geometry) => (taps::weight_gradient(x, grad, shape, out, geometry), None),
        }
    }
}

fn convolution(
    x: &LanePlanes,
    kernels: &Kernels,
    bias: &Tensor,
    algorithm: Algorithm,
    kernel: usize,
    other: Option<&LanePlanes>,
) -> Result<LanePlanes> {
    let weight = kernels.weight();
    let (out, inp, kh, kw) = weight.dims4()?;
    let per_channel = bias.dims() == [out];
    if inp != x.shape.channels || out == 0 || kh != kernel || kw != kernel {
        candle_core::bail!(
            "{kernel}x{kernel} convolution of {:?} with a weight {:?}",
            x.shape,
            weight.shape()
        );
    }
    if !per_channel && bias.dims() != [x.shape.batch, out] {
        candle_core::bail!("convolution of {:?} to {out} channels with a bias {:?}", x.shape, bias.shape());
    }
    let out_shape = algorithm.output(x.shape, out);
    if let Some(other) = other
        && other.shape != out_shape
    {
        candle_core::bail!("convolution: its results {out_shape:?} and {:?} differ", other.shape);
    }
    let planes = bias_planes(bias, out_shape)?;
    let y = algorithm.forward(&x.data, x.shape, kernels, out, &planes, other.map(|o| &*o.data))?;
    let grad = Arc::<GradSlot>::default();
    let op = Convolution {
        algorithm,
        shape: x.shape,
        out_shape,
        x: Mutex::new(weight.track_op().then(|| x.data.clone())),
        x_grad: x.grad.clone(),
        grad: grad.clone(),
    };
    let token = x.token.apply_op3(weight, bias, op)?;
    match other {
        Some(other) => sum_of(y, &token, &grad, other),
        None => Ok(LanePlanes::new(token, out_shape, y, grad)),
    }
}

struct Convolution {
    algorithm: Algorithm,
    shape: LaneShape,
    out_shape: LaneShape,
    /// The input, if the weight's gradient will be asked for.
    x: Mutex<Option<Arc<PlaneData>>>,
    x_grad: Arc<GradSlot>,
    grad: Arc<GradSlot>,
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "lanes-convolution"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(grad) = self.grad.take_data() else { return Ok((None, None, None)) };
        let out = self.out_shape.channels;
        let mut sums = None;
        let weight_grad = if weight.track_op() {
            let input = self.x.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(input) = input else {
                candle_core::bail!("the backward pass of a convolution runs once")
            };
            let (values, of_channels) = self.algorithm.weight_gradient(&input, &grad, self.shape, out);
            sums = of_channels;
            Some(Tensor::from_vec(values, weight.shape(), &Device::Cpu)?)
        } else {
            None
        };
        let bias_grad = if bias.track_op() {
            let sums = sums
                .map_or_else(|| channel_sums(&grad, self.out_shape), |sums| per_image(&sums, self.out_shape));
            Some(bias_gradient(sums, self.out_shape.channels, bias.shape())?)
        } else {
            None
        };
        let mut x_grad = None;
        if x.track_op() {
            let dx = with_slice(weight, |w| Ok(self.algorithm.input_gradient(&grad, self.shape, w, out)))?;
            drop(grad);
            self.x_grad.accumulate(dx);
            x_grad = token_grad()?;
        }
        Ok((x_grad, weight_grad, bias_grad))
    }
}

/// The gradient's sums over pixels [B, channels], summed over images unless the bias has one per image.
fn bias_gradient(sums: Vec<f32>, channels: usize, bias: &Shape) -> Result<Tensor> {
    let values = if bias.rank() == 2 {
        sums
    } else {
        let mut total = vec![0.0; channels];
        for image in sums.chunks(channels) {
            total.iter_mut().zip(image).for_each(|(t, v)| *t += v);
        }
        total
    };
    Tensor::from_vec(values, bias, &Device::Cpu)
}
