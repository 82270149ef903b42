//! A small U-Net: residual blocks of GroupNorm, SiLU and 3x3 convolutions at 1 to 5 resolutions.
//!
//! The architecture follows Ho et al. 2020, appendix B, with one residual block per level on the way down and on the way
//! up. The time embedding enters every residual block. The last convolutions of each block and of the network are zero at
//! first. Levels may have self-attention. A network with classes adds a learned vector per class, and one for "class not
//! given", to the time embedding.

use candle_core::{Result, Tensor, bail};
use serde::{Deserialize, Serialize};

use super::attention::SelfAttention;
use super::layers::{Conv, GroupNormSilu, Linear};
use super::network::{BuildNetwork, Network};
use super::parts::in_parts;
use super::residual::Residual;
use crate::error::{Error, check_range};
use crate::image::ImageShape;
use crate::onnx::{Attribute, Graph, Value};
use crate::params::{Init, Path};
use crate::planes::Planes;

/// Number of frequencies of the sinusoidal time embedding. The frequencies rise geometrically from 1 to 1000.
const FREQUENCIES: usize = 32;
/// The largest number of levels.
const MAX_LEVELS: usize = 5;
/// The largest number of classes: class numbers are bytes, and one more than the last means "class not given".
const MAX_CLASSES: usize = 255;
/// The largest number of pixels of a level with attention (32x32). One image has the square of this number of scores.
const MAX_ATTENTION: usize = 1024;

/// Configuration of the U-Net. The default has 0.67 million parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UNetConfig {
    /// Channels of each of the 1 to 5 levels. Level 0 has the full resolution; each further level halves height and width.
    pub channels: Vec<usize>,
    /// Groups of every GroupNorm; must divide every entry of `channels`.
    pub groups: usize,
    /// Width of the time embedding.
    pub time_embed_dim: usize,
    /// The levels with self-attention, in increasing order. The deepest level has it once, after the middle block; any
    /// other level has it after its block on the way down and after its block on the way up.
    pub attention: Vec<usize>,
    /// Number of classes that the network can be given, at most 255; 0 for a network without classes.
    pub num_classes: usize,
}

impl Default for UNetConfig {
    fn default() -> Self {
        Self {
            channels: vec![32, 64, 64],
            groups: 8,
            time_embed_dim: 128,
            attention: Vec::new(),
            num_classes: 0,
        }
    }
}

/// The U-Net. Every list has one entry per level, except `shrink` and `grow`, which have one entry between
/// each pair of neighbouring levels.
pub struct UNet {
    frequencies: Tensor,
    time1: Linear,
    time2: Linear,
    /// One row per class and a last row for "class not given", [num_classes + 1, time_embed_dim].
    class: Option<Tensor>,
    input: Conv,
    down: Vec<Residual>,
    shrink: Vec<Conv>,
    middle: Residual,
    middle_attention: Option<SelfAttention>,
    up: Vec<Residual>,
    grow: Vec<Conv>,
    attention: Vec<Option<LevelAttention>>,
    norm: GroupNormSilu,
    output: Conv,
}

/// Self-attention at a level other than the deepest.
struct LevelAttention {
    down: SelfAttention,
    up: SelfAttention,
}

impl UNetConfig {
    /// The index of the deepest level.
    fn deepest(&self) -> usize {
        self.channels.len().saturating_sub(1)
    }

    /// Builds the network itself, without wrapping it for evaluation as [`BuildNetwork::build`] does.
    ///
    /// # Errors
    /// As for [`BuildNetwork::build`].
    pub fn build_unet(&self, input: ImageShape, outputs: usize, mut path: Path<'_>) -> crate::Result<UNet> {
        self.check_shape(input)?;
        let (channels, groups, time_dim) = (&self.channels, self.groups, self.time_embed_dim);
        let levels = channels.len();
        let deepest = channels[self.deepest()];
        let residual = |i, o, path: Path<'_>| Residual::new(i, o, groups, time_dim, path);
        let attention = |level: usize, path: Path<'_>| SelfAttention::new(channels[level], groups, path);

        // Initial values depend on the order in which the parameters are created, so this order is fixed.
        let time1 = Linear::new(2 * FREQUENCIES, time_dim, path.pp("time.0"))?;
        let time2 = Linear::new(time_dim, time_dim, path.pp("time.1"))?;
        let first = Conv::new(input.channels, channels[0], 3, path.pp("input"))?;
        let down = (0..levels)
            .map(|i| residual(channels[i.saturating_sub(1)], channels[i], path.pp(format!("down.{i}"))))
            .collect::<crate::Result<_>>()?;
        let shrink = (0..levels - 1)
            .map(|i| Conv::new(channels[i], channels[i], 3, path.pp(format!("shrink.{i}"))))
            .collect::<crate::Result<_>>()?;
        let middle = residual(deepest, deepest, path.pp("middle"))?;
        let middle_attention = self.attention.contains(&self.deepest());
        let middle_attention =
            middle_attention.then(|| attention(self.deepest(), path.pp("attention"))).transpose()?;
        let up = (0..levels)
            .map(|i| residual(2 * channels[i], channels[i], path.pp(format!("up.{i}"))))
            .collect::<crate::Result<_>>()?;
        let grow = (0..levels - 1)
            .map(|i| Conv::new(channels[i + 1], channels[i], 3, path.pp(format!("grow.{i}"))))
            .collect::<crate::Result<_>>()?;
        let norm = GroupNormSilu::new(channels[0], groups, path.pp("norm"))?;
        let output = Conv::zero(channels[0], outputs, 3, path.pp("output"))?;
        // Attention above the deepest level and classes come last, so that they do not change the initial values of the
        // other parameters.
        let mut level_attention = |i: usize| {
            Ok(LevelAttention {
                down: attention(i, path.pp(format!("down.{i}.attention")))?,
                up: attention(i, path.pp(format!("up.{i}.attention")))?,
            })
        };
        let attention = (0..levels)
            .map(|i| (i < levels - 1 && self.attention.contains(&i)).then(|| level_attention(i)).transpose())
            .collect::<crate::Result<_>>()?;
        let class = (self.num_classes > 0)
            .then(|| {
                let shape = [self.num_classes + 1, time_dim];
                path.pp("class").get("weight", &shape, Init::FanIn(time_dim))
            })
            .transpose()?;

        let frequencies = Tensor::from_slice(&frequencies(), (1, FREQUENCIES), first.bias.device())?;
        Ok(UNet {
            frequencies,
            time1,
            time2,
            class,
            input: first,
            down,
            shrink,
            middle,
            middle_attention,
            up,
            grow,
            attention,
            norm,
            output,
        })
    }
}

impl BuildNetwork for UNetConfig {
    fn check(&self) -> crate::Result<()> {
        check_range("network.time_embed_dim", self.time_embed_dim, 1..=4096)?;
        check_range("network.groups", self.groups, 1..=1024)?;
        check_range("network.num_classes", self.num_classes, 0..=MAX_CLASSES)?;
        check_range("network.channels: number of levels", self.channels.len(), 1..=MAX_LEVELS)?;
        for &c in &self.channels {
            check_range("network.channels", c, 1..=1024)?;
            if c % self.groups != 0 {
                let expected = format!("a multiple of groups = {}", self.groups);
                return Err(Error::invalid("network.channels", c, expected));
            }
        }
        let increasing = self.attention.is_sorted_by(|a, b| a < b);
        if !increasing || self.attention.iter().any(|&level| level > self.deepest()) {
            let expected = format!("levels 0 to {} in increasing order", self.deepest());
            return Err(Error::invalid("network.attention", format!("{:?}", self.attention), expected));
        }
        Ok(())
    }

    fn check_shape(&self, shape: ImageShape) -> crate::Result<()> {
        self.check()?;
        let ImageShape { height, width, .. } = shape;
        let multiple = 1 << self.deepest();
        if height % multiple != 0 || width % multiple != 0 || height * width == 0 {
            let below = |side: usize| (side / multiple * multiple).max(multiple);
            let above = |side: usize| side.next_multiple_of(multiple).max(multiple);
            let mut sizes = vec![(below(height), below(width)), (above(height), above(width))];
            sizes.dedup();
            let sizes: Vec<String> =
                sizes.iter().map(|(height, width)| format!("{height}x{width}")).collect();
            let levels = 1 + (height | width).trailing_zeros().min(8);
            let expected = format!(
                "height and width that are multiples of {multiple}, such as {}, because a U-Net of {} levels halves \
                 them {} times; or at most {levels} {} in network.channels",
                sizes.join(" or "),
                self.channels.len(),
                self.deepest(),
                if levels == 1 { "entry" } else { "entries" },
            );
            return Err(Error::invalid("image size (height x width)", format!("{height}x{width}"), expected));
        }
        let pixels = |level: usize| (height >> level) * (width >> level);
        if let Some(level) = self.attention.iter().find(|&&level| pixels(level) > MAX_ATTENTION) {
            let found = format!("level {level} with {}x{} pixels", height >> level, width >> level);
            let expected = format!("levels with at most {MAX_ATTENTION} pixels");
            return Err(Error::invalid("network.attention", found, expected));
        }
        Ok(())
    }

    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn build(&self, input: ImageShape, outputs: usize, path: Path<'_>) -> crate::Result<Box<dyn Network>> {
        let trainable = path.is_trainable();
        Ok(in_parts(self.build_unet(input, outputs, path)?, trainable))
    }

    fn onnx(
        &self,
        input: ImageShape,
        graph: &mut Graph<'_>,
        x: &Value,
        t: &Value,
        classes: Option<&Value>,
    ) -> crate::Result<Value> {
        let (sine, cosine) = graph.phases(t, &frequencies());
        let time = graph.concat(&sine, &cosine);
        let time = graph.linear("time.0", &time)?;
        let time = graph.silu(&time);
        let mut time = graph.linear("time.1", &time)?;
        if let Some(classes) = classes {
            let table = graph.parameter("class.weight")?;
            let rows = graph.apply("Gather", &[&table, classes], &[("axis", Attribute::Int(0))]);
            time = graph.apply("Add", &[&time, &rows], &[]);
        }
        let time = graph.silu(&time);

        let (groups, deepest) = (self.groups, self.deepest());
        let attend = |graph: &mut Graph<'_>, name: &str, h: Value, level: usize| {
            if self.attention.contains(&level) {
                SelfAttention::onnx(graph, name, &h, groups, [input.height >> level, input.width >> level])
            } else {
                Ok(h)
            }
        };
        let mut h = graph.conv("input", x, 1)?;
        let mut skips = Vec::with_capacity(self.channels.len());
        let mut before = self.channels.first();
        for (i, channels) in self.channels.iter().enumerate() {
            let changes = before.replace(channels) != Some(channels);
            h = Residual::onnx(graph, &format!("down.{i}"), &h, &time, groups, changes)?;
            if i < deepest {
                h = attend(graph, &format!("down.{i}.attention"), h, i)?;
            }
            skips.push(h.clone());
            if i < deepest {
                h = graph.conv(&format!("shrink.{i}"), &h, 2)?;
            }
        }
        h = Residual::onnx(graph, "middle", &h, &time, groups, false)?;
        h = attend(graph, "attention", h, deepest)?;
        for (i, skip) in skips.iter().enumerate().rev() {
            if i < deepest {
                h = graph.upsample2(&h);
                h = graph.conv(&format!("grow.{i}"), &h, 1)?;
            }
            h = graph.concat(&h, skip);
            h = Residual::onnx(graph, &format!("up.{i}"), &h, &time, groups, true)?;
            if i < deepest {
                h = attend(graph, &format!("up.{i}.attention"), h, i)?;
            }
        }
        h = graph.group_norm_silu("norm", &h, groups)?;
        graph.conv("output", &h, 1)
    }
}

/// The frequencies of the time embedding: from 1 to 1000 in equal ratios.
fn frequencies() -> [f32; FREQUENCIES] {
    let log_step = 1000f64.ln() / (FREQUENCIES - 1) as f64;
    std::array::from_fn(|i| (log_step * i as f64).exp() as f32)
}

impl UNet {
    /// Times `[B]` and classes `[B]` -> [B, time_embed_dim].
    fn embed(&self, t: &Tensor, classes: Option<&[u8]>) -> Result<Tensor> {
        let phase = t.unsqueeze(1)?.broadcast_mul(&self.frequencies)?;
        let h = Tensor::cat(&[phase.sin()?, phase.cos()?], 1)?;
        let h = self.time2.forward(&self.time1.forward(&h)?.silu()?)?;
        match &self.class {
            None => h.silu(),
            Some(table) => (h + class_rows(table, t.dim(0)?, classes)?)?.silu(),
        }
    }

    /// Maps `x` [B, C_in, H, W], planes in the engine or in candle, to [B, C_out, H, W].
    ///
    /// # Errors
    /// If the shapes do not fit the network, or it takes classes and `classes` are invalid.
    pub fn run(&self, x: &Planes, t: &Tensor, classes: Option<&[u8]>) -> Result<Planes> {
        let time = self.embed(t, classes)?;
        let mut h = self.input.forward(x)?;
        let mut skips = Vec::with_capacity(self.down.len());
        for (i, down) in self.down.iter().enumerate() {
            h = down.forward(&h, &time)?;
            if let Some(attention) = &self.attention[i] {
                h = attention.down.forward(&h)?;
            }
            skips.push(h.clone());
            if let Some(shrink) = self.shrink.get(i) {
                h = shrink.forward_half(&h)?;
            }
        }
        h = self.middle.forward(&h, &time)?;
        if let Some(attention) = &self.middle_attention {
            h = attention.forward(&h)?;
        }
        for (i, (up, skip)) in self.up.iter().zip(skips).enumerate().rev() {
            if let Some(grow) = self.grow.get(i) {
                h = grow.forward_double(&h)?;
            }
            h = up.forward(&h.concat(&skip)?, &time)?;
            if let Some(attention) = &self.attention[i] {
                h = attention.up.forward(&h)?;
            }
        }
        self.output.forward(&self.norm.forward(&h)?)
    }
}

/// The rows of `table` [num_classes + 1, time_embed_dim] for a batch of `count` images: the row of each image's class, or
/// the last row for all images if there are no classes.
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
        self.run(&Planes::enter(x)?, t, None)?.leave()
    }

    fn forward_class(&self, x: &Tensor, t: &Tensor, classes: &[u8]) -> Result<Tensor> {
        if self.class.is_none() {
            bail!("this network takes no classes");
        }
        self.run(&Planes::enter(x)?, t, Some(classes))?.leave()
    }
}
