//! LayerNorm followed by the exact GELU, with an optional bias per image and channel after it.
//!
//! The forward pass computes only the statistics; the activations are [`Pending`]. The backward pass computes the sums
//! over pixels in a first sweep over all planes; the second sweep, which needs them, is [`Pending`] again.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::loops::{Activate, Centre, Moments, Slope};
use crate::engine::autograd::{
    GradSlot, LanePlanes, LaneShape, Pending, PlaneData, SavedForBackward, token, token_grad, with_slice,
};
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::{dispatch, lanes};

/// `gelu(layer_norm(x))` of `x` [B, C, H, W]. With `gamma` and `beta` [C, H, W] an image is normalised as a whole, with
/// [H, W] each of its planes by itself. `eps` is added to the variance.
///
/// # Errors
/// If the shapes do not fit together.
pub fn layer_norm_gelu(x: &LanePlanes, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<LanePlanes> {
    layer_norm_gelu_bias(x, gamma, beta, None, eps)
}

/// [`layer_norm_gelu`] plus `channel_bias` [B, C], which is added to every pixel of a plane.
pub(crate) fn layer_norm_gelu_bias(
    x: &LanePlanes,
    gamma: &Tensor,
    beta: &Tensor,
    channel_bias: Option<&Tensor>,
    eps: f64,
) -> Result<LanePlanes> {
    let shape = x.shape;
    let LaneShape { batch, channels, height, width } = shape;
    let joint = gamma.dims() == [channels, height, width];
    if gamma.dims() != beta.dims() || !(joint || gamma.dims() == [height, width]) {
        candle_core::bail!(
            "layer norm: found gamma {:?} and beta {:?}, expected both [{channels}, {height}, {width}] \
             or both [{height}, {width}]",
            gamma.dims(),
            beta.dims()
        );
    }
    if let Some(bias) = channel_bias.filter(|bias| bias.dims() != [batch, channels]) {
        candle_core::bail!(
            "layer norm: found a channel bias {:?}, expected [{batch}, {channels}]",
            bias.shape()
        );
    }
    let state = Arc::new(State {
        x: x.data.clone(),
        shape,
        joint,
        stats: statistics(&x.data, shape, joint, eps),
        gamma: with_slice(gamma, |v| Ok(v.to_vec()))?,
        beta: with_slice(beta, |v| Ok(v.to_vec()))?,
        channel_bias: channel_bias.map(|t| with_slice(t, |v| Ok(bias_to_lanes(v, shape)))).transpose()?,
    });
    let grad = Arc::<GradSlot>::default();
    let affine = Tensor::cat(&[gamma.flatten_all()?, beta.flatten_all()?], 0)?;
    let tracks = x.token.track_op() || affine.track_op() || channel_bias.is_some_and(Tensor::track_op);
    let saved = SavedForBackward::new(tracks.then(|| state.clone()));
    let op = NormGelu { saved, x: x.grad.clone(), out: grad.clone() };
    let token = match channel_bias {
        Some(bias) => x.token.apply_op3(&affine, bias, op)?,
        None => x.token.apply_op2(&affine, op)?,
    };
    Ok(LanePlanes::new(token, shape, PlaneData::pending(Output(state)), grad))
}

/// The input and parameters of the operation, and the statistics of the input.
struct State {
    x: Arc<PlaneData>,
    shape: LaneShape,
    /// Whether mean and sigma are those of an image rather than of a plane.
    joint: bool,
    /// Mean and 1/sigma, [blocks, 1 or C, 2, LANES].
    stats: Buffer,
    /// [C, H, W] or [H, W].
    gamma: Vec<f32>,
    /// Like `gamma`.
    beta: Vec<f32>,
    /// [blocks, C, LANES].
    channel_bias: Option<Buffer>,
}

impl State {
    /// Mean and 1/sigma of a plane, [2, LANES].
    fn stats(&self, block: usize, channel: usize) -> &[f32] {
        let at = if self.joint { block } else { block * self.shape.channels + channel };
        &self.stats[at * 2 * lanes()..][..2 * lanes()]
    }

    /// Scale and shift of the pixels of a plane.
    fn affine(&self, channel: usize) -> (&[f32], &[f32]) {
        let pixels = self.shape.pixels();
        let start = if self.joint { channel * pixels } else { 0 };
        (&self.gamma[start..][..pixels], &self.beta[start..][..pixels])
    }
}

/// [B, C] -> [blocks, C, LANES].
fn bias_to_lanes(values: &[f32], shape: LaneShape) -> Buffer {
    let (l, channels) = (lanes(), shape.channels);
    let mut out = Buffer::zeros(shape.blocks() * channels * l);
    for (image, values) in values.chunks_exact(channels).enumerate() {
        for (channel, value) in values.iter().enumerate() {
            out[(image / l * channels + channel) * l + image % l] = *value;
        }
    }
    out
}

/// Mean and 1/sigma of every image (`joint`) or plane, from the moments of the planes: those that the previous
/// operation recorded, or else computed here.
fn statistics(x: &PlaneData, shape: LaneShape, joint: bool, eps: f64) -> Buffer {
    let mut own = Buffer::zeros(0);
    let moments = if let Some(moments) = x.moments() {
        moments
    } else {
        own = Buffer::recycled(shape.blocks() * shape.channels * 2 * lanes());
        own.par_chunks_mut(2 * lanes()).zip(x.par_chunks(shape.plane())).for_each(|(out, plane)| {
            dispatch(Moments { plane, out });
        });
        &own
    };
    let l = lanes();
    let pixels = shape.pixels() as f64;
    let group = if joint { shape.channels } else { 1 };
    let mut stats = Buffer::recycled(moments.len() / group);
    for (stats, moments) in stats.chunks_exact_mut(2 * l).zip(moments.chunks_exact(group * 2 * l)) {
        for lane in 0..l {
            let planes = || moments.chunks_exact(2 * l).map(|m| (f64::from(m[lane]), f64::from(m[l + lane])));
            let mean = planes().map(|(mean, _)| mean).sum::<f64>() / group as f64;
            let within: f64 = planes().map(|(_, squares)| squares).sum();
            let between: f64 = planes().map(|(plane, _)| (plane - mean) * (plane - mean) * pixels).sum();
            let variance = (within + between) / (group as f64 * pixels);
            stats[lane] = mean as f32;
            stats[l + lane] = (1.0 / (variance + eps).sqrt()) as f32;
        }
    }
    drop(own);
    stats
}

/// The activations.
struct Output(Arc<State>);

impl Pending for Output {
    fn shape(&self) -> LaneShape {
        self.0.shape
    }

    fn compute(&self, block: usize, channel: usize, out: &mut [f32]) {
        let state = &*self.0;
        let (gamma, beta) = state.affine(channel);
        let mut scratch = Buffer::zeros(0);
        let x = state.x.plane(state.shape, block, channel, &mut scratch);
        let channel_bias = state
            .channel_bias
            .as_ref()
            .map(|b| &b[(block * state.shape.channels + channel) * lanes()..][..lanes()]);
        dispatch(Activate { x, stats: state.stats(block, channel), gamma, beta, channel_bias, out });
    }
}

struct NormGelu {
    saved: SavedForBackward<Arc<State>>,
    x: Arc<GradSlot>,
    out: Arc<GradSlot>,
}

/// Gradients of the parameters.
struct ParameterGradients {
    /// Of gamma and beta, both flattened, one after the other.
    affine: Tensor,
    /// Of the channel bias, [B, C], if there is one.
    channel_bias: Option<Tensor>,
}

impl NormGelu {
    /// Accumulates the gradient of x and returns those of the parameters; `None` if the loss does not depend on the
    /// output.
    fn backward(&self) -> Result<Option<ParameterGradients>> {
        let Some(mut grad) = self.out.take() else { return Ok(None) };
        let state = self.saved.take("LayerNorm-GELU")?;
        let (shape, l) = (state.shape, lanes());
        let (channels, pixels) = (shape.channels, shape.pixels());
        // The first sweep takes one channel after the other, so that the gradients of gamma and beta stay in cache.
        let mut planes: Vec<Vec<&mut [f32]>> = (0..channels).map(|_| Vec::new()).collect();
        for (i, plane) in grad.chunks_exact_mut(shape.plane()).enumerate() {
            planes[i % channels].push(plane);
        }
        let mut affine = vec![0.0; channels * 2 * pixels];
        let sums: Vec<Buffer> = planes
            .into_par_iter()
            .zip(affine.par_chunks_mut(2 * pixels))
            .enumerate()
            .map(|(channel, (grads, affine))| {
                let mut sums = Buffer::zeros(shape.blocks() * 3 * l);
                let all: &[f32] = &state.x;
                let x = (0..shape.blocks()).map(|b| &all[(b * channels + channel) * shape.plane()..]);
                let x: Vec<&[f32]> = x.map(|x| &x[..shape.plane()]).collect();
                let stats: Vec<&[f32]> = (0..shape.blocks()).map(|b| state.stats(b, channel)).collect();
                let (gamma, beta) = state.affine(channel);
                dispatch(Slope { x: &x, stats: &stats, gamma, beta, grads, sums: &mut sums, affine });
                sums
            })
            .collect();
        let affine = affine_gradient(&affine, pixels, state.joint)?;
        let channel_bias = state.channel_bias.as_ref().map(|_| {
            let mut bias = vec![0.0; shape.batch * channels];
            for (i, value) in bias.iter_mut().enumerate() {
                let (image, channel) = (i / channels, i % channels);
                *value = sums[channel][image / l * 3 * l + 2 * l + image % l];
            }
            Tensor::from_vec(bias, (shape.batch, channels), &candle_core::Device::Cpu)
        });
        let means = gradient_means(&sums, &state);
        self.x.accumulate(PlaneData::pending(InputGradient { state, grad, means }));
        Ok(Some(ParameterGradients { affine, channel_bias: channel_bias.transpose()? }))
    }
}

/// Gradients of gamma and beta per channel, [C, 2, pixels] -> both flattened, one after the other.
fn affine_gradient(by_channel: &[f32], pixels: usize, joint: bool) -> Result<Tensor> {
    let mut flat = Vec::with_capacity(by_channel.len());
    for half in 0..2 {
        let rows = by_channel.chunks_exact(2 * pixels).map(|c| &c[half * pixels..][..pixels]);
        if joint {
            rows.for_each(|row| flat.extend_from_slice(row));
        } else {
            let mut sum = vec![0.0; pixels];
            rows.for_each(|row| sum.iter_mut().zip(row).for_each(|(s, v)| *s += v));
            flat.extend_from_slice(&sum);
        }
    }
    Tensor::new(flat, &candle_core::Device::Cpu)
}

/// Means over each normalised group of the gradient of the normalised x, and of this gradient times the normalised x:
/// [blocks, 1 or C, 2, LANES].
fn gradient_means(sums: &[Buffer], state: &State) -> Buffer {
    let (l, channels) = (lanes(), state.shape.channels);
    let group = if state.joint { channels } else { 1 };
    let mut means = Buffer::zeros(state.stats.len());
    let count = (group * state.shape.pixels()) as f32;
    for (i, means) in means.chunks_exact_mut(2 * l).enumerate() {
        for member in i * group..(i + 1) * group {
            let (block, channel) = (member / channels, member % channels);
            let sums = &sums[channel][block * 3 * l..][..2 * l];
            means.iter_mut().zip(sums).for_each(|(m, s)| *m += s);
        }
        means.iter_mut().for_each(|m| *m /= count);
    }
    means
}

/// The second sweep of the backward pass.
struct InputGradient {
    state: Arc<State>,
    /// The gradient of the normalised x.
    grad: Buffer,
    means: Buffer,
}

impl Pending for InputGradient {
    fn shape(&self) -> LaneShape {
        self.state.shape
    }

    fn compute(&self, block: usize, channel: usize, out: &mut [f32]) {
        let state = &*self.state;
        let shape = state.shape;
        let start = (block * shape.channels + channel) * shape.plane();
        let at = if state.joint { block } else { block * shape.channels + channel };
        let mut scratch = Buffer::zeros(0);
        dispatch(Centre {
            x: state.x.plane(shape, block, channel, &mut scratch),
            stats: state.stats(block, channel),
            grad: &self.grad[start..][..shape.plane()],
            means: &self.means[at * 2 * lanes()..][..2 * lanes()],
            out,
        });
    }
}

impl CustomOp2 for NormGelu {
    fn name(&self) -> &'static str {
        "lanes-layer-norm-gelu"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(gradients) = self.backward()? else { return Ok((None, None)) };
        Ok((token_grad()?, Some(gradients.affine)))
    }
}

impl CustomOp3 for NormGelu {
    fn name(&self) -> &'static str {
        "lanes-layer-norm-gelu-bias"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(gradients) = self.backward()? else { return Ok((None, None, None)) };
        Ok((token_grad()?, Some(gradients.affine), gradients.channel_bias))
    }
}
