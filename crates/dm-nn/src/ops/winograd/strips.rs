//! The two-dimensional transforms, a segment of tiles at a time.
//!
//! The pass along columns is shared by neighbouring tiles, so it runs over the whole segment into a buffer on the
//! stack; the pass along rows then reads each tile's columns from it.

#![allow(clippy::needless_range_loop, reason = "register arrays read best by index, several at a time")]
#![allow(unsafe_code, reason = "loops over vectors in buffers; bounds come from the plan")]

use pulp::{Simd, WithSimd};

use super::plan::{SEGMENT, Scale, Segment, TILE};
use super::transform::{
    PAIRED, POINTS, doubled_input, halved_output, has_point, input, output, output_gradient,
};
use crate::ops::lanes::LaneShape;
use crate::ops::prefetch::prefetch_along;
use crate::ops::simd::{V, load, store};

/// Most columns of a segment: full tiles, a smaller one, two of border.
const COLUMNS: usize = SEGMENT * TILE + 2;

/// One value per point and column of a segment.
struct Columns<S: Simd>([[V<S>; COLUMNS]; POINTS]);

impl<S: Simd> Columns<S> {
    #[inline(always)]
    fn stale() -> Self {
        Self([[bytemuck::Zeroable::zeroed(); COLUMNS]; POINTS])
    }
}

/// Stands for rows outside the image.
#[repr(align(64))]
struct Zeros([f32; COLUMNS * 16]);
static ZEROS: Zeros = Zeros([0.0; COLUMNS * 16]);

/// Frequencies of a chunk: [frequency, channel, slot] vectors with gaps.
#[derive(Clone, Copy)]
pub(super) struct Spectra {
    pub start: *mut f32,
    /// Floats from one channel to the next.
    pub channel: usize,
    /// Floats from one frequency to the next.
    pub frequency: usize,
}

impl Spectra {
    /// Where each of the first `count` channels starts.
    pub fn channels(self, count: usize) -> Vec<*const f32> {
        (0..count).map(|c| self.start.wrapping_add(c * self.channel).cast_const()).collect()
    }
}

/// Which transform into frequencies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    /// Of the input: windows overlap by two.
    Input,
    /// Of the gradient of the results.
    Gradient,
    /// Of the input before it is doubled.
    DoubledInput,
}

// [`Into`] and [`Scale`] as constants of the loops.
const INPUT: u8 = 0;
const GRADIENT: u8 = 1;
const DOUBLED: u8 = 2;
const SAME: u8 = 3;
const HALVED: u8 = 4;

/// Transforms one segment of all channels into frequencies.
pub(super) struct Forward<'a> {
    pub kind: Into,
    /// Channels of the segment's lane block.
    pub planes: &'a [&'a [f32]],
    pub shape: LaneShape,
    pub segment: Segment,
    /// Height of the tiles, width of the last one.
    pub span: usize,
    pub tail: Option<usize>,
    pub out: Spectra,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (self.kind, self.span) {
            (Into::Input, 2) => self.run::<S, 2, INPUT>(simd),
            (Into::Input, 3) => self.run::<S, 3, INPUT>(simd),
            (Into::Input, _) => self.run::<S, 4, INPUT>(simd),
            (Into::Gradient, 2) => self.run::<S, 2, GRADIENT>(simd),
            (Into::Gradient, 3) => self.run::<S, 3, GRADIENT>(simd),
            (Into::Gradient, _) => self.run::<S, 4, GRADIENT>(simd),
            (Into::DoubledInput, 2) => self.run::<S, 2, DOUBLED>(simd),
            (Into::DoubledInput, _) => self.run::<S, 4, DOUBLED>(simd),
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const SPAN: usize, const KIND: u8>(&self, simd: S) {
        let l = S::F32_LANES;
        let (h, w) = (self.shape.height, self.shape.width);
        let segment = self.segment;
        // Inputs reach one row and column further than results on each side.
        let border = usize::from(KIND != GRADIENT);
        // Results per pixel of the source, along an axis.
        let scale = if KIND == DOUBLED { 2 } else { 1 };
        let (top, left) = (segment.row / scale, segment.col / scale);
        let tail = if segment.tail { self.tail.unwrap_or(0) } else { 0 };
        let columns = (segment.full * TILE + tail) / scale + 2 * border;
        // Columns inside the image.
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
        let mut buffer = Columns::<S>::stale();
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
                    // SAFETY: column `x` of row `r` is inside the image, or in ZEROS.
                    d[r] = unsafe { load::<S>(source[r].add(at)) };
                }
                let t = Self::line::<S, SPAN, KIND>(simd, d);
                for i in 0..POINTS {
                    if Self::has::<SPAN, KIND>(i) {
                        buffer.0[i][x] = t[i];
                    }
                }
            }
            // SAFETY: the channel's slots in `out`.
            let out = unsafe { self.out.start.add(channel * self.out.channel) };
            for i in 0..POINTS {
                if Self::has::<SPAN, KIND>(i) {
                    // SAFETY: slots of this segment, inside the chunk's buffer.
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

    /// Whether the transform has point `i`.
    #[inline(always)]
    fn has<const SPAN: usize, const KIND: u8>(i: usize) -> bool {
        has_point(SPAN, i) && !(KIND == DOUBLED && i == PAIRED)
    }

    /// The transform along one axis.
    #[inline(always)]
    fn line<S: Simd, const SPAN: usize, const KIND: u8>(simd: S, d: [V<S>; POINTS]) -> [V<S>; POINTS] {
        match KIND {
            INPUT => input::<S, SPAN>(simd, d),
            DOUBLED => doubled_input::<S, SPAN>(simd, d),
            _ => output_gradient::<S, SPAN>(simd, [d[0], d[1], d[2], d[3]]),
        }
    }

    /// The pass along a row of one tile.
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
                // SAFETY: frequency (i, j) of a slot of the chunk, as the caller says.
                unsafe { store::<S>(out.add(j * self.out.frequency), t[j]) };
            }
        }
    }
}

/// Transforms the products of one segment back, adds the bias and writes the results.
pub(super) struct Backward<'a> {
    pub products: Spectra,
    pub segment: Segment,
    pub span: usize,
    pub tail: Option<usize>,
    /// One vector per channel.
    pub bias: &'a [f32],
    /// Planes to add, one per channel.
    pub other: Option<&'a [&'a [f32]]>,
    /// First plane to write, good for as many as there are biases; this task alone writes the segment.
    pub out: *mut f32,
    /// Of what is written.
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
        let mut buffer = Columns::<S>::stale();
        let (biases, _) = S::as_simd_f32s(self.bias);
        for (channel, bias) in biases.iter().enumerate() {
            for i in 0..POINTS {
                if Self::has::<SPAN, SCALE>(i) {
                    // SAFETY: slots of this segment, inside the chunk's buffer.
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
            // The next channel's rows, of what is added and of what is written.
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
                        // SAFETY: row and column of this segment, inside the plane.
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

    /// Whether the products have point `i`.
    #[inline(always)]
    fn has<const SPAN: usize, const SCALE: u8>(i: usize) -> bool {
        has_point(SPAN, i) && (SCALE == SAME || i != PAIRED)
    }

    /// The transform along one axis.
    #[inline(always)]
    fn line<S: Simd, const SPAN: usize, const SCALE: u8>(simd: S, m: [V<S>; POINTS]) -> [V<S>; 4] {
        if SCALE == HALVED { halved_output::<S, SPAN>(simd, m) } else { output::<S, SPAN>(simd, m) }
    }

    /// The pass along a row of one tile.
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
                // SAFETY: frequency (i, j) of a slot of the chunk, as the caller says.
                m[j] = unsafe { load::<S>(from.add(j * self.products.frequency)) };
            }
        }
        let y = Self::line::<S, SPAN, SCALE>(simd, m);
        let count = if SCALE == HALVED { SPAN / 2 } else { SPAN };
        row[at..at + count].copy_from_slice(&y[..count]);
    }
}
