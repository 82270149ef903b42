//! The reference network of the starter notebook, with the notebook's parameter names.
//!
//! Blocks of a 7x7 convolution, LayerNorm and GELU with channels 1-16-32-32-16 are followed by a 3x3 convolution. Time
//! enters once, after the first block: the sine of t times 16 frequencies, and the cosine minus 1, go through an MLP
//! 32-128-128-128-16 with GELU. On 28x28 images, LayerNorm over channels and pixels together gives 291,217 parameters,
//! LayerNorm over each plane alone 146,961.

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::layers::{Conv, Linear};
use super::network::{BuildNetwork, Network};
use super::parts::in_parts;
use crate::error::check_range;
use crate::image::ImageShape;
use crate::onnx::{Graph, Value};
use crate::params::{Init, Path};
use crate::planes::{ConvNorm, Planes};

/// The dimensions over which the LayerNorm of a block averages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Channels and pixels together, with scale and shift of shape (C, H, W): the notebook's LayerNorm.
    Joint,
    /// Each plane alone, with scale and shift of shape (H, W) shared by the channels: a second published variant.
    Plane,
}

/// Configuration of the reference network. The default is the notebook's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefCnnConfig {
    /// Output channels of each block.
    pub channels: Vec<usize>,
    /// The dimensions over which LayerNorm averages.
    pub norm: Norm,
}

impl Default for RefCnnConfig {
    fn default() -> Self {
        Self { channels: vec![16, 32, 32, 16], norm: Norm::Joint }
    }
}

/// Number of frequencies of the time encoding.
const FREQUENCIES: usize = 16;
/// Width of the MLP of the time encoding.
const HIDDEN: usize = 128;
/// Number of linear layers of the MLP of the time encoding.
const TIME_LAYERS: usize = 4;

struct Block {
    conv: Conv,
    gamma: Tensor,
    beta: Tensor,
}

/// The reference network.
pub struct RefCnn {
    blocks: Vec<Block>,
    last: Conv,
    time: Vec<Linear>,
    frequencies: Tensor,
}

impl RefCnnConfig {
    /// Builds the network itself, without wrapping it for evaluation as [`BuildNetwork::build`] does.
    ///
    /// # Errors
    /// As for [`BuildNetwork::build`].
    pub fn build_ref_cnn(
        &self,
        input: ImageShape,
        outputs: usize,
        mut path: Path<'_>,
    ) -> crate::Result<RefCnn> {
        self.check()?;
        let mut blocks = Vec::with_capacity(self.channels.len());
        let mut from = input;
        for (i, &to) in self.channels.iter().enumerate() {
            blocks.push(Block::new(from, to, self.norm, path.pp(format!("blocks.{i}.net")))?);
            from = from.with_channels(to);
        }
        let last = Conv::new(from.channels, outputs, 3, path.pp(format!("blocks.{}", self.channels.len())))?;
        let widths: [usize; TIME_LAYERS + 1] = [2 * FREQUENCIES, HIDDEN, HIDDEN, HIDDEN, self.channels[0]];
        let time = widths
            .windows(2)
            .enumerate()
            .map(|(i, w)| Linear::new(w[0], w[1], path.pp(format!("time_embed.{}", 2 * i))))
            .collect::<crate::Result<_>>()?;
        let frequencies = Tensor::from_slice(&frequencies(), (1, FREQUENCIES), last.bias.device())?;
        Ok(RefCnn { blocks, last, time, frequencies })
    }
}

impl BuildNetwork for RefCnnConfig {
    fn check(&self) -> crate::Result<()> {
        check_range("network.channels: number of blocks", self.channels.len(), 1..=16)?;
        self.channels.iter().try_for_each(|&c| check_range("network.channels", c, 1..=1024))
    }

    fn build(&self, input: ImageShape, outputs: usize, path: Path<'_>) -> crate::Result<Box<dyn Network>> {
        let trainable = path.is_trainable();
        Ok(in_parts(self.build_ref_cnn(input, outputs, path)?, trainable))
    }

    fn onnx(
        &self,
        _: ImageShape,
        graph: &mut Graph<'_>,
        x: &Value,
        t: &Value,
        _: Option<&Value>,
    ) -> crate::Result<Value> {
        let (sine, cosine) = graph.phases(t, &frequencies());
        let one = graph.constant(&[1], &[1.0]);
        let cosine = graph.apply("Sub", &[&cosine, &one], &[]);
        let mut time = graph.concat(&sine, &cosine);
        for i in 0..TIME_LAYERS {
            time = graph.linear(&format!("time_embed.{}", 2 * i), &time)?;
            if i + 1 < TIME_LAYERS {
                time = graph.gelu(&time);
            }
        }
        let mut h = x.clone();
        for i in 0..self.channels.len() {
            h = graph.conv(&format!("blocks.{i}.net.0"), &h, 1)?;
            h = graph.layer_norm(&format!("blocks.{i}.net.1"), &h)?;
            h = graph.gelu(&h);
            if i == 0 {
                h = graph.add_channels(&h, &time);
            }
        }
        graph.conv(&format!("blocks.{}", self.channels.len()), &h, 1)
    }
}

/// The frequencies of the time encoding: 0, then 2 pi 1.5^i for i = 0 to 14.
pub fn frequencies() -> [f32; FREQUENCIES] {
    let mut phase = std::f64::consts::TAU;
    std::array::from_fn(|i| {
        if i == 0 {
            return 0.0;
        }
        let frequency = phase as f32;
        phase *= 1.5;
        frequency
    })
}

impl Block {
    fn new(input: ImageShape, outputs: usize, norm: Norm, mut path: Path<'_>) -> crate::Result<Self> {
        let ImageShape { channels, height, width } = input;
        let shape = match norm {
            Norm::Joint => vec![outputs, height, width],
            Norm::Plane => vec![height, width],
        };
        Ok(Self {
            conv: Conv::new(channels, outputs, 7, path.pp("0"))?,
            gamma: path.pp("1").get("weight", &shape, Init::Const(1.0))?,
            beta: path.pp("1").get("bias", &shape, Init::Const(0.0))?,
        })
    }

    fn forward(&self, x: &Planes, channel_bias: Option<&Tensor>) -> Result<Planes> {
        let Conv { weight, bias } = &self.conv;
        let params = ConvNorm { weight, bias, gamma: &self.gamma, beta: &self.beta, eps: 1e-5 };
        x.conv_norm_gelu(&params, channel_bias)
    }
}

impl RefCnn {
    /// Times `[B]` -> [B, C_0], which is added to the channels after the first block.
    fn time_encoding(&self, t: &Tensor) -> Result<Tensor> {
        let phase = t.unsqueeze(1)?.broadcast_mul(&self.frequencies)?;
        let mut h = Tensor::cat(&[phase.sin()?, (phase.cos()? - 1.0)?], 1)?;
        for (i, layer) in self.time.iter().enumerate() {
            h = layer.forward(&h)?;
            if i + 1 < self.time.len() {
                h = h.gelu_erf()?;
            }
        }
        Ok(h)
    }

    /// Maps `x` [B, C_in, H, W], planes in the engine or in candle, to [B, C_out, H, W].
    ///
    /// # Errors
    /// If the shapes do not fit the network.
    pub fn run(&self, x: &Planes, t: &Tensor) -> Result<Planes> {
        let time = self.time_encoding(t)?;
        let mut h = x.clone();
        for (i, block) in self.blocks.iter().enumerate() {
            h = block.forward(&h, (i == 0).then_some(&time))?;
        }
        self.last.forward(&h)
    }
}

impl Network for RefCnn {
    fn forward(&self, x: &Tensor, t: &Tensor) -> Result<Tensor> {
        self.run(&Planes::enter(x)?, t)?.leave()
    }
}
