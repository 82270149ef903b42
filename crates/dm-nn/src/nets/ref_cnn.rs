//! The reference network of the starter notebook, parameter names included.
//!
//! Blocks of Conv2d 7x7 (same) + LayerNorm + GELU, channels 1-16-32-32-16, a last Conv2d 3x3. Time enters once, after
//! the first block: sin and cos - 1 of t times 16 frequencies through an MLP 32-128-128-128-16 with GELU. With LayerNorm
//! over (C, 28, 28) jointly it has 291,217 parameters, over each plane alone 146,961.

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::layers::{Conv, Linear};
use super::{Network, check_range};
use crate::data::SIDE;
use crate::params::{Init, Path};
use crate::planes::{ConvNorm, Planes};

/// What the LayerNorm of a block averages over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Channels and pixels together, affine of shape (C, 28, 28): the notebook's.
    Joint,
    /// Each plane alone, affine of shape (28, 28) shared by the channels: a second published variant.
    Plane,
}

/// Sizes of the reference network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefCnnConfig {
    /// Output channels of each block.
    pub channels: Vec<usize>,
    /// What LayerNorm averages over.
    pub norm: Norm,
}

impl Default for RefCnnConfig {
    fn default() -> Self {
        Self { channels: vec![16, 32, 32, 16], norm: Norm::Joint }
    }
}

/// Frequencies of the time encoding.
const FREQUENCIES: usize = 16;
/// Width of the time encoding's MLP.
const HIDDEN: usize = 128;

struct Block {
    conv: Conv,
    gamma: Tensor,
    beta: Tensor,
}

/// The reference network.
pub(super) struct RefCnn {
    blocks: Vec<Block>,
    last: Conv,
    time: Vec<Linear>,
    frequencies: Tensor,
}

impl RefCnnConfig {
    pub(super) fn check(&self) -> crate::Result<()> {
        check_range("network.channels: number of blocks", self.channels.len(), 1, 16)?;
        self.channels.iter().try_for_each(|&c| check_range("network.channels", c, 1, 1024))
    }

    pub(super) fn build(&self, inputs: usize, outputs: usize, mut path: Path<'_>) -> crate::Result<RefCnn> {
        let mut blocks = Vec::with_capacity(self.channels.len());
        let mut from = inputs;
        for (i, &to) in self.channels.iter().enumerate() {
            blocks.push(Block::new(from, to, self.norm, path.pp(format!("blocks.{i}.net")))?);
            from = to;
        }
        let last = Conv::new(from, outputs, 3, path.pp(format!("blocks.{}", self.channels.len())))?;
        let widths = [2 * FREQUENCIES, HIDDEN, HIDDEN, HIDDEN, self.channels[0]];
        let time = widths
            .windows(2)
            .enumerate()
            .map(|(i, w)| Linear::new(w[0], w[1], path.pp(format!("time_embed.{}", 2 * i))))
            .collect::<crate::Result<_>>()?;
        let frequencies = Tensor::from_slice(&frequencies(), (1, FREQUENCIES), last.bias.device())?;
        Ok(RefCnn { blocks, last, time, frequencies })
    }
}

/// 0 and 2 pi 1.5^i for i = 0..14.
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
    fn new(inputs: usize, outputs: usize, norm: Norm, mut path: Path<'_>) -> crate::Result<Self> {
        let shape = match norm {
            Norm::Joint => vec![outputs, SIDE, SIDE],
            Norm::Plane => vec![SIDE, SIDE],
        };
        Ok(Self {
            conv: Conv::new(inputs, outputs, 7, path.pp("0"))?,
            gamma: path.pp("1").get("weight", &shape, Init::Const(1.0))?,
            beta: path.pp("1").get("bias", &shape, Init::Const(0.0))?,
        })
    }

    fn forward(&self, x: &Planes, channel_bias: Option<&Tensor>) -> Result<Planes> {
        let Conv { kernels, bias } = &self.conv;
        let params = ConvNorm { kernels, bias, gamma: &self.gamma, beta: &self.beta, eps: 1e-5 };
        x.conv_norm_gelu(&params, channel_bias)
    }
}

impl RefCnn {
    /// `[B]` times -> [B, C_0], what is added after the first block.
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
}

impl Network for RefCnn {
    fn forward(&self, x: &Tensor, t: &Tensor) -> Result<Tensor> {
        let time = self.time_encoding(t)?;
        let mut h = Planes::enter(x)?;
        for (i, block) in self.blocks.iter().enumerate() {
            h = block.forward(&h, (i == 0).then_some(&time))?;
        }
        self.last.forward(&h)?.leave()
    }
}
