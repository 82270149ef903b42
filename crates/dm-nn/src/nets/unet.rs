//! A small U-Net for 28x28 images: residual blocks of GroupNorm, SiLU and 3x3 convolutions at 28, 14 and 7 pixels.
//!
//! Ho et al. 2020 in miniature: the time embedding enters every residual block, the last convolution of each block and
//! of the network start at zero, attention (one head) at 7x7 is optional. With channels 32, 64, 64 it has about 0.67 M
//! parameters. A network with classes adds a learned vector per class, and one for "not told", to the time embedding.

use candle_core::{D, Result, Tensor, bail};
use serde::{Deserialize, Serialize};

use super::layers::{Conv, GroupNormSilu, Linear};
use super::{Network, check_range};
use crate::data::CLASSES;
use crate::error::Error;
use crate::params::{Init, Path};
use crate::planes::Planes;

/// Sizes of the U-Net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UNetConfig {
    /// Channels at 28, 14 and 7 pixels.
    pub channels: [usize; 3],
    /// Groups of every GroupNorm; must divide every entry of `channels`.
    pub groups: usize,
    /// Width of the time embedding.
    pub time: usize,
    /// Self-attention over the 49 positions of the middle.
    pub attention: bool,
    /// Classes the network can be told: 0 (none) or 10.
    pub classes: usize,
}

impl Default for UNetConfig {
    fn default() -> Self {
        Self { channels: [32, 64, 64], groups: 8, time: 128, attention: false, classes: 0 }
    }
}

/// Frequencies of the sinusoidal time embedding, geometric from 1 to 1000.
const FREQUENCIES: usize = 32;

/// x + conv2(silu(norm2(conv1(silu(norm1(x))) + time))).
struct Residual {
    norm1: GroupNormSilu,
    conv1: Conv,
    time: Linear,
    norm2: GroupNormSilu,
    conv2: Conv,
    skip: Option<Conv>,
}

/// One-head self-attention over the positions of a small map.
struct Attention {
    norm: GroupNormSilu,
    qkv: Linear,
    out: Linear,
}

/// The U-Net.
pub(super) struct UNet {
    frequencies: Tensor,
    time1: Linear,
    time2: Linear,
    /// One row per class and a last one for "not told", [classes + 1, time].
    class: Option<Tensor>,
    input: Conv,
    down: [Residual; 3],
    shrink: [Conv; 2],
    middle: Residual,
    attention: Option<Attention>,
    up: [Residual; 3],
    grow: [Conv; 2],
    norm: GroupNormSilu,
    output: Conv,
}

impl UNetConfig {
    pub(super) fn check(&self) -> crate::Result<()> {
        check_range("network.time", self.time, 1, 4096)?;
        check_range("network.groups", self.groups, 1, 1024)?;
        if self.classes != 0 && self.classes != CLASSES {
            return Err(Error::invalid("network.classes", self.classes, format!("0 or {CLASSES}")));
        }
        for c in self.channels {
            check_range("network.channels", c, 1, 1024)?;
            if c % self.groups != 0 {
                let expected = format!("a multiple of groups = {}", self.groups);
                return Err(Error::invalid("network.channels", c, expected));
            }
        }
        Ok(())
    }

    pub(super) fn build(&self, inputs: usize, outputs: usize, mut path: Path<'_>) -> crate::Result<UNet> {
        let [c0, c1, c2] = self.channels;
        let residual = |i, o, path: Path<'_>| Residual::new(i, o, self, path);
        let time1 = Linear::new(2 * FREQUENCIES, self.time, path.pp("time.0"))?;
        let time2 = Linear::new(self.time, self.time, path.pp("time.1"))?;
        let log_step = 1000f64.ln() / (FREQUENCIES - 1) as f64;
        let frequencies: Vec<f32> = (0..FREQUENCIES).map(|i| (log_step * i as f64).exp() as f32).collect();
        let input = Conv::new(inputs, c0, 3, path.pp("input"))?;
        let mut unet = UNet {
            frequencies: Tensor::from_vec(frequencies, (1, FREQUENCIES), input.bias.device())?,
            time1,
            time2,
            class: None,
            input,
            down: [
                residual(c0, c0, path.pp("down.0"))?,
                residual(c0, c1, path.pp("down.1"))?,
                residual(c1, c2, path.pp("down.2"))?,
            ],
            shrink: [Conv::new(c0, c0, 3, path.pp("shrink.0"))?, Conv::new(c1, c1, 3, path.pp("shrink.1"))?],
            middle: residual(c2, c2, path.pp("middle"))?,
            attention: self
                .attention
                .then(|| Attention::new(c2, self.groups, path.pp("attention")))
                .transpose()?,
            up: [
                residual(c0 + c0, c0, path.pp("up.0"))?,
                residual(c1 + c1, c1, path.pp("up.1"))?,
                residual(c2 + c2, c2, path.pp("up.2"))?,
            ],
            grow: [Conv::new(c1, c0, 3, path.pp("grow.0"))?, Conv::new(c2, c1, 3, path.pp("grow.1"))?],
            norm: GroupNormSilu::new(c0, self.groups, path.pp("norm"))?,
            output: Conv::zero(c0, outputs, 3, path.pp("output"))?,
        };
        // Last of all: initial values go by position, so classes do not change those of the other parameters.
        if self.classes > 0 {
            let shape = [self.classes + 1, self.time];
            unet.class = Some(path.pp("class").get("weight", &shape, Init::FanIn(self.time))?);
        }
        Ok(unet)
    }
}

impl Residual {
    fn new(inputs: usize, outputs: usize, config: &UNetConfig, mut path: Path<'_>) -> crate::Result<Self> {
        let skip = inputs != outputs;
        Ok(Self {
            norm1: GroupNormSilu::new(inputs, config.groups, path.pp("norm1"))?,
            conv1: Conv::new(inputs, outputs, 3, path.pp("conv1"))?,
            time: Linear::new(config.time, outputs, path.pp("time"))?,
            norm2: GroupNormSilu::new(outputs, config.groups, path.pp("norm2"))?,
            conv2: Conv::zero(outputs, outputs, 3, path.pp("conv2"))?,
            skip: skip.then(|| Conv::new(inputs, outputs, 1, path.pp("skip"))).transpose()?,
        })
    }

    fn forward(&self, x: &Planes, time: &Tensor) -> Result<Planes> {
        // The time embedding is a bias of the first convolution, one per image and channel.
        let bias = self.time.forward(time)?.broadcast_add(&self.conv1.bias)?;
        let h = self.norm1.forward(x)?.conv(&self.conv1.kernels, &bias)?;
        let h = self.norm2.forward(&h)?;
        let Conv { kernels, bias } = &self.conv2;
        match &self.skip {
            Some(skip) => h.conv3x3_add(kernels, bias, &skip.forward(x)?),
            None => h.conv3x3_add(kernels, bias, x),
        }
    }
}

impl Attention {
    fn new(channels: usize, groups: usize, mut path: Path<'_>) -> crate::Result<Self> {
        Ok(Self {
            norm: GroupNormSilu::new(channels, groups, path.pp("norm"))?,
            qkv: Linear::new(channels, 3 * channels, path.pp("qkv"))?,
            out: Linear::new(channels, channels, path.pp("out"))?,
        })
    }

    fn forward(&self, x: &Planes) -> Result<Planes> {
        let h = self.norm.forward(x)?.leave()?;
        let (b, c, height, width) = h.dims4()?;
        let n = height * width;
        let h = h.reshape((b, c, n))?.transpose(1, 2)?.reshape((b * n, c))?;
        let qkv = self.qkv.forward(&h)?.reshape((b, n, 3 * c))?;
        let part = |i: usize| qkv.narrow(2, i * c, c)?.contiguous();
        let scores = (part(0)?.matmul(&part(1)?.transpose(1, 2)?.contiguous()?)? / (c as f64).sqrt())?;
        let mixed = candle_nn::ops::softmax(&scores, D::Minus1)?.matmul(&part(2)?)?;
        let out = self.out.forward(&mixed.reshape((b * n, c))?)?;
        let out = out.reshape((b, n, c))?.transpose(1, 2)?.reshape((b, c, height, width))?;
        x.add(&Planes::enter(&out)?)
    }
}

impl UNet {
    /// `[B]` times and classes -> [B, time].
    fn embed(&self, t: &Tensor, classes: Option<&[u8]>) -> Result<Tensor> {
        let phase = t.unsqueeze(1)?.broadcast_mul(&self.frequencies)?;
        let h = Tensor::cat(&[phase.sin()?, phase.cos()?], 1)?;
        let h = self.time2.forward(&self.time1.forward(&h)?.silu()?)?;
        match &self.class {
            None => h.silu(),
            Some(table) => (h + class_rows(table, t.dim(0)?, classes)?)?.silu(),
        }
    }

    fn run(&self, x: &Tensor, t: &Tensor, classes: Option<&[u8]>) -> Result<Tensor> {
        let time = self.embed(t, classes)?;
        let h = self.input.forward(&Planes::enter(x)?)?;
        let h0 = self.down[0].forward(&h, &time)?;
        let h = h0.conv_stride2(&self.shrink[0].kernels, &self.shrink[0].bias)?;
        let h1 = self.down[1].forward(&h, &time)?;
        let h = h1.conv_stride2(&self.shrink[1].kernels, &self.shrink[1].bias)?;
        let h2 = self.down[2].forward(&h, &time)?;
        let mut h = self.middle.forward(&h2, &time)?;
        if let Some(attention) = &self.attention {
            h = attention.forward(&h)?;
        }
        let h = self.up[2].forward(&h.concat(&h2)?, &time)?;
        let h = h.upsample2_conv3x3(&self.grow[1].kernels, &self.grow[1].bias)?;
        let h = self.up[1].forward(&h.concat(&h1)?, &time)?;
        let h = h.upsample2_conv3x3(&self.grow[0].kernels, &self.grow[0].bias)?;
        let h = self.up[0].forward(&h.concat(&h0)?, &time)?;
        self.output.forward(&self.norm.forward(&h)?)?.leave()
    }
}

/// The rows of `table` [classes + 1, time] for a batch of `count` images; the last row for all where no class is told.
fn class_rows(table: &Tensor, count: usize, classes: Option<&[u8]>) -> Result<Tensor> {
    let none = table.dim(0)? - 1;
    let Some(classes) = classes else {
        return table.narrow(0, none, 1)?.broadcast_as((count, table.dim(1)?));
    };
    if classes.len() != count || classes.iter().any(|&class| usize::from(class) > none) {
        bail!("classes: found {classes:?}, expected {count} numbers, each at most {none}");
    }
    let rows: Vec<u32> = classes.iter().map(|&class| u32::from(class)).collect();
    table.index_select(&Tensor::from_vec(rows, count, table.device())?, 0)
}

impl Network for UNet {
    fn forward(&self, x: &Tensor, t: &Tensor) -> Result<Tensor> {
        self.run(x, t, None)
    }

    fn forward_class(&self, x: &Tensor, t: &Tensor, classes: &[u8]) -> Result<Tensor> {
        if self.class.is_none() {
            bail!("this network takes no classes");
        }
        self.run(x, t, Some(classes))
    }
}
