//! Convolutions in the spatial domain as operations of candle's graph: by Winograd's method or by direct sums.
//!
//! The arithmetic is in [`winograd`](super::winograd) and [`direct`](super::direct); this module has the forward and
//! backward passes that both share. The bias is `[O]`, or [B, O]: one per image, which is how a time embedding is added at
//! no cost.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};

use super::direct::{self, Geometry};
use super::weight::ConvWeight;
use super::winograd::{self, Addends};
use crate::engine::autograd::{
    GradSlot, LanePlanes, LaneShape, PlaneData, SavedForBackward, token, token_grad, with_slice,
};
use crate::engine::elementwise::{bias_planes, channel_sums, per_image, sum_of};
use crate::engine::substrate::pool::Buffer;

/// How a convolution in the spatial domain is computed.
#[derive(Clone, Copy)]
pub(super) enum Method {
    /// 3x3 with stride 1; with `upsampled`, of the input after nearest-neighbour upsampling by two.
    Winograd { upsampled: bool },
    /// Any kernel size and stride.
    Direct(Geometry),
}

impl Method {
    fn output(self, shape: LaneShape, channels: usize) -> LaneShape {
        match self {
            Self::Winograd { upsampled: true } => shape.doubled().with_channels(channels),
            Self::Winograd { upsampled: false } => shape.with_channels(channels),
            Self::Direct(geometry) => geometry.output(shape, channels),
        }
    }

    fn forward(
        self,
        x: &PlaneData,
        shape: LaneShape,
        weight: &ConvWeight,
        out: usize,
        bias: &[f32],
        other: Option<&PlaneData>,
    ) -> Result<Buffer> {
        match self {
            Self::Winograd { upsampled } => {
                let make = |weights: &[f32]| winograd::transform_weight(weights, out, shape.channels);
                let weights = weight.winograd(make)?;
                Ok(winograd::forward(x, shape, &weights, out, Addends { bias, other }, upsampled))
            }
            Self::Direct(geometry) => {
                let convolve = |weights: &[f32]| Ok(direct::forward(x, shape, weights, out, geometry, bias));
                with_slice(weight.tensor(), convolve)
            }
        }
    }

    fn input_gradient(self, grad: &PlaneData, shape: LaneShape, weight: &[f32], out: usize) -> Buffer {
        match self {
            Self::Winograd { upsampled } => winograd::input_gradient(grad, shape, weight, out, upsampled),
            Self::Direct(geometry) => direct::input_gradient(grad, shape, weight, out, geometry),
        }
    }

    /// The gradient of the weight and, if it is a by-product, the sums of `grad` over pixels, [blocks, out, LANES].
    fn weight_gradient(
        self,
        x: &PlaneData,
        grad: &PlaneData,
        shape: LaneShape,
        out: usize,
    ) -> (Vec<f32>, Option<Buffer>) {
        match self {
            Self::Winograd { upsampled } => {
                let (weights, sums) = winograd::weight_gradient(x, grad, shape, out, upsampled);
                (weights, Some(sums))
            }
            Self::Direct(geometry) => (direct::weight_gradient(x, grad, shape, out, geometry), None),
        }
    }
}

/// The convolution of `x` by `method`, plus `other`. The caller has checked the shapes of `x`, `weight` and `bias`.
pub(super) fn convolve(
    x: &LanePlanes,
    weight: &ConvWeight,
    bias: &Tensor,
    method: Method,
    other: Option<&LanePlanes>,
) -> Result<LanePlanes> {
    let out = weight.tensor().dim(0)?;
    let out_shape = method.output(x.shape, out);
    if let Some(other) = other
        && other.shape != out_shape
    {
        bail!("convolution: cannot add {:?} to results {out_shape:?}", other.shape);
    }
    let planes = bias_planes(bias, out_shape)?;
    let y = method.forward(&x.data, x.shape, weight, out, &planes, other.map(|o| &*o.data))?;
    let grad = Arc::<GradSlot>::default();
    let op = Convolution {
        method,
        shape: x.shape,
        out_shape,
        x: SavedForBackward::new(weight.tensor().track_op().then(|| x.data.clone())),
        x_grad: x.grad.clone(),
        grad: grad.clone(),
    };
    let token = x.token.apply_op3(weight.tensor(), bias, op)?;
    match other {
        Some(other) => sum_of(y, &token, &grad, other),
        None => Ok(LanePlanes::new(token, out_shape, y, grad)),
    }
}

struct Convolution {
    method: Method,
    shape: LaneShape,
    out_shape: LaneShape,
    /// The input, if the weight needs a gradient.
    x: SavedForBackward<Arc<PlaneData>>,
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
            let input = self.x.take("convolution")?;
            let (values, of_channels) = self.method.weight_gradient(&input, &grad, self.shape, out);
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
            let dx = with_slice(weight, |w| Ok(self.method.input_gradient(&grad, self.shape, w, out)))?;
            drop(grad);
            self.x_grad.accumulate(dx);
            x_grad = token_grad()?;
        }
        Ok((x_grad, weight_grad, bias_grad))
    }
}

/// The gradient of a bias from the sums of the gradient over pixels, [B, channels]: summed over images too if the bias
/// is `[channels]`.
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
