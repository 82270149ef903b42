//! The two-dimensional transforms, a segment of tiles at a time.
//!
//! The pass along columns is shared by neighbouring tiles, so it runs over the whole segment into a buffer on the
//! stack; the pass along rows then reads each tile's columns from it.

#![allow(clippy::needless_range_loop, reason = "register arrays read best by index, several at a time")]
#![allow(unsafe_code, reason = "loops over vectors in buffers; bounds come from the plan")]

use pulp::{Simd, WithSimd};

use super::plan::{SEGMENT, Segment, TILE};
use super::transform::{POINTS, has_point, input, output, output_gradient};
use crate::ops::lanes::LaneShape;
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

/// Which transform into frequencies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    /// Of the input: windows overlap by two.
    Input,
    /// Of the gradient of the results.
    Gradient,
}

/// Transforms one segment of all channels into frequencies.
pub(super) struct Forward<'a> {
    pub kind: Into,
    /// Channels of the segment's lane block.
    pub planes: &'a [f32],
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
            (Into::Input, 2) => self.run::<S, 2, true>(simd),
            (Into::Input, 3) => self.run::<S, 3, true>(simd),
            (Into::Input, _) => self.run::<S, 4, true>(simd),
            (Into::Gradient, 2) => self.run::<S, 2, false>(simd),
            (Into::Gradient, 3) => self.run::<S, 3, false>(simd),
            (Into::Gradient, _) => self.run::<S, 4, false>(simd),
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const SPAN: usize, const INPUT: bool>(&self, simd: S) {
        let l = S::F32_LANES;
        let (h, w) = (self.shape.height, self.shape.width);
        let segment = self.segment;
        // Inputs reach one row and column further than results on each side.
        let border = usize::from(INPUT);
        let tail = if segment.tail { self.tail.unwrap_or(0) } else { 0 };
        let columns = segment.full * TILE + tail + 2 * border;
        // Columns inside the image.
        let first = border.saturating_sub(segment.col);
        let last = columns.min(w + border - segment.col);
        let rows = SPAN + 2 * border;
        let mut source = [(ZEROS.0.as_ptr(), 0); POINTS];
        for r in 0..rows {
            if let Some(y) = (segment.row + r).checked_sub(border)
                && y < h
            {
                let start = &self.planes[(y * w + segment.col + first - border) * l..];
                source[r] = (start.as_ptr(), h * w * l);
            }
        }
        let mut buffer = Columns::<S>::stale();
        for channel in 0..self.shape.channels {
            for x in first..last {
                let mut d = [simd.splat_f32s(0.0); POINTS];
                for r in 0..rows {
                    // SAFETY: column `x` of row `r` is inside the image, or in ZEROS.
                    d[r] = unsafe { load::<S>(source[r].0.add((x - first) * l)) };
                }
                let t = if INPUT {
                    input::<S, SPAN>(simd, d)
                } else {
                    output_gradient::<S, SPAN>(simd, [d[0], d[1], d[2], d[3]])
                };
                for i in 0..POINTS {
                    if has_point(SPAN, i) {
                        buffer.0[i][x] = t[i];
                    }
                }
            }
            if channel + 1 < self.shape.channels {
                for s in &mut source[..rows] {
                    // SAFETY: the next channel of the same block, or ZEROS again.
                    s.0 = unsafe { s.0.add(s.1) };
                }
            }
            // SAFETY: the channel's slots in `out`.
            let out = unsafe { self.out.start.add(channel * self.out.channel) };
            for i in 0..POINTS {
                if has_point(SPAN, i) {
                    // SAFETY: slots of this segment, inside the chunk's buffer.
                    unsafe {
                        let out = out.add(i * POINTS * self.out.frequency);
                        for t in 0..segment.full {
                            let slot = out.add((segment.full_slot + t) * l);
                            self.tile::<S, 4, INPUT>(simd, &buffer.0[i], t * TILE, slot);
                        }
                        if segment.tail {
                            let slot = out.add(segment.tail_slot * l);
                            match tail {
                                2 => self.tile::<S, 2, INPUT>(simd, &buffer.0[i], segment.full * TILE, slot),
                                _ => self.tile::<S, 3, INPUT>(simd, &buffer.0[i], segment.full * TILE, slot),
                            }
                        }
                    }
                }
            }
        }
    }

    /// The pass along a row of one tile.
    #[inline(always)]
    unsafe fn tile<S: Simd, const SPAN: usize, const INPUT: bool>(
        &self,
        simd: S,
        row: &[V<S>; COLUMNS],
        at: usize,
        out: *mut f32,
    ) {
        let count = if INPUT { SPAN + 2 } else { SPAN };
        let mut d = [simd.splat_f32s(0.0); POINTS];
        let row = &row[at..at + count];
        d[..count].copy_from_slice(row);
        let t = if INPUT {
            input::<S, SPAN>(simd, d)
        } else {
            output_gradient::<S, SPAN>(simd, [d[0], d[1], d[2], d[3]])
        };
        for j in 0..POINTS {
            if has_point(SPAN, j) {
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
    /// First plane to write, good for as many as there are biases; this task alone writes the segment.
    pub out: *mut f32,
    pub shape: LaneShape,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.span {
            2 => self.run::<S, 2>(simd),
            3 => self.run::<S, 3>(simd),
            _ => self.run::<S, 4>(simd),
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    fn run<S: Simd, const SPAN: usize>(&self, simd: S) {
        let l = S::F32_LANES;
        let (h, w) = (self.shape.height, self.shape.width);
        let segment = self.segment;
        let columns = (w - segment.col).min((segment.full + 1) * TILE);
        let columns = if segment.tail { columns } else { segment.full * TILE };
        let rows = SPAN.min(h - segment.row);
        let mut buffer = Columns::<S>::stale();
        let (biases, _) = S::as_simd_f32s(self.bias);
        for (channel, bias) in biases.iter().enumerate() {
            for i in 0..POINTS {
                if has_point(SPAN, i) {
                    // SAFETY: slots of this segment, inside the chunk's buffer.
                    unsafe {
                        let from = self.products.start.add(channel * self.products.channel);
                        let from = from.add(i * POINTS * self.products.frequency);
                        for t in 0..segment.full {
                            let slot = from.add((segment.full_slot + t) * l);
                            self.tile::<S, 4>(simd, slot, &mut buffer.0[i], t * TILE);
                        }
                        if segment.tail {
                            let slot = from.add(segment.tail_slot * l);
                            match self.tail {
                                Some(2) => {
                                    self.tile::<S, 2>(simd, slot, &mut buffer.0[i], segment.full * TILE);
                                }
                                _ => self.tile::<S, 3>(simd, slot, &mut buffer.0[i], segment.full * TILE),
                            }
                        }
                    }
                }
            }
            let start = ((channel * h + segment.row) * w + segment.col) * l;
            for x in 0..columns {
                let mut m = [simd.splat_f32s(0.0); POINTS];
                for i in 0..POINTS {
                    if has_point(SPAN, i) {
                        m[i] = buffer.0[i][x];
                    }
                }
                let y = output::<S, SPAN>(simd, m);
                for r in 0..SPAN {
                    if r < rows {
                        // SAFETY: row and column of this segment, inside the plane.
                        unsafe {
                            store::<S>(self.out.add(start + (r * w + x) * l), simd.add_f32s(y[r], *bias));
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const SPAN: usize>(
        &self,
        simd: S,
        from: *const f32,
        row: &mut [V<S>; COLUMNS],
        at: usize,
    ) {
        let mut m = [simd.splat_f32s(0.0); POINTS];
        for j in 0..POINTS {
            if has_point(SPAN, j) {
                // SAFETY: frequency (i, j) of a slot of the chunk, as the caller says.
                m[j] = unsafe { load::<S>(from.add(j * self.products.frequency)) };
            }
        }
        let y = output::<S, SPAN>(simd, m);
        row[at..at + SPAN].copy_from_slice(&y[..SPAN]);
    }
}
