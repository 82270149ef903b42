//! The input gradient of a direct convolution. With stride 1 it is a convolution of the gradient with the mirrored
//! kernel. With a larger stride it is one such convolution, with some of the taps, for each phase of the input.

#![allow(unsafe_code, reason = "tasks write their own rows of one buffer")]

use rayon::prelude::*;

use super::forward::convolve;
use super::patch::{Geometry, Patch, offsets, rows_per_task, sources, tap_order, tasks};
use super::sweep::{Run, Sweep, pack};
use crate::engine::autograd::{LaneShape, PlaneData};
use crate::engine::gemm::products::OUT;
use crate::engine::substrate::disjoint::DisjointMut;
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::{dispatch, lanes};

/// The gradient of the input, whose shape is `shape`.
pub(in crate::engine) fn input_gradient(
    grad: &PlaneData,
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

/// The input gradient with a stride s above 1. Phase (a, b) of the input, its pixels (s * row + a, s * column + b), is
/// a convolution of the gradient with stride 1 and some of the taps.
fn strided_input_gradient(
    grad: &PlaneData,
    grad_shape: LaneShape,
    shape: LaneShape,
    weight: impl Fn(usize, usize, (usize, usize)) -> f32,
    geometry: Geometry,
    zeros: &[f32],
) -> Buffer {
    let l = lanes();
    let (k, s, p) = (geometry.kernel, geometry.stride, geometry.padding);
    // An input pixel in row s * q + phase contributes to results in rows q - before to q + after; columns likewise.
    let (before, after) = ((k - 1 - p) / s, p.div_ceil(s));
    let out = LaneShape { height: shape.height.div_ceil(s), width: shape.width.div_ceil(s), ..shape };
    let reach = before + after;
    let one = Geometry { kernel: reach + 1, stride: 1, padding: 0 };
    let rows = rows_per_task(grad_shape.channels, one, out);
    let patch = Patch { stride: 1, rows: rows + reach, cols: out.width + reach, left: before };
    let phases = phases(grad_shape.channels, shape.channels, weight, geometry, patch);
    let grad = grad.materialized();
    let mut dx = Buffer::recycled(shape.len());
    let target = DisjointMut::new(&mut dx);
    tasks(out, rows).into_par_iter().for_each_init(
        || Buffer::recycled(grad_shape.channels * patch.channel() * l),
        |buffer, (n, first, rows)| {
            let planes = grad.block(grad_shape, n, 0..grad_shape.channels);
            patch.fill(buffer, &planes, grad_shape, first.cast_signed() - before.cast_signed());
            for Phase { a, b, weights, offsets } in &phases {
                let sweep = Sweep {
                    weights,
                    to: shape.channels,
                    width: (shape.width + s - 1 - b) / s,
                    source_row: patch.cols * l,
                    channel: shape.plane(),
                    row: s * shape.width * l,
                    col: s * l,
                };
                let rows = rows.min(((shape.height + s - 1 - a) / s).saturating_sub(first));
                if rows == 0 || sweep.width == 0 {
                    continue;
                }
                let start = n * shape.channels * shape.plane() + ((first * s + a) * shape.width + b) * l;
                // SAFETY: each task writes only its own rows of the input.
                let out = unsafe { target.at(start) };
                dispatch(Run {
                    sweep,
                    sources: &sources(buffer, offsets),
                    rows,
                    bias: &zeros[..shape.channels.next_multiple_of(OUT) * l],
                    out,
                });
            }
        },
    );
    dx
}

/// The pixels (s * row + a, s * column + b) of the input, where s is the stride.
struct Phase {
    a: usize,
    b: usize,
    /// Packed weights of the taps through which these pixels contribute to results.
    weights: Vec<[f32; OUT]>,
    /// For each step, the position in the patch of the gradient that it reads.
    offsets: Vec<u32>,
}

/// All phases of an input of `to` channels, whose gradient is computed from patches of a gradient of `from` channels.
fn phases(
    from: usize,
    to: usize,
    weight: impl Fn(usize, usize, (usize, usize)) -> f32,
    geometry: Geometry,
    patch: Patch,
) -> Vec<Phase> {
    let (k, s, p) = (geometry.kernel, geometry.stride, geometry.padding);
    // Along one axis, the input at s * q + phase reaches the result at q + (phase + p - t) / s through tap t, if s
    // divides phase + p - t. These are the taps of a phase, each with the row (or column) of the patch that it reads
    // for q = 0.
    let axis_taps = |phase: usize| -> Vec<(usize, usize)> {
        (0..k)
            .map(|t| (t, phase + p + patch.left * s))
            .filter(|(t, last)| last >= t && (last - t).is_multiple_of(s))
            .map(|(t, last)| (t, (last - t) / s))
            .collect()
    };
    let phase = |a: usize, b: usize| {
        let (rows, columns) = (axis_taps(a), axis_taps(b));
        let taps: Vec<_> = columns.iter().flat_map(|x| rows.iter().map(move |y| (y, x))).collect();
        let weights = pack(from, to, taps.len(), |t, f, n| weight(t, f, (taps[n].0.0, taps[n].1.0)));
        let at: Vec<_> = taps.iter().map(|(y, x)| (y.1, x.1)).collect();
        Phase { a, b, weights, offsets: offsets(from, patch, &at) }
    };
    (0..s).flat_map(|a| (0..s).map(move |b| (a, b))).map(|(a, b)| phase(a, b)).collect()
}
