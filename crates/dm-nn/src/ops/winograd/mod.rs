//! 3x3 convolutions by Winograd's F(4x4, 3x3) in the batch-lane layout.
//!
//! A tile of 4x4 results takes 36 products per pair of channels instead of 144. Input tiles are transformed to 36
//! frequencies, every frequency is a product of matrices over the channels, and the result is transformed back. The
//! input gradient is the same with flipped weights; the weight gradient multiplies the transformed input with the
//! transformed gradient and transforms the sums back to 3x3.
//!
//! A source that would first be doubled by nearest upsampling is read as it is: doubled, it has nothing at one of the six
//! points, whatever it is, so that 25 of 36 products remain.

#![allow(unsafe_code, reason = "tasks share buffers in parts that the plan keeps apart")]

mod plan;
mod strips;
mod transform;
mod weights;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::disjoint::Disjoint;
use super::lanes::LaneShape;
use super::outer::{Sums, add_products, turn};
use super::plane_data::{PlaneData, Settled};
use super::pool::Buffer;
use super::products::{OUT, Target, product_run};
use super::simd::{dispatch, lanes, load};
use plan::{Chunk, FREQUENCIES, Plan, Scale};
use strips::{Backward, Forward, Into, Spectra};
use transform::POINTS;
use weights::Use;

/// Bytes of transformed input per chunk that still share a core's second-level cache with the rest.
const FORWARD_BYTES: usize = 600 << 10;
/// Bytes of transformed input and gradient per chunk of a weight gradient: longer sums against cache misses.
const GRADIENT_BYTES: usize = 1 << 20;
/// Output channels multiplied before they are transformed back, so that their products stay in cache.
const OUTPUT_GROUP: usize = 16;
/// Partial weight gradients of a part of a batch, at most: a number so that sums do not depend on that of the threads. More
/// would feed more threads, but each is written and read once more.
const PARTS: usize = 4;

/// Gap between frequencies in floats: keeps them off the same cache sets.
const GAP: usize = 16;

/// What is added to the results.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    /// [block, out rounded up to 4] vectors.
    pub bias: &'a [f32],
    /// Planes like the results.
    pub other: Option<&'a PlaneData>,
}

/// Kernels [out, in, 3, 3] as [`forward`] multiplies with them.
pub(super) fn transformed(kernels: &[f32], out: usize, inputs: usize) -> Buffer {
    weights::transform(kernels, out, inputs, Use::Forward)
}

/// y = x * kernels + terms; `weights` are [`transformed`]. Here and below `shape` is the input's, which with `doubled` is
/// first doubled by nearest upsampling.
pub(super) fn forward(
    x: &PlaneData,
    shape: LaneShape,
    weights: &[f32],
    out: usize,
    terms: Terms<'_>,
    doubled: bool,
) -> Buffer {
    let scale = if doubled { Scale::Doubled } else { Scale::Same };
    convolve(x, shape, weights, out, Some(terms), scale)
}

/// Gradient of the input.
pub(super) fn input_gradient(
    grad: &PlaneData,
    shape: LaneShape,
    weight: &[f32],
    out: usize,
    doubled: bool,
) -> Buffer {
    let weights = weights::transform(weight, out, shape.channels, Use::Transposed);
    let (shape, to) = (shape.with_channels(out), shape.channels);
    if doubled {
        convolve(grad, shape.doubled(), &weights, to, None, Scale::Halved)
    } else {
        convolve(grad, shape, &weights, to, None, Scale::Same)
    }
}

/// A buffer of frequencies for `slots` tiles.
fn spectra(buffer: &mut Buffer, channels: usize, slots: usize) -> Spectra {
    let channel = slots * lanes();
    Spectra { start: buffer.as_mut_ptr(), channel, frequency: channels * channel + GAP }
}

fn spectra_len(channels: usize, slots: usize) -> usize {
    FREQUENCIES * (channels * slots * lanes() + GAP)
}

fn convolve(
    x: &PlaneData,
    shape: LaneShape,
    weights: &[f32],
    out: usize,
    terms: Option<Terms<'_>>,
    scale: Scale,
) -> Buffer {
    let l = lanes();
    let (x, other) = (x.settled(), terms.and_then(|terms| terms.other).map(PlaneData::settled));
    let (weights, _) = weights.as_chunks::<OUT>();
    let (kind, tiled, out_shape) = match scale {
        Scale::Same => (Into::Input, shape, shape),
        Scale::Doubled => (Into::DoubledInput, shape.doubled(), shape.doubled()),
        Scale::Halved => (Into::Input, shape, shape.halved()),
    };
    let out_shape = out_shape.with_channels(out);
    let tile_bytes = FREQUENCIES * shape.channels * l * size_of::<f32>();
    let plan = Plan::new(tiled, (FORWARD_BYTES / tile_bytes).max(3), scale);
    let mut y = Buffer::stale(out_shape.len());
    let target = Disjoint::new(&mut y);
    let padded = out.next_multiple_of(OUT);
    let zeros = Buffer::zeros(padded * l);
    let scratch = || {
        (
            Buffer::stale(spectra_len(shape.channels, plan.slots)),
            Buffer::stale(spectra_len(OUTPUT_GROUP, plan.slots)),
        )
    };
    plan.chunks.par_iter().for_each_init(scratch, |(v, m), chunk| {
        let v = spectra(v, shape.channels, plan.slots);
        let m = spectra(m, OUTPUT_GROUP, plan.slots);
        transform(kind, x, shape, chunk, &plan, v);
        for first in (0..out).step_by(OUTPUT_GROUP) {
            let channels = first..out.min(first + OUTPUT_GROUP);
            let count = channels.len();
            dispatch(Multiply { chunk, plan: &plan, v, from: shape.channels, weights, out, first, count, m });
            for segment in &chunk.segments {
                let bias = match terms {
                    Some(terms) => &terms.bias[(segment.block * padded + first) * l..][..count * l],
                    None => &zeros[..count * l],
                };
                let other = other.map(|planes| planes.block(out_shape, segment.block, channels.clone()));
                let offset = (segment.block * out + first) * out_shape.plane();
                dispatch(Backward {
                    products: m,
                    segment: *segment,
                    span: chunk.span,
                    tail: plan.tail,
                    bias,
                    other: other.as_deref(),
                    // SAFETY: segments are written by the one task that owns their chunk.
                    out: unsafe { target.at(offset) },
                    shape: out_shape,
                    scale,
                });
            }
        }
    });
    y
}

fn transform(kind: Into, x: Settled<'_>, shape: LaneShape, chunk: &Chunk, plan: &Plan, out: Spectra) {
    for segment in &chunk.segments {
        dispatch(Forward {
            kind,
            planes: &x.block(shape, segment.block, 0..shape.channels),
            shape,
            segment: *segment,
            span: chunk.span,
            tail: plan.tail,
            out,
        });
    }
}

/// The products of one chunk for a group of output channels.
struct Multiply<'a> {
    chunk: &'a Chunk,
    plan: &'a Plan,
    v: Spectra,
    from: usize,
    weights: &'a [[f32; OUT]],
    out: usize,
    first: usize,
    count: usize,
    m: Spectra,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let sources = self.v.channels(self.from);
        let groups = self.out.div_ceil(OUT);
        let zero = [simd.splat_f32s(0.0); OUT];
        for f in 0..FREQUENCIES {
            let tiles = self.plan.tiles(self.chunk, f / POINTS, f % POINTS);
            for c in (0..self.count).step_by(OUT) {
                let at = (f * groups + (self.first + c) / OUT) * self.from;
                // SAFETY: frequency `f` of all channels and `tiles` slots, in buffers of the plan's size.
                unsafe {
                    let target = Target {
                        start: self.m.start.add(f * self.m.frequency + c * self.m.channel),
                        channel: self.m.channel,
                        step: S::F32_LANES,
                        channels: OUT.min(self.count - c),
                    };
                    let weights = &self.weights[at..at + self.from];
                    product_run(simd, &sources, f * self.v.frequency, weights, zero, target, tiles);
                }
            }
        }
    }
}

/// Gradient [out, in, 3, 3] of the weights, and the sums of `grad` over pixels: vectors [block, out].
pub(super) fn weight_gradient(
    x: &PlaneData,
    grad: &PlaneData,
    shape: LaneShape,
    out: usize,
    doubled: bool,
) -> (Vec<f32>, Buffer) {
    let (x, grad) = (x.settled(), grad.settled());
    let (kind, scale, tiled) = if doubled {
        (Into::DoubledInput, Scale::Doubled, shape.doubled())
    } else {
        (Into::Input, Scale::Same, shape)
    };
    let grad_shape = tiled.with_channels(out);
    let tile_bytes = FREQUENCIES * (shape.channels + out) * lanes() * size_of::<f32>();
    let plan = Plan::new(tiled, (GRADIENT_BYTES / tile_bytes).max(4), scale);
    let per_part = plan.chunks.len().div_ceil(PARTS).max(1);
    let pixel_sums = shape.blocks() * out * lanes();
    // What there is less of is turned.
    let swapped = out < shape.channels;
    let (many, few) = if swapped { (shape.channels, out) } else { (out, shape.channels) };
    let (parts, sums): (Vec<Buffer>, Vec<Buffer>) = plan
        .chunks
        .par_chunks(per_part)
        .map(|chunks| {
            let mut v = Buffer::stale(spectra_len(shape.channels, plan.slots));
            let mut m = Buffer::stale(spectra_len(out, plan.slots));
            let v = spectra(&mut v, shape.channels, plan.slots);
            let m = spectra(&mut m, out, plan.slots);
            let row = few.next_multiple_of(lanes());
            let mut turned = Buffer::stale(plan.slots * lanes() * row);
            let mut sums = Buffer::stale(FREQUENCIES * many * row);
            let mut pixel_sums = Buffer::zeros(pixel_sums);
            for (i, chunk) in chunks.iter().enumerate() {
                transform(kind, x, shape, chunk, &plan, v);
                transform(Into::Gradient, grad, grad_shape, chunk, &plan, m);
                let (rows, columns) = if swapped { (v, m) } else { (m, v) };
                dispatch(WeightProducts {
                    chunk,
                    plan: &plan,
                    rows: (rows, many),
                    columns: (columns, few),
                    fresh: i == 0,
                    turned: &mut turned,
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

/// Adds one chunk's gradients, each tile's from the frequency that is its sum, to `sums`: vectors [block, out].
struct PixelSums<'a> {
    chunk: &'a Chunk,
    m: Spectra,
    out: usize,
    sums: &'a mut [f32],
}

impl WithSimd for PixelSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Both coordinates at the point 1, where a polynomial is the sum of its coefficients.
        const SUM: usize = POINTS + 1;
        let (sums, _) = S::as_mut_simd_f32s(self.sums);
        for segment in &self.chunk.segments {
            let full = segment.full_slot..segment.full_slot + segment.full;
            let tail = segment.tail_slot..segment.tail_slot + usize::from(segment.tail);
            for channel in 0..self.out {
                let sum = &mut sums[segment.block * self.out + channel];
                for slot in full.clone().chain(tail.clone()) {
                    let at = SUM * self.m.frequency + channel * self.m.channel + slot * S::F32_LANES;
                    // SAFETY: a slot of this chunk, in a buffer of the plan's size.
                    *sum = simd.add_f32s(*sum, unsafe { load::<S>(self.m.start.add(at)) });
                }
            }
        }
    }
}

/// Adds one chunk's part of the gradient of the transformed weights to `sums`.
struct WeightProducts<'a> {
    chunk: &'a Chunk,
    plan: &'a Plan,
    /// Transformed input or gradient, and its channels: the rows of the sums.
    rows: (Spectra, usize),
    /// The other one: their columns.
    columns: (Spectra, usize),
    /// Whether the sums begin here.
    fresh: bool,
    /// Room for one frequency of the columns, turned.
    turned: &'a mut [f32],
    /// [frequency, rows, columns rounded up to whole vectors]
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
                if self.fresh {
                    sums.fill(0.0);
                }
                continue;
            }
            let count = width * S::F32_LANES;
            let sums = Sums { start: sums.as_mut_ptr(), row, fresh: self.fresh };
            assert!(count * row <= self.turned.len());
            let turned = self.turned.as_mut_ptr();
            // SAFETY: frequency `f` of all channels and `width` slots; there is room for as much, turned; buffers are aligned,
            // and rows are whole vectors.
            unsafe {
                turn(simd, &columns, f * self.columns.0.frequency, width, row, turned);
                add_products(simd, &rows, f * self.rows.0.frequency, turned, count, sums);
            }
        }
    }
}
