//! The circular convolution of planes of at most 32x32 pixels, as an operation of candle's graph.
//!
//! One task takes one block through transform, products and inverse transform; if there are fewer blocks than threads,
//! a task takes some of a block's channels. Weight gradients are sums over all blocks, bin by bin and in the order of
//! the blocks.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::product::{GROUP, Product, channel_bins};
use super::transform::{BINS, Extent, WORK, forward, inverse};
use super::weight_gradient::WeightGradient;
use super::weight_spectra::{WeightSpectra, spectra_to_weight};
use crate::engine::autograd::{
    GradSlot, LanePlanes, LaneShape, PlaneData, SavedForBackward, token, token_grad, with_slice,
};
use crate::engine::conv::weight::ConvWeight;
use crate::engine::norm::Moments;
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::{dispatch, lanes};

/// Bins of the weight gradient that one task sums.
const BIN_CHUNK: usize = 8;

/// Convolution of `x` [B, I, H, W], which is extended by zeros to 32x32 pixels and then periodically, with a weight [O,
/// I, k, k] centred at its middle tap; `bias` is `[O]`. The caller has checked the shapes; H, W and k are at most 32.
///
/// The result [B, O, H, W] equals that of a convolution with zero padding where the k/2 pixels around a result do not
/// reach across the period.
pub(super) fn convolve_circular(x: &LanePlanes, weight: &ConvWeight, bias: &Tensor) -> Result<LanePlanes> {
    let tensor = weight.tensor();
    let (outputs, inputs, size, _) = tensor.dims4()?;
    let keep_input = tensor.track_op();
    let tracks = keep_input || x.token.track_op() || bias.track_op();
    let weight = weight.spectra(|values| WeightSpectra::new(values, inputs, outputs, size))?;
    let (y, spectra) = with_slice(bias, |bias| Ok(run_forward(&x.data, x.shape, &weight, bias, keep_input)))?;
    let grad = Arc::<GradSlot>::default();
    let saved = SavedForBackward::new(tracks.then_some(Saved { x: spectra, weight }));
    let op = CircularConv { shape: x.shape, saved, x: x.grad.clone(), out: grad.clone() };
    let token = x.token.apply_op3(tensor, bias, op)?;
    Ok(LanePlanes::new(token, x.shape.with_channels(outputs), y, grad))
}

/// Floats of the spectra of one block.
fn spectrum_len(channels: usize) -> usize {
    channels * BINS * 2 * lanes()
}

/// The forward pass of all blocks: the output planes and, with `keep`, the spectra of the input.
fn run_forward(
    x: &PlaneData,
    shape: LaneShape,
    weight: &WeightSpectra,
    bias: &[f32],
    keep: bool,
) -> (PlaneData, Option<Buffer>) {
    let out = shape.with_channels(weight.outputs);
    let mut y = Buffer::recycled(out.len());
    let len = spectrum_len(shape.channels);
    let mut kept = Buffer::recycled(if keep { shape.blocks() * len } else { 0 });
    let kept_blocks = optional_chunks(keep.then_some(&mut *kept), len, shape.blocks());
    let mut moments = Buffer::recycled(out.blocks() * out.channels * 2 * lanes());
    let moments_blocks = moments.par_chunks_mut(out.channels * 2 * lanes());
    let y_blocks = y.par_chunks_mut(out.channels * out.plane()).zip(moments_blocks);
    let threads = threads_per_block(shape);
    y_blocks.zip(kept_blocks).enumerate().for_each(|(block, ((y, moments), kept))| {
        let mut scratch = Buffer::recycled(if keep { 0 } else { len });
        let x_spectrum = kept.unwrap_or(&mut scratch);
        to_spectra(x, shape, block, x_spectrum, threads);
        convolve(x_spectrum, weight, true, Some(bias), out, (y, Some(moments)), threads);
    });
    (PlaneData::from(y).with_moments(moments), keep.then_some(kept))
}

/// Divides a buffer into `count` chunks of `len` floats, of which the last may be shorter. Without a buffer, every chunk is
/// `None`.
fn optional_chunks(buffer: Option<&mut [f32]>, len: usize, count: usize) -> Vec<Option<&mut [f32]>> {
    match buffer {
        Some(buffer) => buffer.chunks_mut(len).map(Some).collect(),
        None => (0..count).map(|_| None).collect(),
    }
}

/// The number of threads for each block; 0 if there are more blocks than threads.
fn threads_per_block(shape: LaneShape) -> usize {
    rayon::current_num_threads() / shape.blocks().max(1)
}

/// Transforms the planes of one block to spectra.
fn to_spectra(x: &PlaneData, shape: LaneShape, block: usize, out: &mut [f32], threads: usize) {
    let per_task = if threads > 1 { GROUP } else { shape.channels };
    out.par_chunks_mut(spectrum_len(per_task)).enumerate().for_each(|(task, out)| {
        let mut work = Buffer::recycled(WORK * lanes());
        let mut scratch = Buffer::recycled(shape.plane());
        let first = task * per_task;
        let count = per_task.min(shape.channels - first);
        for channel in 0..count {
            let plane = x.plane(shape, block, first + channel, &mut scratch);
            let (at, step) = channel_bins(channel, count);
            dispatch(Transform { plane, extent: extent(shape), work: &mut work, out, step, at });
        }
    });
}

/// The largest number of output channels whose spectra are computed together, which bounds the scratch memory. With fewer
/// channels the scratch memory would stay in the second-level cache, but reading the inputs again for each group costs more
/// (8 and 16 were measured).
const OUTPUTS: usize = 32;

/// Products and inverse transforms of one block: writes the planes and, on request, the moments of each plane (see
/// [`PlaneData::with_moments`]).
fn convolve(
    from: &[f32],
    weight: &WeightSpectra,
    conjugate: bool,
    bias: Option<&[f32]>,
    shape: LaneShape,
    (planes, moments): (&mut [f32], Option<&mut [f32]>),
    threads: usize,
) {
    let l = lanes();
    let per_task = shape.channels.div_ceil(threads.max(1)).next_multiple_of(2 * GROUP).min(OUTPUTS);
    let moments = optional_chunks(moments, per_task * 2 * l, shape.channels.div_ceil(per_task));
    let tasks = planes.par_chunks_mut(per_task * shape.plane()).zip(moments).enumerate();
    tasks.for_each(|(task, (planes, mut moments))| {
        let mut work = Buffer::recycled(WORK * l);
        let first = task * per_task;
        let count = planes.len() / shape.plane();
        let mut spectra = Buffer::recycled(spectrum_len(count));
        dispatch(Product { from, weight, conjugate, first, to: &mut spectra });
        for (channel, plane) in planes.chunks_exact_mut(shape.plane()).enumerate() {
            let (at, step) = channel_bins(channel, count);
            if let Some(bias) = bias {
                // The spectrum of a constant plane is 1024 times its value at frequency 0, and the inverse multiplies
                // by 1024.
                spectra[at * 2 * l..][..l].iter_mut().for_each(|v| *v += bias[first + channel]);
            }
            dispatch(Restore { spectra: &spectra, step, at, work: &mut work, plane, extent: extent(shape) });
            if let Some(moments) = moments.as_deref_mut() {
                dispatch(Moments { plane, out: &mut moments[channel * 2 * l..][..2 * l] });
            }
        }
    });
}

fn extent(shape: LaneShape) -> Extent {
    Extent { height: shape.height, width: shape.width }
}

struct Transform<'a> {
    plane: &'a [f32],
    extent: Extent,
    work: &'a mut [f32],
    out: &'a mut [f32],
    step: usize,
    at: usize,
}

impl WithSimd for Transform<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let work = S::as_mut_simd_f32s(self.work).0;
        let out = S::as_mut_simd_f32s(self.out).0;
        forward(simd, S::as_simd_f32s(self.plane).0, self.extent, work, out, self.step, self.at);
    }
}

struct Restore<'a> {
    spectra: &'a [f32],
    step: usize,
    at: usize,
    work: &'a mut [f32],
    plane: &'a mut [f32],
    extent: Extent,
}

impl WithSimd for Restore<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let work = S::as_mut_simd_f32s(self.work).0;
        let plane = S::as_mut_simd_f32s(self.plane).0;
        inverse(simd, S::as_simd_f32s(self.spectra).0, self.step, self.at, work, plane, self.extent);
    }
}

/// The results of the forward pass that the backward pass needs.
struct Saved {
    /// Spectra of the input of all blocks, if the weight needs a gradient.
    x: Option<Buffer>,
    weight: Arc<WeightSpectra>,
}

struct CircularConv {
    /// Shape of the input.
    shape: LaneShape,
    saved: SavedForBackward<Saved>,
    x: Arc<GradSlot>,
    out: Arc<GradSlot>,
}

impl CustomOp3 for CircularConv {
    fn name(&self) -> &'static str {
        "lanes-conv-fft"
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
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(grad) = self.out.take_data() else { return Ok((None, None, None)) };
        let Saved { x: x_spectra, weight: weight_spectra } = self.saved.take("FFT convolution")?;
        let device = weight.device();
        let WeightSpectra { inputs, outputs, pairs, .. } = *weight_spectra;
        let shape = self.shape.with_channels(outputs);
        let (blocks, y_len) = (shape.blocks(), spectrum_len(outputs));

        let mut y_spectra = Buffer::recycled(blocks * y_len);
        let need_x = x.track_op();
        let transposed = need_x.then(|| weight_spectra.transposed());
        let mut x_grad = Buffer::recycled(if need_x { self.shape.len() } else { 0 });
        let block_len = self.shape.channels * self.shape.plane();
        let x_planes = optional_chunks(need_x.then_some(&mut *x_grad), block_len, blocks);
        let threads = threads_per_block(shape);
        let work = y_spectra.par_chunks_mut(y_len).zip(x_planes).enumerate();
        work.for_each(|(block, (y, x))| {
            to_spectra(&grad, shape, block, y, threads);
            if let (Some(planes), Some(spectra)) = (x, &transposed) {
                convolve(y, spectra, false, None, self.shape, (planes, None), threads);
            }
        });
        drop((grad, transposed));
        if need_x {
            self.x.accumulate(x_grad);
        }

        let weight_grad = if let Some(x_spectra) = x_spectra {
            let mut spectra = Buffer::recycled(BINS * 2 * pairs);
            let channels = (inputs, outputs);
            spectra.par_chunks_mut(BIN_CHUNK * 2 * pairs).enumerate().for_each(|(chunk, out)| {
                let bin = chunk * BIN_CHUNK;
                dispatch(WeightGradient { x: &x_spectra, y: &y_spectra, channels, bin, pairs, out });
            });
            let gradient = spectra_to_weight(&spectra, inputs, outputs, weight.dims4()?.2);
            Some(Tensor::from_vec(gradient, weight.shape(), device)?)
        } else {
            None
        };
        let bias_grad = if bias.track_op() {
            Some(Tensor::from_vec(bias_gradient(&y_spectra, outputs), bias.shape(), device)?)
        } else {
            None
        };
        Ok((if need_x { token_grad()? } else { None }, weight_grad, bias_grad))
    }
}

/// The sum of the gradient over images and pixels: half of what [`forward`] computes at frequency 0.
fn bias_gradient(spectra: &[f32], channels: usize) -> Vec<f32> {
    let mut sums = vec![0.0; channels];
    for block in spectra.chunks_exact(spectrum_len(channels)) {
        for (channel, sum) in sums.iter_mut().enumerate() {
            let start = channel_bins(channel, channels).0 * 2 * lanes();
            *sum += block[start..][..lanes()].iter().sum::<f32>() * 0.5;
        }
    }
    sums
}
