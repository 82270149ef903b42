//! Self-attention over the pixels of feature maps.

use candle_core::{D, Result};
use candle_nn::ops::softmax;

use super::layers::{GroupNormSilu, Linear};
use crate::onnx::{Attribute, Graph, Value, signed};
use crate::params::Path;
use crate::planes::Planes;

/// Single-head self-attention over the pixels of feature maps, as a residual branch:
/// x + out(softmax(q k^T / sqrt(C)) v), where q, k and v are linear maps of SiLU(GroupNorm(x)).
///
/// Vaswani et al. 2017, equation 1, at the place where Ho et al. 2020 put it in a U-Net. The output projection `out` is
/// zero at first, so that a fresh layer returns its input.
pub(super) struct SelfAttention {
    norm: GroupNormSilu,
    qkv: Linear,
    out: Linear,
}

impl SelfAttention {
    /// Attention on `channels` channels. `groups` must divide `channels`.
    pub fn new(channels: usize, groups: usize, mut path: Path<'_>) -> crate::Result<Self> {
        Ok(Self {
            norm: GroupNormSilu::new(channels, groups, path.pp("norm"))?,
            qkv: Linear::new(channels, 3 * channels, path.pp("qkv"))?,
            out: Linear::zero(channels, channels, path.pp("out"))?,
        })
    }

    /// [B, C, H, W] -> [B, C, H, W]. The scores take B (H W)^2 floats.
    pub fn forward(&self, x: &Planes) -> Result<Planes> {
        let h = self.norm.forward(x)?.leave()?;
        let (b, c, height, width) = h.dims4()?;
        if b == 0 {
            // candle's softmax does not accept an empty tensor.
            return Ok(x.clone());
        }
        let n = height * width;
        let h = h.reshape((b, c, n))?.transpose(1, 2)?.reshape((b * n, c))?;
        let qkv = self.qkv.forward(&h)?.reshape((b, n, 3 * c))?;
        let part = |i: usize| qkv.narrow(2, i * c, c)?.contiguous();
        let scores = (part(0)?.matmul(&part(1)?.transpose(1, 2)?.contiguous()?)? / (c as f64).sqrt())?;
        let mixed = softmax(&scores, D::Minus1)?.matmul(&part(2)?)?;
        let out = self.out.forward(&mixed.reshape((b * n, c))?)?;
        let out = out.reshape((b, n, c))?.transpose(1, 2)?.reshape((b, c, height, width))?;
        x.add(&x.enter_alike(&out)?)
    }

    /// The layer in ONNX, for feature maps of `height` x `width` pixels.
    pub fn onnx(
        graph: &mut Graph<'_>,
        name: &str,
        x: &Value,
        groups: usize,
        [height, width]: [usize; 2],
    ) -> crate::Result<Value> {
        let c = signed(graph.shape(&format!("{name}.out.bias"))?.iter().product());
        let n = signed(height * width);
        let swap = [("perm", Attribute::Ints(&[0, 2, 1]))];
        let h = graph.group_norm_silu(&format!("{name}.norm"), x, groups)?;
        let h = graph.reshape(&h, &[0, c, n]);
        let h = graph.apply("Transpose", &[&h], &swap);
        let h = graph.reshape(&h, &[-1, c]);
        let qkv = graph.linear(&format!("{name}.qkv"), &h)?;
        let qkv = graph.reshape(&qkv, &[-1, n, 3 * c]);
        let [q, k, v] = graph.split(&qkv, 2, [c; 3]);
        let k = graph.apply("Transpose", &[&k], &swap);
        let scores = graph.apply("MatMul", &[&q, &k], &[]);
        let root = graph.constant(&[1], &[(c as f32).sqrt()]);
        let scores = graph.apply("Div", &[&scores, &root], &[]);
        let weights = graph.apply("Softmax", &[&scores], &[("axis", Attribute::Int(2))]);
        let mixed = graph.apply("MatMul", &[&weights, &v], &[]);
        let mixed = graph.reshape(&mixed, &[-1, c]);
        let out = graph.linear(&format!("{name}.out"), &mixed)?;
        let out = graph.reshape(&out, &[-1, n, c]);
        let out = graph.apply("Transpose", &[&out], &swap);
        let out = graph.reshape(&out, &[-1, c, signed(height), signed(width)]);
        Ok(graph.apply("Add", &[x, &out], &[]))
    }
}
