//! The forward pass of a direct convolution.

#![allow(unsafe_code, reason = "tasks write their own rows of one buffer")]

use rayon::prelude::*;

use super::patch::{Geometry, offsets, patch_of, pixels, rows_per_task, sources, tap_order, tasks};
use super::sweep::{Run, Sweep, pack};
use crate::engine::autograd::{LaneShape, PlaneData};
use crate::engine::gemm::products::OUT;
use crate::engine::substrate::disjoint::DisjointMut;
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::{dispatch, lanes};

/// The convolution of `x` with `weight` [out, in, k, k], plus `bias` [blocks, out rounded up to 4, LANES].
pub(in crate::engine::conv) fn forward(
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

/// All rows of results, patch by patch, with packed weights.
pub(super) fn convolve(
    x: &PlaneData,
    shape: LaneShape,
    weights: &[[f32; OUT]],
    out: LaneShape,
    geometry: Geometry,
    bias: &[f32],
) -> Buffer {
    let (l, x) = (lanes(), x.materialized());
    let padded = out.channels.next_multiple_of(OUT);
    let mut y = Buffer::recycled(out.len());
    let target = DisjointMut::new(&mut y);
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
        || Buffer::recycled(scratch),
        |buffer, (b, first, rows)| {
            let planes = x.block(shape, b, 0..shape.channels);
            let start = first * out.width * l;
            // SAFETY: each task writes only its own rows of results.
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
