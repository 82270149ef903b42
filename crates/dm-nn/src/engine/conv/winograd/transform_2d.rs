//! The two-dimensional transforms of a segment of tiles: into frequencies, and from products back to results.
//!
//! Neighbouring tiles share the one-dimensional transforms along columns. These are computed for the whole segment into
//! a buffer on the stack, from which the transforms along rows read the columns of each tile.

#![allow(clippy::needless_range_loop, reason = "register arrays read best by index, several at a time")]
#![allow(unsafe_code, reason = "loops over vectors in buffers; bounds come from the plan")]

use pulp::{Simd, WithSimd};

use super::plan::{Chunk, Plan, SEGMENT, Scale, Segment, TILE};
use super::tiles::TransformedTiles;
use super::transform_1d::{
    PAIRED, POINTS, doubled_input, halved_output, has_point, input, output, output_gradient,
};
use crate::engine::autograd::{LaneShape, Materialized};
use crate::engine::substrate::prefetch::prefetch_along;
use crate::engine::substrate::simd::{V, dispatch, load, store};

/// Most columns of a segment: the columns of its tiles and two columns of border.
const COLUMNS: usize = SEGMENT * TILE + 2;

/// The transforms along the columns of a segment: a vector per point and column.
struct Columns<S: Simd>([[V<S>; COLUMNS]; POINTS]);

impl<S: Simd> Columns<S> {
    #[inline(always)]
    fn recycled() -> Self {
        Self([[bytemuck::Zeroable::zeroed(); COLUMNS]; POINTS])
    }
}

/// A row of zeros, which is read instead of rows outside the plane.
#[repr(align(64))]
struct Zeros([f32; COLUMNS * 16]);
static ZEROS: Zeros = Zeros([0.0; COLUMNS * 16]);

/// What is transformed into frequencies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TileKind {
    /// The input. A tile reads two more rows and columns than it has results.
    Input,
    /// The gradient of the results.
    Gradient,
    /// The input of a convolution after upsampling, before it is upsampled.
    DoubledInput,
}

// The variants of [`TileKind`] and [`Scale`] as constant parameters of the loops. `DOUBLED` stands for
// `TileKind::DoubledInput` and for `Scale::Doubled`.
const INPUT: u8 = 0;
const GRADIENT: u8 = 1;
const DOUBLED: u8 = 2;
const SAME: u8 = 3;
const HALVED: u8 = 4;

/// Transforms all segments of a chunk into frequencies.
pub(super) fn transform_chunk(
    kind: TileKind,
    x: Materialized<'_>,
    shape: LaneShape,
    chunk: &Chunk,
    plan: &Plan,
    out: TransformedTiles,
) {
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

/// Transforms a segment of all channels into frequencies.
struct Forward<'a> {
    pub kind: TileKind,
    /// The channels of the segment's block.
    pub planes: &'a [&'a [f32]],
    pub shape: LaneShape,
    pub segment: Segment,
    /// Rows of results of the tiles, and columns of the narrower tile.
    pub span: usize,
    pub tail: Option<usize>,
    pub out: TransformedTiles,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (self.kind, self.span) {
            (TileKind::Input, 2) => self.run::<S, 2, INPUT>(simd),
            (TileKind::Input, 3) => self.run::<S, 3, INPUT>(simd),
            (TileKind::Input, _) => self.run::<S, 4, INPUT>(simd),
            (TileKind::Gradient, 2) => self.run::<S, 2, GRADIENT>(simd),
            (TileKind::Gradient, 3) => self.run::<S, 3, GRADIENT>(simd),
            (TileKind::Gradient, _) => self.run::<S, 4, GRADIENT>(simd),
            (TileKind::DoubledInput, 2) => self.run::<S, 2, DOUBLED>(simd),
            (TileKind::DoubledInput, _) => self.run::<S, 4, DOUBLED>(simd),
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const SPAN: usize, const KIND: u8>(&self, simd: S) {
        let l = S::F32_LANES;
        let (h, w) = (self.shape.height, self.shape.width);
        let segment = self.segment;
        // A tile of the input has one more row and column on each side than its results.
        let border = usize::from(KIND != GRADIENT);
        // Results per pixel of the source along each axis.
        let scale = if KIND == DOUBLED { 2 } else { 1 };
        let (top, left) = (segment.row / scale, segment.col / scale);
        let tail = if segment.tail { self.tail.unwrap_or(0) } else { 0 };
        let columns = (segment.full * TILE + tail) / scale + 2 * border;
        // The columns inside the plane.
        let first = border.saturating_sub(left);
        let last = columns.min(w + border - left);
        let rows = SPAN / scale + 2 * border;
        let mut starts = [None; POINTS];
        for r in 0..rows {
            if let Some(y) = (top + r).checked_sub(border)
                && y < h
            {
                starts[r] = Some((y * w + left + first - border) * l);
            }
        }
        let rows_of = |plane: &[f32]| {
            starts.map(|start| start.map_or(ZEROS.0.as_ptr(), |start| plane[start..].as_ptr()))
        };
        let mut buffer = Columns::<S>::recycled();
        for (channel, plane) in self.planes.iter().enumerate() {
            let source = rows_of(plane);
            let next = self.planes.get(channel + 1).map(|plane| rows_of(plane));
            for x in first..last {
                let at = (x - first) * l;
                if let Some(next) = next {
                    for r in 0..rows {
                        prefetch_along(next[r], at);
                    }
                }
                let mut d = [simd.splat_f32s(0.0); POINTS];
                for r in 0..rows {
                    // SAFETY: column `x` of row `r` is inside the plane or in `ZEROS`.
                    d[r] = unsafe { load::<S>(source[r].add(at)) };
                }
                let t = Self::line::<S, SPAN, KIND>(simd, d);
                for i in 0..POINTS {
                    if Self::has::<SPAN, KIND>(i) {
                        buffer.0[i][x] = t[i];
                    }
                }
            }
            // SAFETY: `out` holds the slots of all channels.
            let out = unsafe { self.out.start.add(channel * self.out.channel) };
            for i in 0..POINTS {
                if Self::has::<SPAN, KIND>(i) {
                    // SAFETY: these are slots of this segment, which are inside the buffer of the chunk.
                    unsafe {
                        let out = out.add(i * POINTS * self.out.frequency);
                        for t in 0..segment.full {
                            let slot = out.add((segment.full_slot + t) * l);
                            self.tile::<S, 4, KIND>(simd, &buffer.0[i], t * TILE / scale, slot);
                        }
                        if segment.tail {
                            let slot = out.add(segment.tail_slot * l);
                            let at = segment.full * TILE / scale;
                            match tail {
                                2 => self.tile::<S, 2, KIND>(simd, &buffer.0[i], at, slot),
                                _ => self.tile::<S, 3, KIND>(simd, &buffer.0[i], at, slot),
                            }
                        }
                    }
                }
            }
        }
    }

    /// Whether the transform needs point `i`.
    #[inline(always)]
    fn has<const SPAN: usize, const KIND: u8>(i: usize) -> bool {
        has_point(SPAN, i) && !(KIND == DOUBLED && i == PAIRED)
    }

    /// The one-dimensional transform.
    #[inline(always)]
    fn line<S: Simd, const SPAN: usize, const KIND: u8>(simd: S, d: [V<S>; POINTS]) -> [V<S>; POINTS] {
        match KIND {
            INPUT => input::<S, SPAN>(simd, d),
            DOUBLED => doubled_input::<S, SPAN>(simd, d),
            _ => output_gradient::<S, SPAN>(simd, [d[0], d[1], d[2], d[3]]),
        }
    }

    /// The transform along row `i` of frequencies of one tile.
    #[inline(always)]
    unsafe fn tile<S: Simd, const SPAN: usize, const KIND: u8>(
        &self,
        simd: S,
        row: &[V<S>; COLUMNS],
        at: usize,
        out: *mut f32,
    ) {
        let count = match KIND {
            INPUT => SPAN + 2,
            DOUBLED => SPAN / 2 + 2,
            _ => SPAN,
        };
        let mut d = [simd.splat_f32s(0.0); POINTS];
        let row = &row[at..at + count];
        d[..count].copy_from_slice(row);
        let t = Self::line::<S, SPAN, KIND>(simd, d);
        for j in 0..POINTS {
            if Self::has::<SPAN, KIND>(j) {
                // SAFETY: the caller passes frequency (i, 0) of a slot of the chunk.
                unsafe { store::<S>(out.add(j * self.out.frequency), t[j]) };
            }
        }
    }
}

/// Transforms the products of a segment back, adds bias and other planes, and writes the results.
pub(super) struct Backward<'a> {
    pub products: TransformedTiles,
    pub segment: Segment,
    pub span: usize,
    pub tail: Option<usize>,
    /// One vector per channel.
    pub bias: &'a [f32],
    /// Planes to add, one per channel.
    pub other: Option<&'a [&'a [f32]]>,
    /// The first plane to write; as many planes as there are biases follow each other. Only this task writes the
    /// segment.
    pub out: *mut f32,
    /// Shape of the results.
    pub shape: LaneShape,
    pub scale: Scale,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (self.scale, self.span) {
            (Scale::Same, 2) => self.run::<S, 2, SAME>(simd),
            (Scale::Same, 3) => self.run::<S, 3, SAME>(simd),
            (Scale::Same, _) => self.run::<S, 4, SAME>(simd),
            (Scale::Doubled, 2) => self.run::<S, 2, DOUBLED>(simd),
            (Scale::Doubled, _) => self.run::<S, 4, DOUBLED>(simd),
            (Scale::Halved, 2) => self.run::<S, 2, HALVED>(simd),
            (Scale::Halved, _) => self.run::<S, 4, HALVED>(simd),
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    fn run<S: Simd, const SPAN: usize, const SCALE: u8>(&self, simd: S) {
        let l = S::F32_LANES;
        let (h, w) = (self.shape.height, self.shape.width);
        let segment = self.segment;
        let scale = if SCALE == HALVED { 2 } else { 1 };
        let (top, left) = (segment.row / scale, segment.col / scale);
        let columns = (w - left).min((segment.full + 1) * TILE / scale);
        let columns = if segment.tail { columns } else { segment.full * TILE / scale };
        let rows = (SPAN / scale).min(h - top);
        let mut buffer = Columns::<S>::recycled();
        let (biases, _) = S::as_simd_f32s(self.bias);
        for (channel, bias) in biases.iter().enumerate() {
            for i in 0..POINTS {
                if Self::has::<SPAN, SCALE>(i) {
                    // SAFETY: these are slots of this segment, which are inside the buffer of the chunk.
                    unsafe {
                        let from = self.products.start.add(channel * self.products.channel);
                        let from = from.add(i * POINTS * self.products.frequency);
                        for t in 0..segment.full {
                            let slot = from.add((segment.full_slot + t) * l);
                            self.tile::<S, 4, SCALE>(simd, slot, &mut buffer.0[i], t * TILE / scale);
                        }
                        if segment.tail {
                            let slot = from.add(segment.tail_slot * l);
                            let at = segment.full * TILE / scale;
                            match self.tail {
                                Some(2) => self.tile::<S, 2, SCALE>(simd, slot, &mut buffer.0[i], at),
                                _ => self.tile::<S, 3, SCALE>(simd, slot, &mut buffer.0[i], at),
                            }
                        }
                    }
                }
            }
            let start = (top * w + left) * l;
            let other = self.other.map(|planes| planes[channel].as_ptr());
            let out = self.out.wrapping_add(channel * h * w * l);
            // Rows of the next channel, to prefetch: those that are added and those that are written.
            let next_other =
                self.other.and_then(|planes| planes.get(channel + 1)).map(|plane| plane.as_ptr());
            let next_out = out.wrapping_add(h * w * l).cast_const();
            for x in 0..columns {
                for r in 0..rows {
                    let row = start + r * w * l;
                    prefetch_along(next_out.wrapping_add(row), x * l);
                    if let Some(next) = next_other {
                        prefetch_along(next.wrapping_add(row), x * l);
                    }
                }
                let mut m = [simd.splat_f32s(0.0); POINTS];
                for i in 0..POINTS {
                    if Self::has::<SPAN, SCALE>(i) {
                        m[i] = buffer.0[i][x];
                    }
                }
                let y = Self::line::<S, SPAN, SCALE>(simd, m);
                for r in 0..SPAN / scale {
                    if r < rows {
                        let at = start + (r * w + x) * l;
                        // SAFETY: row and column are in this segment, which is inside the plane.
                        unsafe {
                            let mut y = simd.add_f32s(y[r], *bias);
                            if let Some(other) = other {
                                y = simd.add_f32s(y, load::<S>(other.add(at)));
                            }
                            store::<S>(out.add(at), y);
                        }
                    }
                }
            }
        }
    }

    /// Whether there are products at point `i`.
    #[inline(always)]
    fn has<const SPAN: usize, const SCALE: u8>(i: usize) -> bool {
        has_point(SPAN, i) && (SCALE == SAME || i != PAIRED)
    }

    /// The one-dimensional transform.
    #[inline(always)]
    fn line<S: Simd, const SPAN: usize, const SCALE: u8>(simd: S, m: [V<S>; POINTS]) -> [V<S>; 4] {
        if SCALE == HALVED { halved_output::<S, SPAN>(simd, m) } else { output::<S, SPAN>(simd, m) }
    }

    /// The transform along row `i` of frequencies of one tile.
    #[inline(always)]
    unsafe fn tile<S: Simd, const SPAN: usize, const SCALE: u8>(
        &self,
        simd: S,
        from: *const f32,
        row: &mut [V<S>; COLUMNS],
        at: usize,
    ) {
        let mut m = [simd.splat_f32s(0.0); POINTS];
        for j in 0..POINTS {
            if Self::has::<SPAN, SCALE>(j) {
                // SAFETY: the caller passes frequency (i, 0) of a slot of the chunk.
                m[j] = unsafe { load::<S>(from.add(j * self.products.frequency)) };
            }
        }
        let y = Self::line::<S, SPAN, SCALE>(simd, m);
        let count = if SCALE == HALVED { SPAN / 2 } else { SPAN };
        row[at..at + count].copy_from_slice(&y[..count]);
    }
}
