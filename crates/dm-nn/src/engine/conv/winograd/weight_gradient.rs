//! The weight gradient of Winograd's algorithm: products of transformed input and transformed gradient, summed over
//! tiles.

#![allow(unsafe_code, reason = "loops over transformed tiles; bounds come from the plan")]

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::plan::{Chunk, FREQUENCIES, Plan, Scale};
use super::tiles::{TransformedTiles, tiles_in, tiles_len};
use super::transform_1d::POINTS;
use super::transform_2d::{TileKind, transform_chunk};
use super::weights;
use crate::engine::autograd::{LaneShape, PlaneData};
use crate::engine::gemm::outer::{Sums, add_products, transpose};
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::{dispatch, lanes, load};

/// Bytes of transformed input and gradient per chunk. Larger chunks give longer sums but more cache misses.
const GRADIENT_BYTES: usize = 1 << 20;
/// Most partial weight gradients that a batch is summed in. The number is fixed so that the sums do not depend on the
/// number of threads. More partial gradients would keep more threads busy, but each is written and read once more.
const PARTS: usize = 4;

/// The gradient [out, in, 3, 3] of the weights, and the sums of `grad` over pixels, [blocks, out, LANES]. `shape` is
/// the shape of the input; with `upsampled`, the input was upsampled by two before the convolution.
pub(in crate::engine::conv) fn weight_gradient(
    x: &PlaneData,
    grad: &PlaneData,
    shape: LaneShape,
    out: usize,
    upsampled: bool,
) -> (Vec<f32>, Buffer) {
    let (x, grad) = (x.materialized(), grad.materialized());
    let (kind, scale, tiled) = if upsampled {
        (TileKind::DoubledInput, Scale::Doubled, shape.doubled())
    } else {
        (TileKind::Input, Scale::Same, shape)
    };
    let grad_shape = tiled.with_channels(out);
    let tile_bytes = FREQUENCIES * (shape.channels + out) * lanes() * size_of::<f32>();
    let plan = Plan::new(tiled, (GRADIENT_BYTES / tile_bytes).max(4), scale);
    let per_part = plan.chunks.len().div_ceil(PARTS).max(1);
    let pixel_sums = shape.blocks() * out * lanes();
    // The matrix with fewer channels is transposed.
    let swapped = out < shape.channels;
    let (many, few) = if swapped { (shape.channels, out) } else { (out, shape.channels) };
    let (parts, sums): (Vec<Buffer>, Vec<Buffer>) = plan
        .chunks
        .par_chunks(per_part)
        .map(|chunks| {
            let mut v = Buffer::recycled(tiles_len(shape.channels, plan.slots));
            let mut m = Buffer::recycled(tiles_len(out, plan.slots));
            let v = tiles_in(&mut v, shape.channels, plan.slots);
            let m = tiles_in(&mut m, out, plan.slots);
            let row = few.next_multiple_of(lanes());
            let mut transposed = Buffer::recycled(plan.slots * lanes() * row);
            let mut sums = Buffer::recycled(FREQUENCIES * many * row);
            let mut pixel_sums = Buffer::zeros(pixel_sums);
            for (i, chunk) in chunks.iter().enumerate() {
                transform_chunk(kind, x, shape, chunk, &plan, v);
                transform_chunk(TileKind::Gradient, grad, grad_shape, chunk, &plan, m);
                let (rows, columns) = if swapped { (v, m) } else { (m, v) };
                dispatch(WeightProducts {
                    chunk,
                    plan: &plan,
                    rows: (rows, many),
                    columns: (columns, few),
                    overwrite: i == 0,
                    transposed: &mut transposed,
                    sums: &mut sums,
                });
                dispatch(PixelSums { chunk, m, out, sums: &mut pixel_sums });
            }
            (sums, pixel_sums)
        })
        .unzip();
    let mut pixel_sums = Buffer::zeros(pixel_sums);
    for part in &sums {
        pixel_sums.iter_mut().zip(&**part).for_each(|(sum, part)| *sum += part);
    }
    (weights::gradient(&parts, out, shape.channels, swapped), pixel_sums)
}

/// Adds the gradients of a chunk to `sums`, [blocks, out, LANES]. One of the frequencies of a tile is the sum of its
/// pixels.
struct PixelSums<'a> {
    chunk: &'a Chunk,
    m: TransformedTiles,
    out: usize,
    sums: &'a mut [f32],
}

impl WithSimd for PixelSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // The point 1 along both axes, where the value of a polynomial is the sum of its coefficients.
        const SUM: usize = POINTS + 1;
        let (sums, _) = S::as_mut_simd_f32s(self.sums);
        for segment in &self.chunk.segments {
            let full = segment.full_slot..segment.full_slot + segment.full;
            let tail = segment.tail_slot..segment.tail_slot + usize::from(segment.tail);
            for channel in 0..self.out {
                let sum = &mut sums[segment.block * self.out + channel];
                for slot in full.clone().chain(tail.clone()) {
                    let at = SUM * self.m.frequency + channel * self.m.channel + slot * S::F32_LANES;
                    // SAFETY: the buffer holds all slots of this chunk.
                    *sum = simd.add_f32s(*sum, unsafe { load::<S>(self.m.start.add(at)) });
                }
            }
        }
    }
}

/// Adds the contribution of a chunk to the gradient of the transformed weights.
struct WeightProducts<'a> {
    chunk: &'a Chunk,
    plan: &'a Plan,
    /// The transformed input or gradient whose channels are the rows of the sums, and their number.
    rows: (TransformedTiles, usize),
    /// The one whose channels are the columns of the sums, and their number.
    columns: (TransformedTiles, usize),
    /// Whether this is the first chunk, so that the sums start from zero.
    overwrite: bool,
    /// Scratch memory for one frequency of the transposed columns.
    transposed: &'a mut [f32],
    /// [frequency, rows, columns rounded up to whole vectors].
    sums: &'a mut [f32],
}

impl WithSimd for WeightProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (rows, columns) = (self.rows.0.channels(self.rows.1), self.columns.0.channels(self.columns.1));
        let row = columns.len().next_multiple_of(S::F32_LANES);
        for (f, sums) in self.sums.chunks_exact_mut(rows.len() * row).enumerate() {
            let width = self.plan.tiles(self.chunk, f / POINTS, f % POINTS);
            if width == 0 {
                if self.overwrite {
                    sums.fill(0.0);
                }
                continue;
            }
            let count = width * S::F32_LANES;
            let sums = Sums { start: sums.as_mut_ptr(), row, overwrite: self.overwrite };
            assert!(count * row <= self.transposed.len());
            let transposed = self.transposed.as_mut_ptr();
            // SAFETY: the buffers hold frequency `f` of all channels and of `width` slots, and `transposed` has room
            // for the columns (asserted above). Buffers are aligned, and rows are whole vectors.
            unsafe {
                transpose(simd, &columns, f * self.columns.0.frequency, width, row, transposed);
                add_products(simd, &rows, f * self.rows.0.frequency, transposed, count, sums);
            }
        }
    }
}
