//! Layers that several networks use, with their initial values: linear, convolution, and GroupNorm with SiLU.

use candle_core::{Result, Tensor};

use crate::params::{Init, Path};
use crate::planes::{ConvWeight, Planes, linear};

/// y = x W^T + b.
pub(super) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// A layer with PyTorch's initial values.
    pub fn new(inputs: usize, outputs: usize, path: Path<'_>) -> crate::Result<Self> {
        Self::with_init(inputs, outputs, Init::FanIn(inputs), path)
    }

    /// A layer that is zero at first.
    pub fn zero(inputs: usize, outputs: usize, path: Path<'_>) -> crate::Result<Self> {
        Self::with_init(inputs, outputs, Init::Const(0.0), path)
    }

    fn with_init(inputs: usize, outputs: usize, init: Init, mut path: Path<'_>) -> crate::Result<Self> {
        Ok(Self {
            weight: path.get("weight", &[outputs, inputs], init)?,
            bias: path.get("bias", &[outputs], init)?,
        })
    }

    /// [B, inputs] -> [B, outputs].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.weight, &self.bias)
    }
}

/// A convolution whose zero padding keeps the size of the feature maps.
pub(super) struct Conv {
    pub weight: ConvWeight,
    pub bias: Tensor,
}

impl Conv {
    /// A convolution with a `kernel` x `kernel` kernel and PyTorch's initial values.
    pub fn new(inputs: usize, outputs: usize, kernel: usize, path: Path<'_>) -> crate::Result<Self> {
        let init = Init::FanIn(inputs * kernel * kernel);
        Self::with_init(inputs, outputs, kernel, init, path)
    }

    /// A convolution that is zero at first, such as the last one of a residual branch.
    pub fn zero(inputs: usize, outputs: usize, kernel: usize, path: Path<'_>) -> crate::Result<Self> {
        Self::with_init(inputs, outputs, kernel, Init::Const(0.0), path)
    }

    fn with_init(
        inputs: usize,
        outputs: usize,
        kernel: usize,
        init: Init,
        mut path: Path<'_>,
    ) -> crate::Result<Self> {
        Ok(Self {
            weight: path.get("weight", &[outputs, inputs, kernel, kernel], init)?.into(),
            bias: path.get("bias", &[outputs], init)?,
        })
    }

    /// [B, inputs, H, W] -> [B, outputs, H, W].
    pub fn forward(&self, x: &Planes) -> Result<Planes> {
        x.conv(&self.weight, &self.bias)
    }

    /// [B, inputs, H, W] -> [B, outputs, ceil(H/2), ceil(W/2)]: a stride of two.
    pub fn forward_half(&self, x: &Planes) -> Result<Planes> {
        x.conv_stride2(&self.weight, &self.bias)
    }

    /// [B, inputs, H, W] -> [B, outputs, 2H, 2W]: nearest-neighbour upsampling by two, then the convolution.
    pub fn forward_double(&self, x: &Planes) -> Result<Planes> {
        x.upsample2_conv(&self.weight, &self.bias)
    }
}

/// SiLU(GroupNorm(x)).
pub(super) struct GroupNormSilu {
    gamma: Tensor,
    beta: Tensor,
    groups: usize,
}

impl GroupNormSilu {
    /// A layer that starts with scale 1 and shift 0. `groups` must divide `channels`.
    pub fn new(channels: usize, groups: usize, mut path: Path<'_>) -> crate::Result<Self> {
        Ok(Self {
            gamma: path.get("weight", &[channels], Init::Const(1.0))?,
            beta: path.get("bias", &[channels], Init::Const(0.0))?,
            groups,
        })
    }

    /// [B, C, H, W] -> [B, C, H, W].
    pub fn forward(&self, x: &Planes) -> Result<Planes> {
        x.group_norm_silu(self.groups, &self.gamma, &self.beta, 1e-5)
    }
}
