//! The layers the networks share: linear, convolution, GroupNorm-SiLU, and their initial values.

use candle_core::{Result, Tensor};

use crate::params::{Init, Path};
use crate::planes::{Kernels, Planes, linear};

/// y = x W^T + b.
pub(super) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub fn new(inputs: usize, outputs: usize, mut path: Path<'_>) -> crate::Result<Self> {
        let init = Init::FanIn(inputs);
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

/// A same-padded convolution's parameters.
pub(super) struct Conv {
    pub kernels: Kernels,
    pub bias: Tensor,
}

impl Conv {
    pub fn new(inputs: usize, outputs: usize, kernel: usize, path: Path<'_>) -> crate::Result<Self> {
        let init = Init::FanIn(inputs * kernel * kernel);
        Self::with_init(inputs, outputs, kernel, init, path)
    }

    /// A convolution that starts as zero: a residual branch that is silent at first.
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
            kernels: path.get("weight", &[outputs, inputs, kernel, kernel], init)?.into(),
            bias: path.get("bias", &[outputs], init)?,
        })
    }

    pub fn forward(&self, x: &Planes) -> Result<Planes> {
        x.conv(&self.kernels, &self.bias)
    }
}

/// SiLU(GroupNorm(x)).
pub(super) struct GroupNormSilu {
    gamma: Tensor,
    beta: Tensor,
    groups: usize,
}

impl GroupNormSilu {
    pub fn new(channels: usize, groups: usize, mut path: Path<'_>) -> crate::Result<Self> {
        Ok(Self {
            gamma: path.get("weight", &[channels], Init::Const(1.0))?,
            beta: path.get("bias", &[channels], Init::Const(0.0))?,
            groups,
        })
    }

    pub fn forward(&self, x: &Planes) -> Result<Planes> {
        x.group_norm_silu(self.groups, &self.gamma, &self.beta, 1e-5)
    }
}
