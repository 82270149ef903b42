//! The forward pass and the input gradient of Winograd's algorithm: transform, multiply, transform back, chunk by
//! chunk.

#![allow(unsafe_code, reason = "tasks share buffers in parts that the plan keeps apart")]

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::plan::{Chunk, FREQUENCIES, Plan, Scale};
use super::tiles::{TransformedTiles, tiles_in, tiles_len};
use super::transform_1d::POINTS;
use super::transform_2d::{Backward, TileKind, transform_chunk};
use super::weights::{self, WeightUse};
use crate::engine::autograd::{LaneShape, PlaneData};
use crate::engine::gemm::products::{OUT, Target, product_run};
use crate::engine::substrate::disjoint::DisjointMut;
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::{dispatch, lanes};

/// Bytes of transformed input per chunk. It shares the second-level cache of a core with weights and products.
const FORWARD_BYTES: usize = 600 << 10;
/// Output channels that are multiplied and then transformed back together, so that their products stay in cache.
const OUTPUT_GROUP: usize = 16;

/// What is added to the results of a convolution.
#[derive(Clone, Copy)]
pub(in crate::engine::conv) struct Addends<'a> {
    /// [blocks, output channels rounded up to 4, LANES].
    pub bias: &'a [f32],
    /// Feature maps of the shape of the results.
    pub other: Option<&'a PlaneData>,
}

/// The transform of a weight [out, in, 3, 3] that [`forward`] takes.
pub(in crate::engine::conv) fn transform_weight(weight: &[f32], out: usize, inputs: usize) -> Buffer {
    weights::transform(weight, out, inputs, WeightUse::Forward)
}

/// The convolution of `x`, whose shape is `shape`, plus addends. `weights` come from [`transform_weight`]. With
/// `upsampled`, `x` is upsampled by two before the convolution.
pub(in crate::engine::conv) fn forward(
    x: &PlaneData,
    shape: LaneShape,
    weights: &[f32],
    out: usize,
    addends: Addends<'_>,
    upsampled: bool,
) -> Buffer {
    let scale = if upsampled { Scale::Doubled } else { Scale::Same };
    convolve(x, shape, weights, out, Some(addends), scale)
}

/// The gradient of the input, whose shape is `shape`, from the gradient of the results.
pub(in crate::engine::conv) fn input_gradient(
    grad: &PlaneData,
    shape: LaneShape,
    weight: &[f32],
    out: usize,
    upsampled: bool,
) -> Buffer {
    let weights = weights::transform(weight, out, shape.channels, WeightUse::Transposed);
    let (shape, to) = (shape.with_channels(out), shape.channels);
    if upsampled {
        convolve(grad, shape.doubled(), &weights, to, None, Scale::Halved)
    } else {
        convolve(grad, shape, &weights, to, None, Scale::Same)
    }
}

fn convolve(
    x: &PlaneData,
    shape: LaneShape,
    weights: &[f32],
    out: usize,
    addends: Option<Addends<'_>>,
    scale: Scale,
) -> Buffer {
    let l = lanes();
    let (x, other) =
        (x.materialized(), addends.and_then(|addends| addends.other).map(PlaneData::materialized));
    let (weights, _) = weights.as_chunks::<OUT>();
    let (kind, tiled, out_shape) = match scale {
        Scale::Same => (TileKind::Input, shape, shape),
        Scale::Doubled => (TileKind::DoubledInput, shape.doubled(), shape.doubled()),
        Scale::Halved => (TileKind::Input, shape, shape.halved()),
    };
    let out_shape = out_shape.with_channels(out);
    let tile_bytes = FREQUENCIES * shape.channels * l * size_of::<f32>();
    let plan = Plan::new(tiled, (FORWARD_BYTES / tile_bytes).max(3), scale);
    let mut y = Buffer::recycled(out_shape.len());
    let target = DisjointMut::new(&mut y);
    let padded = out.next_multiple_of(OUT);
    let zeros = Buffer::zeros(padded * l);
    let scratch = || {
        (
            Buffer::recycled(tiles_len(shape.channels, plan.slots)),
            Buffer::recycled(tiles_len(OUTPUT_GROUP, plan.slots)),
        )
    };
    plan.chunks.par_iter().for_each_init(scratch, |(v, m), chunk| {
        let v = tiles_in(v, shape.channels, plan.slots);
        let m = tiles_in(m, OUTPUT_GROUP, plan.slots);
        transform_chunk(kind, x, shape, chunk, &plan, v);
        for first in (0..out).step_by(OUTPUT_GROUP) {
            let channels = first..out.min(first + OUTPUT_GROUP);
            let count = channels.len();
            dispatch(Multiply { chunk, plan: &plan, v, from: shape.channels, weights, out, first, count, m });
            for segment in &chunk.segments {
                let bias = match addends {
                    Some(addends) => &addends.bias[(segment.block * padded + first) * l..][..count * l],
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

/// Multiplies the transformed tiles of a chunk by the transformed weights of a group of output channels.
struct Multiply<'a> {
    chunk: &'a Chunk,
    plan: &'a Plan,
    v: TransformedTiles,
    from: usize,
    weights: &'a [[f32; OUT]],
    out: usize,
    first: usize,
    count: usize,
    m: TransformedTiles,
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
                // SAFETY: the buffers hold frequency `f` of all channels and of `tiles` slots.
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
