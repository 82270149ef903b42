//! The residual block of the U-Net.

use candle_core::{Result, Tensor};

use super::layers::{Conv, GroupNormSilu, Linear};
use crate::onnx::{Graph, Value};
use crate::params::Path;
use crate::planes::Planes;

/// A residual block with a time embedding (Ho et al. 2020, appendix B):
/// skip(x) + conv2(silu(norm2(conv1(silu(norm1(x))) + time))).
///
/// `conv2` is zero at first. `skip` is the identity, or a 1x1 convolution where the number of channels changes.
pub(super) struct Residual {
    norm1: GroupNormSilu,
    conv1: Conv,
    time: Linear,
    norm2: GroupNormSilu,
    conv2: Conv,
    skip: Option<Conv>,
}

impl Residual {
    /// A block from `inputs` to `outputs` channels, with a time embedding of `time_embed_dim` numbers. `groups` must divide
    /// both numbers of channels.
    pub fn new(
        inputs: usize,
        outputs: usize,
        groups: usize,
        time_embed_dim: usize,
        mut path: Path<'_>,
    ) -> crate::Result<Self> {
        let skip = inputs != outputs;
        Ok(Self {
            norm1: GroupNormSilu::new(inputs, groups, path.pp("norm1"))?,
            conv1: Conv::new(inputs, outputs, 3, path.pp("conv1"))?,
            time: Linear::new(time_embed_dim, outputs, path.pp("time"))?,
            norm2: GroupNormSilu::new(outputs, groups, path.pp("norm2"))?,
            conv2: Conv::zero(outputs, outputs, 3, path.pp("conv2"))?,
            skip: skip.then(|| Conv::new(inputs, outputs, 1, path.pp("skip"))).transpose()?,
        })
    }

    /// `x` [B, inputs, H, W] and `time` [B, time_embed_dim] -> [B, outputs, H, W].
    pub fn forward(&self, x: &Planes, time: &Tensor) -> Result<Planes> {
        // The time embedding enters as a bias of the first convolution, one per image and channel.
        let bias = self.time.forward(time)?.broadcast_add(&self.conv1.bias)?;
        let h = self.norm1.forward(x)?.conv(&self.conv1.weight, &bias)?;
        let h = self.norm2.forward(&h)?;
        let Conv { weight, bias } = &self.conv2;
        match &self.skip {
            Some(skip) => h.conv_add(weight, bias, &skip.forward(x)?),
            None => h.conv_add(weight, bias, x),
        }
    }

    /// The block in ONNX; `has_skip` says whether the number of channels changes.
    pub fn onnx(
        graph: &mut Graph<'_>,
        name: &str,
        x: &Value,
        time: &Value,
        groups: usize,
        has_skip: bool,
    ) -> crate::Result<Value> {
        let h = graph.group_norm_silu(&format!("{name}.norm1"), x, groups)?;
        let h = graph.conv(&format!("{name}.conv1"), &h, 1)?;
        let time = graph.linear(&format!("{name}.time"), time)?;
        let h = graph.add_channels(&h, &time);
        let h = graph.group_norm_silu(&format!("{name}.norm2"), &h, groups)?;
        let h = graph.conv(&format!("{name}.conv2"), &h, 1)?;
        let skip = if has_skip { graph.conv(&format!("{name}.skip"), x, 1)? } else { x.clone() };
        Ok(graph.apply("Add", &[&h, &skip], &[]))
    }
}
