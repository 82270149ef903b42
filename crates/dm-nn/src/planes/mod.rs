//! What networks are written against: batches of feature maps [B, C, H, W] and the operations on them, and linear layers.
//!
//! On the CPU it is the batch-lane engine of [`crate::ops`]; on CUDA and Metal it is a candle tensor and candle's own
//! operations. Networks are written once and do not know which.

mod portable;

use candle_core::{DType, Result, Tensor, bail};

pub use crate::ops::Kernels;
use crate::ops::{self, LanePlanes};

/// A batch of feature maps [B, C, H, W], f32.
#[derive(Clone)]
pub struct Planes(Repr);

#[derive(Clone)]
enum Repr {
    Lanes(LanePlanes),
    Portable(Tensor),
}

/// x W^T + b: x [B, I], `weight` [O, I], `bias` `[O]` -> [B, O]; the engine's for f32 on the CPU, candle's elsewhere.
///
/// # Errors
/// If shapes or types do not fit or, in the engine, I or O is 0.
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if in_engine(x) {
        return ops::linear(x, weight, bias);
    }
    x.matmul(&weight.t()?)?.broadcast_add(bias)
}

/// Whether the engine takes a tensor.
fn in_engine(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// Parameters of a fused convolution block; shapes as in PyTorch.
pub struct ConvNorm<'a> {
    /// Of the convolution, [O, I, k, k].
    pub kernels: &'a Kernels,
    /// Convolution bias `[O]`.
    pub bias: &'a Tensor,
    /// LayerNorm scale, [O, H, W] (joint) or [H, W] (each plane alone).
    pub gamma: &'a Tensor,
    /// LayerNorm shift, shaped like `gamma`.
    pub beta: &'a Tensor,
    /// Added to the variance.
    pub eps: f64,
}

impl Planes {
    /// Enters from a tensor [B, C, H, W]: the lane engine for f32 on the CPU, candle's operations elsewhere.
    ///
    /// # Errors
    /// If `images` is not of rank 4 or, in the engine, C, H or W is 0.
    pub fn enter(images: &Tensor) -> Result<Self> {
        if in_engine(images) { LanePlanes::enter(images).map(Self::lanes) } else { Self::portable(images) }
    }

    /// Enters candle's own operations, on any device: the oracle of the lane engine.
    ///
    /// # Errors
    /// If `images` is not of rank 4.
    pub fn portable(images: &Tensor) -> Result<Self> {
        images.dims4()?;
        Ok(Self(Repr::Portable(images.clone())))
    }

    /// Leaves to a tensor [B, C, H, W].
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn leave(&self) -> Result<Tensor> {
        match &self.0 {
            Repr::Lanes(x) => x.leave(),
            Repr::Portable(x) => Ok(x.clone()),
        }
    }

    /// Cross-correlation with `kernels` [O, I, k, k], padding k/2; `bias` is `[O]`, or [B, O]: one bias per image.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn conv(&self, kernels: &Kernels, bias: &Tensor) -> Result<Self> {
        match &self.0 {
            Repr::Lanes(x) => lane_conv(x, kernels, bias).map(Self::lanes),
            Repr::Portable(x) => portable::conv2d(x, kernels.weight(), bias, 1).map(Self::wrap),
        }
    }

    /// The 3x3 convolution of [`Self::conv`], plus `other`: the end of a residual block.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn conv3x3_add(&self, kernels: &Kernels, bias: &Tensor, other: &Self) -> Result<Self> {
        match (&self.0, &other.0) {
            (Repr::Lanes(x), Repr::Lanes(other)) => {
                ops::conv3x3_add(x, kernels, bias, other).map(Self::lanes)
            }
            (Repr::Portable(x), Repr::Portable(other)) => {
                (portable::conv2d(x, kernels.weight(), bias, 1)? + other).map(Self::wrap)
            }
            _ => bail!("conv3x3_add: planes of the engine and of candle do not mix"),
        }
    }

    /// Like [`Self::conv`] with a stride of two: [B, O, ceil(H/2), ceil(W/2)].
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn conv_stride2(&self, kernels: &Kernels, bias: &Tensor) -> Result<Self> {
        match &self.0 {
            Repr::Lanes(x) => ops::conv3x3_stride2(x, kernels, bias).map(Self::lanes),
            Repr::Portable(x) => portable::conv2d(x, kernels.weight(), bias, 2).map(Self::wrap),
        }
    }

    /// GELU(LayerNorm(conv(x))) + `channel_bias`, the block of the reference network; `channel_bias` is [B, O].
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn conv_norm_gelu(&self, p: &ConvNorm<'_>, channel_bias: Option<&Tensor>) -> Result<Self> {
        let ConvNorm { kernels, bias, gamma, beta, eps } = *p;
        match &self.0 {
            Repr::Lanes(x) => {
                ops::conv_norm_gelu(x, kernels, bias, gamma, beta, channel_bias, eps).map(Self::lanes)
            }
            Repr::Portable(x) => {
                let y = portable::conv2d(x, kernels.weight(), bias, 1)?;
                let y = portable::layer_norm_gelu(&y, gamma, beta, eps)?;
                let y = channel_bias.map_or(Ok(y.clone()), |bias| portable::add_channels(&y, bias))?;
                Ok(Self::wrap(y))
            }
        }
    }

    /// SiLU(GroupNorm(x)) with `gamma` and `beta` `[C]`.
    ///
    /// # Errors
    /// If `groups` does not divide C.
    pub fn group_norm_silu(&self, groups: usize, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Self> {
        match &self.0 {
            Repr::Lanes(x) => ops::group_norm_silu(x, groups, gamma, beta, eps as f32).map(Self::lanes),
            Repr::Portable(x) => portable::group_norm_silu(x, groups, gamma, beta, eps).map(Self::wrap),
        }
    }

    /// max(x, 0).
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn relu(&self) -> Result<Self> {
        match &self.0 {
            Repr::Lanes(x) => ops::relu(x).map(Self::lanes),
            Repr::Portable(x) => x.relu().map(Self::wrap),
        }
    }

    /// Elementwise sum.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn add(&self, other: &Self) -> Result<Self> {
        match (&self.0, &other.0) {
            (Repr::Lanes(a), Repr::Lanes(b)) => ops::add(a, b).map(Self::lanes),
            (Repr::Portable(a), Repr::Portable(b)) => (a + b).map(Self::wrap),
            _ => bail!("add: planes of the engine and of candle do not mix"),
        }
    }

    /// Concatenation along channels.
    ///
    /// # Errors
    /// If batch or size differ.
    pub fn concat(&self, other: &Self) -> Result<Self> {
        match (&self.0, &other.0) {
            (Repr::Lanes(a), Repr::Lanes(b)) => ops::concat(a, b).map(Self::lanes),
            (Repr::Portable(a), Repr::Portable(b)) => Tensor::cat(&[a, b], 1).map(Self::wrap),
            _ => bail!("concat: planes of the engine and of candle do not mix"),
        }
    }

    /// Nearest-neighbour upsampling by two, then a 3x3 convolution as [`Self::conv`].
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn upsample2_conv3x3(&self, kernels: &Kernels, bias: &Tensor) -> Result<Self> {
        match &self.0 {
            Repr::Lanes(x) => ops::upsample2_conv3x3(x, kernels, bias).map(Self::lanes),
            Repr::Portable(x) => {
                portable::conv2d(&portable::upsample2(x)?, kernels.weight(), bias, 1).map(Self::wrap)
            }
        }
    }

    fn lanes(x: LanePlanes) -> Self {
        Self(Repr::Lanes(x))
    }

    fn wrap(x: Tensor) -> Self {
        Self(Repr::Portable(x))
    }
}

/// The engine's convolution for the size of the kernel.
fn lane_conv(x: &LanePlanes, kernels: &Kernels, bias: &Tensor) -> Result<LanePlanes> {
    match kernels.weight().dim(3)? {
        1 => ops::conv1x1(x, kernels, bias),
        3 => ops::conv3x3(x, kernels, bias),
        _ if bias.rank() == 2 => {
            let none = Tensor::zeros(kernels.weight().dim(0)?, DType::F32, bias.device())?;
            ops::add_channels(&ops::conv_fft(x, kernels, &none)?, bias)
        }
        _ => ops::conv_fft(x, kernels, bias),
    }
}
