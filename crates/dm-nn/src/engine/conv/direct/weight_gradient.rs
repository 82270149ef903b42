//! The weight gradient of a direct convolution: for each tap, the sum over all results of the gradient times the pixel
//! that the tap reads. The sums are made in a fixed number of parts, which are added in a fixed order.

#![allow(unsafe_code, reason = "loops over vectors in patches; bounds come from the geometry")]

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::correlate::{Runs, correlate};
use super::patch::{Geometry, offsets, patch_of, pixels, rows_per_task, sources, tap_order, tasks};
use crate::engine::autograd::{LaneShape, PlaneData};
use crate::engine::gemm::products::OUT;
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::{dispatch, lanes};

/// Partial weight gradients. The number is fixed so that the sums do not depend on the number of threads.
const PARTS: usize = 8;

/// The gradient [out, in, k, k] of the weights; `shape` is the shape of the input.
pub(in crate::engine) fn weight_gradient(
    x: &PlaneData,
    grad: &PlaneData,
    shape: LaneShape,
    out: usize,
    geometry: Geometry,
) -> Vec<f32> {
    let l = lanes();
    let (x, grad) = (x.materialized(), grad.materialized());
    let grad_shape = geometry.output(shape, out);
    let rows = rows_per_task(shape.channels, geometry, grad_shape);
    let patch = patch_of(geometry, grad_shape, rows);
    let order = tap_order(geometry.kernel);
    let offsets = offsets(shape.channels, patch, &order);
    let steps = offsets.len();
    let tasks = tasks(grad_shape, rows);
    let grad_row = grad_shape.width * l;
    let scratch = if geometry.is_pointwise() { 0 } else { shape.channels * patch.channel() * l };
    let parts: Vec<Vec<[f32; OUT]>> = tasks
        .par_chunks(tasks.len().div_ceil(PARTS).max(1))
        .map(|tasks| {
            let mut sums = vec![[0.0; OUT]; out.div_ceil(OUT) * steps];
            let mut buffer = Buffer::recycled(scratch);
            for (b, first, rows) in tasks.iter().copied() {
                let planes = x.block(shape, b, 0..shape.channels);
                let start = first * grad_row;
                let (sources, runs) = if geometry.is_pointwise() {
                    let runs = Runs { rows: 1, width: rows * shape.width, grad_row: 0, x_row: 0 };
                    (pixels(&planes, start), runs)
                } else {
                    let top = (first * geometry.stride).cast_signed() - geometry.padding.cast_signed();
                    patch.fill(&mut buffer, &planes, shape, top);
                    let runs = Runs { rows, width: grad_shape.width, grad_row, x_row: patch.cols * l };
                    (sources(&buffer, &offsets), runs)
                };
                let grad = &pixels(&grad.block(grad_shape, b, 0..out), start);
                dispatch(Correlate { grad, sources: &sources, runs, sums: &mut sums });
            }
            sums
        })
        .collect();
    let taps = geometry.taps();
    let mut total = vec![0.0; out * shape.channels * taps];
    total.par_chunks_mut(steps).enumerate().for_each(|(t, total)| {
        for (step, sums) in
            (0..steps).map(|step| (step, parts.iter().map(move |p| p[t / OUT * steps + step])))
        {
            let (y, x) = order[step % taps];
            total[step / taps * taps + y * geometry.kernel + x] = sums.map(|sums| sums[t % OUT]).sum();
        }
    });
    total
}

struct Correlate<'a> {
    /// The first gradient of each output channel, and the first pixel of each step.
    grad: &'a [*const f32],
    sources: &'a [*const f32],
    runs: Runs,
    sums: &'a mut [[f32; OUT]],
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Steps whose runs stay in the first-level cache while all output channels use them.
        const BLOCK: usize = 12;
        let steps = self.sources.len();
        for first in (0..steps).step_by(BLOCK) {
            let end = steps.min(first + BLOCK);
            for c in (0..self.grad.len()).step_by(OUT) {
                let sums = &mut self.sums[c / OUT * steps..][first..end];
                // SAFETY: gradient and sources hold the rows of the task. An incomplete last group repeats a channel.
                unsafe {
                    let grad = std::array::from_fn(|m| self.grad[(c + m).min(self.grad.len() - 1)]);
                    correlate(simd, grad, &self.sources[first..end], self.runs, sums);
                }
            }
        }
    }
}
