//! The layers the networks share: linear, convolution, GroupNorm-SiLU, and their initial values.

use candle_core::{Result, Tensor};

use crate::params::{Init, Path};
use crate::planes::Planes;

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
        let weight = self.weight.t()?;
        let product = if x.device().is_cpu() { by_rows(x, &weight)? } else { x.matmul(&weight)? };
        product.broadcast_add(&self.bias)
    }
}

/// Rows multiplied at a time.
const ROWS: usize = 32;

/// The product of `x` [B, I] with `weight` [I, O], always so many rows at a time: candle sums in another order where there
/// are fewer of them, and an image would depend, in its last digits, on the batch it is in.
fn by_rows(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (rows, inputs) = x.dims2()?;
    let parts = rows.div_ceil(ROWS);
    let x = x.pad_with_zeros(0, 0, parts * ROWS - rows)?;
    // A weight of its own for each part: with one that they share candle joins them to a single product of all rows.
    let weights = weight.broadcast_as((parts, inputs, weight.dim(1)?))?.contiguous()?;
    x.reshape((parts, ROWS, inputs))?.matmul(&weights)?.flatten(0, 1)?.narrow(0, 0, rows)
}

/// A same-padded convolution's parameters.
pub(super) struct Conv {
    pub weight: Tensor,
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
            weight: path.get("weight", &[outputs, inputs, kernel, kernel], init)?,
            bias: path.get("bias", &[outputs], init)?,
        })
    }

    pub fn forward(&self, x: &Planes) -> Result<Planes> {
        x.conv(&self.weight, &self.bias)
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
