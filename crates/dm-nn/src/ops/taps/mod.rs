//! Direct convolutions: any kernel size, stride and channel count.
//!
//! A task copies the rows of the input that its rows of results need into a patch with zero borders, split by the
//! stride into phases, so that the inputs of neighbouring results are neighbours too; then every tap of every channel is
//! one step of the shared product loop. Used for 1x1 and strided convolutions, and for 3x3 where there are too few
//! channels for Winograd's transforms to pay.

#![allow(unsafe_code, reason = "loops over vectors in patches; bounds come from the geometry")]

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::disjoint::Disjoint;
use super::lanes::LaneShape;
use super::pool::Buffer;
use super::products::{OUT, Runs, Target, correlate, product_run};
use super::simd::{dispatch, lanes};

/// Bytes of a patch: fits the second-level cache beside weights and results.
const PATCH_BYTES: usize = 256 << 10;
/// Partial weight gradients: a fixed number, so that sums do not depend on the number of threads.
const PARTS: usize = 8;

/// A square kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Geometry {
    /// Shape of the result.
    pub fn output(self, shape: LaneShape, channels: usize) -> LaneShape {
        let size = |n: usize| (n + 2 * self.padding - self.kernel) / self.stride + 1;
        LaneShape { channels, height: size(shape.height), width: size(shape.width), ..shape }
    }

    fn taps(self) -> usize {
        self.kernel * self.kernel
    }
}

/// Which part of a plane a patch holds, and how.
#[derive(Clone, Copy)]
struct Patch {
    stride: usize,
    /// Rows and columns of each phase.
    rows: usize,
    cols: usize,
    /// Zero columns before the image.
    left: usize,
}

impl Patch {
    /// Vectors per channel.
    fn channel(self) -> usize {
        self.stride * self.stride * self.rows * self.cols
    }

    /// Vectors from a channel's start to the input of tap (`y`, `x`) of the first result.
    fn tap(self, y: usize, x: usize) -> usize {
        let s = self.stride;
        ((y % s * s + x % s) * self.rows + y / s) * self.cols + x / s
    }

    /// Fills the patch of all channels of a block from image row `top` (may be negative) on.
    fn fill(self, patch: &mut [f32], planes: &[f32], shape: LaneShape, top: isize) {
        let l = lanes();
        let s = self.stride;
        for channel in 0..shape.channels {
            let plane = &planes[channel * shape.plane()..][..shape.plane()];
            for (phase, rows) in patch[channel * self.channel() * l..][..self.channel() * l]
                .chunks_mut(self.rows * self.cols * l)
                .enumerate()
            {
                let (a, b) = (phase / s, phase % s);
                for (r, row) in rows.chunks_mut(self.cols * l).enumerate() {
                    let y = top + (r * s + a).cast_signed();
                    if y < 0 || y >= shape.height.cast_signed() {
                        row.fill(0.0);
                        continue;
                    }
                    let source = &plane[y.cast_unsigned() * shape.width * l..][..shape.width * l];
                    if s == 1 {
                        let inside = shape.width.min(self.cols - self.left);
                        row[..self.left * l].fill(0.0);
                        row[self.left * l..][..inside * l].copy_from_slice(&source[..inside * l]);
                        row[(self.left + inside) * l..].fill(0.0);
                    } else {
                        for (x, value) in row.chunks_mut(l).enumerate() {
                            match (x * s + b).checked_sub(self.left) {
                                Some(x) if x < shape.width => value.copy_from_slice(&source[x * l..][..l]),
                                _ => value.fill(0.0),
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Rows of results per task so that the patch has about `PATCH_BYTES`.
fn rows_per_task(channels: usize, geometry: Geometry, out: LaneShape) -> usize {
    let row = channels
        * geometry.stride
        * geometry.stride
        * (out.width + geometry.kernel)
        * lanes()
        * size_of::<f32>();
    (PATCH_BYTES / row).saturating_sub(geometry.kernel / 2).clamp(1, out.height)
}

/// All (block, first row, rows) tasks.
fn tasks(out: LaneShape, rows: usize) -> Vec<(usize, usize, usize)> {
    let pieces = out.height.div_ceil(rows);
    (0..out.blocks())
        .flat_map(|block| {
            (0..pieces).map(move |p| {
                let (first, end) = (p * out.height / pieces, (p + 1) * out.height / pieces);
                (block, first, end - first)
            })
        })
        .collect()
}

/// One convolution of patches: which taps of the patch meet which weights, and where the results go.
struct Sweep<'a> {
    /// Per step: float offset into the patch.
    offsets: Vec<u32>,
    /// [to / 4, step, 4].
    weights: &'a [[f32; OUT]],
    to: usize,
    /// Results of a row, floats between rows of the patch.
    width: usize,
    patch_row: usize,
    /// Floats between channels, rows and columns of the result.
    channel: usize,
    row: usize,
    col: usize,
}

/// Runs a sweep over `rows` rows.
struct Run<'a> {
    sweep: &'a Sweep<'a>,
    patch: &'a [f32],
    rows: usize,
    bias: &'a [f32],
    out: *mut f32,
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let s = self.sweep;
        let steps = s.offsets.len();
        let (biases, _) = S::as_simd_f32s(self.bias);
        for c in (0..s.to).step_by(OUT) {
            let weights = &s.weights[c / OUT * steps..][..steps];
            let bias = [biases[c], biases[c + 1], biases[c + 2], biases[c + 3]];
            for r in 0..self.rows {
                // SAFETY: the patch holds the inputs and the result the rows of this task.
                unsafe {
                    let target = Target {
                        start: self.out.add(c * s.channel + r * s.row),
                        channel: s.channel,
                        step: s.col,
                        channels: OUT.min(s.to - c),
                    };
                    let x = self.patch.as_ptr().add(r * s.patch_row);
                    product_run(simd, x, &s.offsets, weights, bias, target, s.width);
                }
            }
        }
    }
}

/// Packs weights as [to / 4, from x taps, 4] with zeros beyond `to`.
fn pack(from: usize, to: usize, taps: usize, weight: impl Fn(usize, usize, usize) -> f32) -> Vec<[f32; OUT]> {
    let mut packed = vec![[0.0; OUT]; to.div_ceil(OUT) * from * taps];
    for t in 0..to {
        for f in 0..from {
            for k in 0..taps {
                packed[(t / OUT * from + f) * taps + k][t % OUT] = weight(t, f, k);
            }
        }
    }
    packed
}

/// Offsets of all (channel, tap) steps; taps in the order that `tap_at` gives.
fn offsets(channels: usize, patch: Patch, taps: &[(usize, usize)]) -> Vec<u32> {
    let l = lanes();
    let of = |c: usize| taps.iter().map(move |(y, x)| ((c * patch.channel() + patch.tap(*y, *x)) * l) as u32);
    (0..channels).flat_map(of).collect()
}

/// Taps column by column: neighbours in this order never read overlapping runs of one row.
fn tap_order(kernel: usize) -> Vec<(usize, usize)> {
    (0..kernel).flat_map(|x| (0..kernel).map(move |y| (y, x))).collect()
}

fn patch_of(geometry: Geometry, out: LaneShape, rows: usize) -> Patch {
    let phase = |n: usize| ((n - 1) * geometry.stride + geometry.kernel).div_ceil(geometry.stride);
    Patch { stride: geometry.stride, rows: phase(rows), cols: phase(out.width), left: geometry.padding }
}

/// y = x * weight + bias; `bias` holds [block, out rounded up to 4] vectors.
pub(super) fn forward(
    x: &[f32],
    shape: LaneShape,
    weight: &[f32],
    out: usize,
    geometry: Geometry,
    bias: &[f32],
) -> Buffer {
    let k = geometry.kernel;
    let order = tap_order(k);
    let weights = pack(shape.channels, out, k * k, |t, f, n| {
        weight[(t * shape.channels + f) * k * k + order[n].0 * k + order[n].1]
    });
    let out_shape = geometry.output(shape, out);
    convolve(x, shape, &weights, out_shape, geometry, bias)
}

/// A sweep of all rows of results, patch by patch.
fn convolve(
    x: &[f32],
    shape: LaneShape,
    weights: &[[f32; OUT]],
    out: LaneShape,
    geometry: Geometry,
    bias: &[f32],
) -> Buffer {
    let l = lanes();
    let padded = out.channels.next_multiple_of(OUT);
    let mut y = Buffer::stale(out.len());
    let target = Disjoint::new(&mut y);
    let rows = rows_per_task(shape.channels, geometry, out);
    let patch = patch_of(geometry, out, rows);
    let block = shape.channels * shape.plane();
    let mut sweep = Sweep {
        offsets: offsets(shape.channels, patch, &tap_order(geometry.kernel)),
        weights,
        to: out.channels,
        width: out.width,
        patch_row: patch.cols * l,
        channel: out.plane(),
        row: out.width * l,
        col: l,
    };
    let flat = geometry.kernel == 1 && geometry.stride == 1;
    if flat {
        // Without borders, rows of the patch follow each other as rows of the plane do.
        sweep.width = rows * out.width;
    }
    tasks(out, rows).into_par_iter().for_each_init(
        || Buffer::stale(shape.channels * patch.channel() * l),
        |buffer, (b, first, rows)| {
            let top = (first * geometry.stride).cast_signed() - geometry.padding.cast_signed();
            patch.fill(buffer, &x[b * block..][..block], shape, top);
            // SAFETY: each task writes its own rows.
            let out = unsafe { target.at(b * out.channels * out.plane() + first * out.width * l) };
            let bias = &bias[b * padded * l..][..padded * l];
            if flat {
                let sweep = Sweep { offsets: sweep.offsets.clone(), width: rows * sweep.row / l, ..sweep };
                dispatch(Run { sweep: &sweep, patch: buffer, rows: 1, bias, out });
            } else {
                dispatch(Run { sweep: &sweep, patch: buffer, rows, bias, out });
            }
        },
    );
    y
}

/// Gradient of the input; `shape` is the input's.
pub(super) fn input_gradient(
    grad: &[f32],
    shape: LaneShape,
    weight: &[f32],
    out: usize,
    geometry: Geometry,
) -> Buffer {
    let (k, from) = (geometry.kernel, shape.channels);
    let grad_shape = geometry.output(shape, out);
    let zeros = Buffer::zeros(shape.blocks() * from.next_multiple_of(OUT) * lanes());
    let at = |t: usize, f: usize, (y, x): (usize, usize)| weight[(f * from + t) * k * k + y * k + x];
    if geometry.stride == 1 {
        let order = tap_order(k);
        let weights = pack(out, from, k * k, |t, f, n| at(t, f, (k - 1 - order[n].0, k - 1 - order[n].1)));
        let geometry = Geometry { padding: k - 1 - geometry.padding, ..geometry };
        return convolve(grad, grad_shape, &weights, shape, geometry, &zeros);
    }
    strided_input_gradient(grad, grad_shape, shape, at, geometry, &zeros)
}

/// Every phase of the strided input is a stride-one convolution of the gradient with some of the taps.
fn strided_input_gradient(
    grad: &[f32],
    grad_shape: LaneShape,
    shape: LaneShape,
    weight: impl Fn(usize, usize, (usize, usize)) -> f32,
    geometry: Geometry,
    zeros: &[f32],
) -> Buffer {
    let l = lanes();
    let (k, s, p) = (geometry.kernel, geometry.stride, geometry.padding);
    // Along one axis, input position s * q + phase meets tap t at gradient position q + (phase + p - t) / s.
    let axis_taps = |phase: usize| -> Vec<(usize, usize)> {
        (0..k)
            .filter(|t| (phase + p + k * s - t).is_multiple_of(s) && phase + p >= *t)
            .map(|t| (t, (phase + p - t) / s))
            .collect()
    };
    let reach = p.div_ceil(s);
    let phase_rows = shape.height.div_ceil(s);
    let out = LaneShape { height: phase_rows, width: shape.width.div_ceil(s), ..shape };
    let one = Geometry { kernel: reach + 1, stride: 1, padding: 0 };
    let rows = rows_per_task(grad_shape.channels, one, out);
    let patch = Patch { stride: 1, rows: rows + reach, cols: out.width + reach, left: 0 };
    let mut packed = Vec::new();
    for a in 0..s {
        for b in 0..s {
            let taps: Vec<_> = axis_taps(b)
                .into_iter()
                .flat_map(|x| axis_taps(a).into_iter().map(move |y| (y, x)))
                .collect();
            let weights = pack(grad_shape.channels, shape.channels, taps.len(), |t, f, n| {
                weight(t, f, (taps[n].0.0, taps[n].1.0))
            });
            let at: Vec<_> = taps.iter().map(|(y, x)| (y.1, x.1)).collect();
            packed.push((a, b, weights, offsets(grad_shape.channels, patch, &at)));
        }
    }
    let mut dx = Buffer::stale(shape.len());
    let target = Disjoint::new(&mut dx);
    let block = grad_shape.channels * grad_shape.plane();
    tasks(out, rows).into_par_iter().for_each_init(
        || Buffer::stale(grad_shape.channels * patch.channel() * l),
        |buffer, (n, first, rows)| {
            patch.fill(buffer, &grad[n * block..][..block], grad_shape, first.cast_signed());
            for (a, b, weights, offsets) in &packed {
                let sweep = Sweep {
                    offsets: offsets.clone(),
                    weights,
                    to: shape.channels,
                    width: (shape.width + s - 1 - b) / s,
                    patch_row: patch.cols * l,
                    channel: shape.plane(),
                    row: s * shape.width * l,
                    col: s * l,
                };
                let rows = rows.min(((shape.height + s - 1 - a) / s).saturating_sub(first));
                if rows == 0 || sweep.width == 0 {
                    continue;
                }
                let start = n * shape.channels * shape.plane() + ((first * s + a) * shape.width + b) * l;
                // SAFETY: each task writes its own rows.
                let out = unsafe { target.at(start) };
                dispatch(Run {
                    sweep: &sweep,
                    patch: buffer,
                    rows,
                    bias: &zeros[..shape.channels.next_multiple_of(OUT) * l],
                    out,
                });
            }
        },
    );
    dx
}

/// Gradient [out, in, k, k] of the weights; `shape` is the input's.
pub(super) fn weight_gradient(
    x: &[f32],
    grad: &[f32],
    shape: LaneShape,
    out: usize,
    geometry: Geometry,
) -> Vec<f32> {
    let l = lanes();
    let grad_shape = geometry.output(shape, out);
    let rows = rows_per_task(shape.channels, geometry, grad_shape);
    let patch = patch_of(geometry, grad_shape, rows);
    let order = tap_order(geometry.kernel);
    let offsets = offsets(shape.channels, patch, &order);
    let steps = offsets.len();
    let tasks = tasks(grad_shape, rows);
    let (block, grad_block) = (shape.channels * shape.plane(), out * grad_shape.plane());
    let parts: Vec<Vec<[f32; OUT]>> = tasks
        .par_chunks(tasks.len().div_ceil(PARTS).max(1))
        .map(|tasks| {
            let mut sums = vec![[0.0; OUT]; out.div_ceil(OUT) * steps];
            let mut buffer = Buffer::stale(shape.channels * patch.channel() * l);
            for (b, first, rows) in tasks.iter().copied() {
                let top = (first * geometry.stride).cast_signed() - geometry.padding.cast_signed();
                patch.fill(&mut buffer, &x[b * block..][..block], shape, top);
                let runs = Runs {
                    rows,
                    width: grad_shape.width,
                    grad_row: grad_shape.width * l,
                    x_row: patch.cols * l,
                };
                dispatch(Correlate {
                    grad: &grad[b * grad_block..][..grad_block],
                    first: first * grad_shape.width * l,
                    plane: grad_shape.plane(),
                    out,
                    patch: &buffer,
                    offsets: &offsets,
                    runs,
                    sums: &mut sums,
                });
            }
            sums
        })
        .collect();
    let taps = geometry.taps();
    let mut total = vec![0.0; out * shape.channels * taps];
    for part in &parts {
        for t in 0..out {
            for step in 0..steps {
                let (y, x) = order[step % taps];
                total[t * steps + step / taps * taps + y * geometry.kernel + x] +=
                    part[t / OUT * steps + step][t % OUT];
            }
        }
    }
    total
}

struct Correlate<'a> {
    grad: &'a [f32],
    first: usize,
    plane: usize,
    out: usize,
    patch: &'a [f32],
    offsets: &'a [u32],
    runs: Runs,
    sums: &'a mut [[f32; OUT]],
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Steps whose runs stay in the first-level cache while the output channels pass.
        const BLOCK: usize = 9;
        let steps = self.offsets.len();
        for first in (0..steps).step_by(BLOCK) {
            let end = steps.min(first + BLOCK);
            for c in (0..self.out).step_by(OUT) {
                let sums = &mut self.sums[c / OUT * steps..][first..end];
                // SAFETY: rows of the task in the gradient and in the patch; a last incomplete group repeats a channel.
                unsafe {
                    let grad = std::array::from_fn(|m| {
                        self.grad.as_ptr().add((c + m).min(self.out - 1) * self.plane + self.first)
                    });
                    correlate(simd, grad, self.patch.as_ptr(), &self.offsets[first..end], self.runs, sums);
                }
            }
        }
    }
}
