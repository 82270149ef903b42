//! The interface that networks are written against: batches of feature maps [B, C, H, W], operations on them, and linear
//! layers.
//!
//! For f32 tensors on the CPU the operations run in the batch-lane engine of [`crate::engine`]; on CUDA and Metal, and
//! for other types, they are candle's own. A network is written once and runs in both. Feature maps may have any
//! height, width and number of channels from 1 up. Convolutions are cross-correlations, as in PyTorch.

mod portable;

use candle_core::{DType, Result, Tensor, bail};

pub use crate::engine::ConvWeight;
use crate::engine::{self, LanePlanes};

/// A batch of feature maps [B, C, H, W].
#[derive(Clone)]
pub struct Planes(Repr);

#[derive(Clone)]
enum Repr {
    Lanes(LanePlanes),
    Portable(Tensor),
}

/// x W^T + b: `x` [B, I], `weight` [O, I], `bias` `[O]` -> [B, O].
///
/// # Errors
/// If shapes or types do not fit together or, in the engine, I or O is 0.
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if in_engine(x) {
        return engine::linear(x, weight, bias);
    }
    x.matmul(&weight.t()?)?.broadcast_add(bias)
}

/// Whether operations on a tensor run in the engine.
fn in_engine(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// Parameters of a convolution followed by LayerNorm and GELU; shapes as in PyTorch.
pub struct ConvNorm<'a> {
    /// Weight of the convolution, [O, I, k, k] with k odd.
    pub weight: &'a ConvWeight,
    /// Bias of the convolution, `[O]`.
    pub bias: &'a Tensor,
    /// Scale of the LayerNorm: [O, H, W] normalises an image as a whole, [H, W] each plane by itself.
    pub gamma: &'a Tensor,
    /// Shift of the LayerNorm, of the shape of `gamma`.
    pub beta: &'a Tensor,
    /// Added to the variance.
    pub eps: f64,
}

impl Planes {
    /// Takes a tensor [B, C, H, W] into the engine if it is f32 on the CPU, and into candle's operations otherwise.
    ///
    /// # Errors
    /// If `images` is not of rank 4 or, in the engine, C, H or W is 0.
    pub fn enter(images: &Tensor) -> Result<Self> {
        if in_engine(images) { LanePlanes::enter(images).map(Self::lanes) } else { Self::portable(images) }
    }

    /// Takes a tensor [B, C, H, W] into candle's operations on any device. Tests compare the engine with them.
    ///
    /// # Errors
    /// If `images` is not of rank 4.
    pub fn portable(images: &Tensor) -> Result<Self> {
        images.dims4()?;
        Ok(Self(Repr::Portable(images.clone())))
    }

    /// Takes a tensor [B, C, H, W] to where `self` is: into the engine or into candle's operations.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub fn enter_alike(&self, images: &Tensor) -> Result<Self> {
        match &self.0 {
            Repr::Lanes(_) => Self::enter(images),
            Repr::Portable(_) => Self::portable(images),
        }
    }

    /// The feature maps as a tensor [B, C, H, W].
    ///
    /// # Errors
    /// If candle cannot apply the operation.
    pub fn leave(&self) -> Result<Tensor> {
        match &self.0 {
            Repr::Lanes(x) => x.leave(),
            Repr::Portable(x) => Ok(x.clone()),
        }
    }

    /// Convolution with `weight` [O, I, k, k], k odd, and zero padding of k/2: [B, O, H, W]. `bias` is `[O]`, or [B, O]
    /// for one bias per image.
    ///
    /// # Errors
    /// If the shapes do not fit together.
    pub fn conv(&self, weight: &ConvWeight, bias: &Tensor) -> Result<Self> {
        match &self.0 {
            Repr::Lanes(x) => engine::conv2d(x, weight, bias).map(Self::lanes),
            Repr::Portable(x) => portable::conv2d(x, weight.tensor(), bias, 1).map(Self::wrap),
        }
    }

    /// [`Self::conv`] plus `other` [B, O, H, W]: the end of a residual block.
    ///
    /// # Errors
    /// If the shapes do not fit together.
    pub fn conv_add(&self, weight: &ConvWeight, bias: &Tensor, other: &Self) -> Result<Self> {
        match (&self.0, &other.0) {
            (Repr::Lanes(x), Repr::Lanes(other)) => {
                engine::conv2d_add(x, weight, bias, other).map(Self::lanes)
            }
            (Repr::Portable(x), Repr::Portable(other)) => {
                (portable::conv2d(x, weight.tensor(), bias, 1)? + other).map(Self::wrap)
            }
            _ => bail!("conv_add: one batch is in the engine, the other in candle"),
        }
    }

    /// [`Self::conv`] with a stride of two: [B, O, ceil(H/2), ceil(W/2)].
    ///
    /// # Errors
    /// If the shapes do not fit together.
    pub fn conv_stride2(&self, weight: &ConvWeight, bias: &Tensor) -> Result<Self> {
        match &self.0 {
            Repr::Lanes(x) => engine::conv2d_stride2(x, weight, bias).map(Self::lanes),
            Repr::Portable(x) => portable::conv2d(x, weight.tensor(), bias, 2).map(Self::wrap),
        }
    }

    /// [`Self::conv`] after nearest-neighbour upsampling by two: [B, O, 2H, 2W].
    ///
    /// # Errors
    /// If the shapes do not fit together.
    pub fn upsample2_conv(&self, weight: &ConvWeight, bias: &Tensor) -> Result<Self> {
        match &self.0 {
            Repr::Lanes(x) => engine::upsample2_conv2d(x, weight, bias).map(Self::lanes),
            Repr::Portable(x) => {
                portable::conv2d(&portable::upsample2(x)?, weight.tensor(), bias, 1).map(Self::wrap)
            }
        }
    }

    /// GELU(LayerNorm(conv(x))) + `channel_bias`, the block of the reference network; `channel_bias` is [B, O].
    ///
    /// # Errors
    /// If the shapes do not fit together.
    pub fn conv_norm_gelu(&self, p: &ConvNorm<'_>, channel_bias: Option<&Tensor>) -> Result<Self> {
        let ConvNorm { weight, bias, gamma, beta, eps } = *p;
        match &self.0 {
            Repr::Lanes(x) => {
                engine::conv_norm_gelu(x, weight, bias, gamma, beta, channel_bias, eps).map(Self::lanes)
            }
            Repr::Portable(x) => {
                let y = portable::conv2d(x, weight.tensor(), bias, 1)?;
                let y = portable::layer_norm_gelu(&y, gamma, beta, eps)?;
                let y = channel_bias.map_or(Ok(y.clone()), |bias| portable::add_channels(&y, bias))?;
                Ok(Self::wrap(y))
            }
        }
    }

    /// SiLU(GroupNorm(x)) with scale `gamma` and shift `beta`, both `[C]`, and `eps` added to the variance.
    ///
    /// # Errors
    /// If `groups` does not divide C, or the shapes do not fit together.
    pub fn group_norm_silu(&self, groups: usize, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Self> {
        match &self.0 {
            Repr::Lanes(x) => engine::group_norm_silu(x, groups, gamma, beta, eps as f32).map(Self::lanes),
            Repr::Portable(x) => portable::group_norm_silu(x, groups, gamma, beta, eps).map(Self::wrap),
        }
    }

    /// max(x, 0).
    ///
    /// # Errors
    /// If candle cannot apply the operation.
    pub fn relu(&self) -> Result<Self> {
        match &self.0 {
            Repr::Lanes(x) => engine::relu(x).map(Self::lanes),
            Repr::Portable(x) => x.relu().map(Self::wrap),
        }
    }

    /// Elementwise sum of feature maps of the same shape.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn add(&self, other: &Self) -> Result<Self> {
        match (&self.0, &other.0) {
            (Repr::Lanes(a), Repr::Lanes(b)) => engine::add(a, b).map(Self::lanes),
            (Repr::Portable(a), Repr::Portable(b)) => (a + b).map(Self::wrap),
            _ => bail!("add: one batch is in the engine, the other in candle"),
        }
    }

    /// The channels of `self`, then those of `other`.
    ///
    /// # Errors
    /// If batch, height or width differ.
    pub fn concat(&self, other: &Self) -> Result<Self> {
        match (&self.0, &other.0) {
            (Repr::Lanes(a), Repr::Lanes(b)) => engine::concat(a, b).map(Self::lanes),
            (Repr::Portable(a), Repr::Portable(b)) => Tensor::cat(&[a, b], 1).map(Self::wrap),
            _ => bail!("concat: one batch is in the engine, the other in candle"),
        }
    }

    fn lanes(x: LanePlanes) -> Self {
        Self(Repr::Lanes(x))
    }

    fn wrap(x: Tensor) -> Self {
        Self(Repr::Portable(x))
    }
}
