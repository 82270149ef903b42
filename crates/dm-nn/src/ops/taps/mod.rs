//! Direct convolutions: any kernel size, stride and channel count.
//!
//! A task copies the rows of the input that its rows of results need into a patch with zero borders, split by the
//! stride into phases, so that the inputs of neighbouring results are neighbours too; then every tap of every channel is
//! one step of the shared product loop. Used for 1x1 and strided convolutions, and for 3x3 where there are too few
//! channels for Winograd's transforms to pay. Here is the forward pass; the gradients have files of their own.

#![allow(unsafe_code, reason = "loops over vectors in patches; bounds come from the geometry")]

mod correlate;
mod input_gradient;
mod patch;
mod weight_gradient;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::disjoint::Disjoint;
use super::lanes::LaneShape;
use super::plane_data::PlaneData;
use super::pool::Buffer;
use super::products::{OUT, Target, product_run};
use super::simd::{dispatch, lanes};
use patch::{offsets, patch_of, pixels, rows_per_task, sources, tap_order, tasks};

pub(super) use input_gradient::input_gradient;
pub(super) use patch::Geometry;
pub(super) use weight_gradient::weight_gradient;

/// One convolution: which weights the steps have, and where the results go.
#[derive(Clone, Copy)]
struct Sweep<'a> {
    /// [to / 4, step, 4].
    weights: &'a [[f32; OUT]],
    to: usize,
    /// Results of a row, floats between rows of the sources.
    width: usize,
    source_row: usize,
    /// Floats between channels, rows and columns of the result.
    channel: usize,
    row: usize,
    col: usize,
}

/// Runs a sweep over `rows` rows.
struct Run<'a> {
    sweep: Sweep<'a>,
    /// Per step: what meets its weights in the first row.
    sources: &'a [*const f32],
    rows: usize,
    bias: &'a [f32],
    out: *mut f32,
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let s = self.sweep;
        let steps = self.sources.len();
        let (biases, _) = S::as_simd_f32s(self.bias);
        for c in (0..s.to).step_by(OUT) {
            let weights = &s.weights[c / OUT * steps..][..steps];
            let bias = [biases[c], biases[c + 1], biases[c + 2], biases[c + 3]];
            for r in 0..self.rows {
                // SAFETY: the sources hold the inputs and the result the rows of this task.
                unsafe {
                    let target = Target {
                        start: self.out.add(c * s.channel + r * s.row),
                        channel: s.channel,
                        step: s.col,
                        channels: OUT.min(s.to - c),
                    };
                    product_run(simd, self.sources, r * s.source_row, weights, bias, target, s.width);
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

/// y = x * weight + bias; `bias` holds [block, out rounded up to 4] vectors.
pub(super) fn forward(
    x: &PlaneData,
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
    x: &PlaneData,
    shape: LaneShape,
    weights: &[[f32; OUT]],
    out: LaneShape,
    geometry: Geometry,
    bias: &[f32],
) -> Buffer {
    let (l, x) = (lanes(), x.settled());
    let padded = out.channels.next_multiple_of(OUT);
    let mut y = Buffer::stale(out.len());
    let target = Disjoint::new(&mut y);
    let rows = rows_per_task(shape.channels, geometry, out);
    let patch = patch_of(geometry, out, rows);
    let sweep = Sweep {
        weights,
        to: out.channels,
        width: out.width,
        source_row: patch.cols * l,
        channel: out.plane(),
        row: out.width * l,
        col: l,
    };
    let offsets = offsets(shape.channels, patch, &tap_order(geometry.kernel));
    let scratch = if geometry.is_pointwise() { 0 } else { shape.channels * patch.channel() * l };
    tasks(out, rows).into_par_iter().for_each_init(
        || Buffer::stale(scratch),
        |buffer, (b, first, rows)| {
            let planes = x.block(shape, b, 0..shape.channels);
            let start = first * out.width * l;
            // SAFETY: each task writes its own rows.
            let out = unsafe { target.at(b * out.channels * out.plane() + start) };
            let bias = &bias[b * padded * l..][..padded * l];
            if geometry.is_pointwise() {
                let sweep = Sweep { width: rows * shape.width, ..sweep };
                dispatch(Run { sweep, sources: &pixels(&planes, start), rows: 1, bias, out });
            } else {
                let top = (first * geometry.stride).cast_signed() - geometry.padding.cast_signed();
                patch.fill(buffer, &planes, shape, top);
                dispatch(Run { sweep, sources: &sources(buffer, &offsets), rows, bias, out });
            }
        },
    );
    y
}
