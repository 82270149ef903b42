//! The convolution as an operation on lane planes, with its backward pass.
//!
//! One task takes one lane block through transform, product and inverse transform, or where there are fewer blocks than
//! threads a part of its channels; weight gradients sum over all blocks bin by bin, in block order.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::super::kernels::Kernels;
use super::super::lanes::{GradSlot, LanePlanes, LaneShape, token, token_grad, with_slice};
use super::super::norm_kernels::Moments;
use super::super::plane_data::PlaneData;
use super::super::pool::Buffer;
use super::super::simd::{dispatch, lanes};
use super::product::{GROUP, Product, channel_bins};
use super::transform::{BINS, Extent, POINTS, WORK, forward, inverse};
use super::weight_gradient::WeightGradient;
use super::weights::{KernelSpectra, kernel_gradient};

/// Bins of the weight gradient that one task sums.
const BIN_CHUNK: usize = 8;

/// Same-padded convolution (cross-correlation): kernels [O, I, k, k] with k odd, bias `[O]`.
///
/// Exact while nothing wraps around the transform's 32 points: height + k/2 <= 32 and width + k/2 <= 32 (k/2 rounded
/// down), so up to 29x29 for k = 7.
///
/// # Errors
/// If shapes do not fit, or the planes are larger than that.
pub fn conv_fft(x: &LanePlanes, kernels: &Kernels, bias: &Tensor) -> Result<LanePlanes> {
    let weight = kernels.weight();
    let (outputs, inputs, size, size_2) = weight.dims4()?;
    let LaneShape { channels, height, width, .. } = x.shape;
    if size != size_2 || size % 2 == 0 || outputs == 0 || inputs != channels || bias.dims() != [outputs] {
        candle_core::bail!(
            "conv_fft: weight {:?} and bias {:?} on {channels} channels",
            weight.dims(),
            bias.dims()
        );
    }
    if height.max(width) + size / 2 > POINTS {
        candle_core::bail!("conv_fft: {size}x{size} on {height}x{width} does not fit {POINTS} points");
    }
    let shape = x.shape.with_channels(outputs);
    let keep = weight.track_op();
    let learns = keep || x.token.track_op() || bias.track_op();
    let kernels = kernels.spectra(|w| KernelSpectra::new(w, inputs, outputs, size))?;
    let (y, spectra) = with_slice(bias, |bias| Ok(run_forward(&x.data, x.shape, &kernels, bias, keep)))?;
    let grad = Arc::<GradSlot>::default();
    let saved = learns.then_some(Saved { x: spectra, kernels });
    let op = Conv { shape: x.shape, saved: Mutex::new(saved), x: x.grad.clone(), out: grad.clone() };
    let token = x.token.apply_op3(weight, bias, op)?;
    Ok(LanePlanes::new(token, shape, y, grad))
}

/// Floats of the spectrum of one block.
fn spectrum_len(channels: usize) -> usize {
    channels * BINS * 2 * lanes()
}

/// All blocks forward: the output planes and, with `keep`, the spectra of the input.
fn run_forward(
    x: &PlaneData,
    shape: LaneShape,
    kernels: &KernelSpectra,
    bias: &[f32],
    keep: bool,
) -> (PlaneData, Option<Buffer>) {
    let out = shape.with_channels(kernels.outputs);
    let mut y = Buffer::stale(out.len());
    let len = spectrum_len(shape.channels);
    let mut kept = Buffer::stale(if keep { shape.blocks() * len } else { 0 });
    let kept_blocks = parts(keep.then_some(&mut *kept), len, shape.blocks());
    let mut moments = Buffer::stale(out.blocks() * out.channels * 2 * lanes());
    let moments_blocks = moments.par_chunks_mut(out.channels * 2 * lanes());
    let y_blocks = y.par_chunks_mut(out.channels * out.plane()).zip(moments_blocks);
    let threads = threads_per_block(shape);
    y_blocks.zip(kept_blocks).enumerate().for_each(|(block, ((y, moments), kept))| {
        let mut scratch = Buffer::stale(if keep { 0 } else { len });
        let x_spectrum = kept.unwrap_or(&mut scratch);
        to_spectra(x, shape, block, x_spectrum, threads);
        convolve(x_spectrum, kernels, true, Some(bias), out, (y, Some(moments)), threads);
    });
    (PlaneData::from(y).with_moments(moments), keep.then_some(kept))
}

/// A buffer in `count` parts of `len` floats, the last one perhaps shorter; as many times nothing where there is none.
fn parts(buffer: Option<&mut [f32]>, len: usize, count: usize) -> Vec<Option<&mut [f32]>> {
    match buffer {
        Some(buffer) => buffer.chunks_mut(len).map(Some).collect(),
        None => (0..count).map(|_| None).collect(),
    }
}

/// Threads that a block may have to itself.
fn threads_per_block(shape: LaneShape) -> usize {
    rayon::current_num_threads() / shape.blocks().max(1)
}

/// Spectra of the planes of one block.
fn to_spectra(x: &PlaneData, shape: LaneShape, block: usize, out: &mut [f32], threads: usize) {
    let per_task = if threads > 1 { GROUP } else { shape.channels };
    out.par_chunks_mut(spectrum_len(per_task)).enumerate().for_each(|(task, out)| {
        let mut work = Buffer::stale(WORK * lanes());
        let mut scratch = Buffer::stale(shape.plane());
        let first = task * per_task;
        let count = per_task.min(shape.channels - first);
        for channel in 0..count {
            let plane = x.plane(shape, block, first + channel, &mut scratch);
            let (at, step) = channel_bins(channel, count);
            dispatch(Transform { plane, extent: extent(shape), work: &mut work, out, step, at });
        }
    });
}

/// Outputs whose spectra are in the making at a time. It bounds the scratch memory; fewer would keep it in the
/// second-level cache, but reading the inputs again for each group costs more than that saves (8 and 16 were measured).
const OUTPUTS: usize = 32;

/// Products and inverse transforms of one block: the planes, and on request each plane's moments, see
/// [`PlaneData::with_moments`].
fn convolve(
    from: &[f32],
    kernels: &KernelSpectra,
    conjugate: bool,
    bias: Option<&[f32]>,
    shape: LaneShape,
    (planes, moments): (&mut [f32], Option<&mut [f32]>),
    threads: usize,
) {
    let l = lanes();
    let per_task = shape.channels.div_ceil(threads.max(1)).next_multiple_of(2 * GROUP).min(OUTPUTS);
    let moments = parts(moments, per_task * 2 * l, shape.channels.div_ceil(per_task));
    let tasks = planes.par_chunks_mut(per_task * shape.plane()).zip(moments).enumerate();
    tasks.for_each(|(task, (planes, mut moments))| {
        let mut work = Buffer::stale(WORK * l);
        let first = task * per_task;
        let count = planes.len() / shape.plane();
        let mut spectra = Buffer::stale(spectrum_len(count));
        dispatch(Product { from, kernels, conjugate, first, to: &mut spectra });
        for (channel, plane) in planes.chunks_exact_mut(shape.plane()).enumerate() {
            let (at, step) = channel_bins(channel, count);
            if let Some(bias) = bias {
                // A constant plane is 1024 times its value at frequency 0; the inverse multiplies by 1024.
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

/// What the backward pass needs.
struct Saved {
    /// Spectra of the input planes, all blocks, if the weight's gradient will be asked for.
    x: Option<Buffer>,
    kernels: Arc<KernelSpectra>,
}

struct Conv {
    /// Of the input.
    shape: LaneShape,
    saved: Mutex<Option<Saved>>,
    x: Arc<GradSlot>,
    out: Arc<GradSlot>,
}

impl CustomOp3 for Conv {
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
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(saved) = saved else { candle_core::bail!("conv_fft: backward runs once") };
        let Saved { x: x_spectra, kernels } = saved;
        let device = weight.device();
        let KernelSpectra { inputs, outputs, pairs, .. } = *kernels;
        let shape = self.shape.with_channels(outputs);
        let (blocks, y_len) = (shape.blocks(), spectrum_len(outputs));

        let mut y_spectra = Buffer::stale(blocks * y_len);
        let need_x = x.track_op();
        let transposed = need_x.then(|| kernels.transposed());
        let mut x_grad = Buffer::stale(if need_x { self.shape.len() } else { 0 });
        let block_len = self.shape.channels * self.shape.plane();
        let x_planes = parts(need_x.then_some(&mut *x_grad), block_len, blocks);
        let threads = threads_per_block(shape);
        let work = y_spectra.par_chunks_mut(y_len).zip(x_planes).enumerate();
        work.for_each(|(block, (y, x))| {
            to_spectra(&grad, shape, block, y, threads);
            if let (Some(planes), Some(kernels)) = (x, &transposed) {
                convolve(y, kernels, false, None, self.shape, (planes, None), threads);
            }
        });
        drop((grad, transposed));
        if need_x {
            self.x.accumulate(x_grad);
        }

        let weight_grad = if let Some(x_spectra) = x_spectra {
            let mut spectra = Buffer::stale(BINS * 2 * pairs);
            let channels = (inputs, outputs);
            spectra.par_chunks_mut(BIN_CHUNK * 2 * pairs).enumerate().for_each(|(chunk, out)| {
                let bin = chunk * BIN_CHUNK;
                dispatch(WeightGradient { x: &x_spectra, y: &y_spectra, channels, bin, pairs, out });
            });
            let gradient = kernel_gradient(&spectra, inputs, outputs, weight.dims4()?.2);
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

/// The sum of the gradient over images and pixels: half of what [`forward`] finds at frequency 0.
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
