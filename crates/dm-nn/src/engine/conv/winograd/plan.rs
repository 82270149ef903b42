//! How the planes of a batch are cut into tiles, segments and chunks.
//!
//! A tile is 4x4 results. If the last tile of a row or column would extend beyond the plane, a smaller tile with fewer
//! products takes its place. A segment is a run of neighbouring tiles in one row of tiles. A chunk is the work of one
//! task, which transforms, multiplies and transforms back: a few segments whose tiles have the same height, so that for
//! every frequency the number of tiles that have it is known.

use super::transform_1d::{PAIRED, POINTS, has_point};
use crate::engine::autograd::LaneShape;

/// Results of a full tile along each axis.
pub(super) const TILE: usize = 4;
/// Most full tiles of a segment. It bounds the buffer that the transforms have on the stack.
pub(super) const SEGMENT: usize = 8;

/// A run of neighbouring tiles in one row of tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Block of images.
    pub block: usize,
    /// Row and column of its first result.
    pub row: usize,
    pub col: usize,
    /// Number of full tiles, and whether a narrower one follows.
    pub full: usize,
    pub tail: bool,
    /// Slots, within the chunk, of the first full tile and of the narrower one.
    pub full_slot: usize,
    pub tail_slot: usize,
}

/// The work of one task.
#[derive(Debug)]
pub(super) struct Chunk {
    pub segments: Vec<Segment>,
    /// Rows of results of its tiles: 2, 3 or 4.
    pub span: usize,
    /// Tiles of full width in all segments. Their slots come first.
    pub full: usize,
    /// Narrower tiles in all segments.
    pub tails: usize,
}

/// Results along one axis of the last tile, if it is smaller than a full one; `n` is the length of the axis.
pub(super) fn tail_span(n: usize) -> Option<usize> {
    match n % TILE {
        0 => None,
        3 => Some(3),
        // A single result is computed as one of two.
        _ => Some(2),
    }
}

/// All chunks of a batch.
#[derive(Debug)]
pub(super) struct Plan {
    pub chunks: Vec<Chunk>,
    /// Most slots of a chunk.
    pub slots: usize,
    /// Columns of results of the narrower tiles, if there are any.
    pub tail: Option<usize>,
    /// Sizes of the source and of the results.
    pub scale: Scale,
}

/// How the sizes of the source and of the results of a convolution compare. Tiles are cut from the larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// They are equal.
    Same,
    /// The source is upsampled by two (nearest neighbour) before the convolution.
    Doubled,
    /// The results are summed over squares of 2x2 pixels: the gradient of upsampling.
    Halved,
}

impl Plan {
    /// Cuts planes of `shape` into chunks of about `slots` tiles at most.
    pub fn new(shape: LaneShape, slots: usize, scale: Scale) -> Self {
        let tail = tail_span(shape.width);
        let tiles = shape.width.div_ceil(TILE);
        let pieces = tiles.div_ceil(SEGMENT.min(slots.max(1)));
        let full_rows = shape.height / TILE;
        let bottom = tail_span(shape.height);
        let mut plan = Self { chunks: Vec::new(), slots: 0, tail, scale };
        let heights =
            [(TILE, 0..full_rows), (bottom.unwrap_or(TILE), full_rows..shape.height.div_ceil(TILE))];
        for (span, rows) in heights {
            let mut chunk = Chunk { segments: Vec::new(), span, full: 0, tails: 0 };
            for block in 0..shape.blocks() {
                for row in rows.clone() {
                    for piece in 0..pieces {
                        let (first, end) = (piece * tiles / pieces, (piece + 1) * tiles / pieces);
                        let has_tail = tail.is_some() && end == tiles;
                        if !chunk.segments.is_empty() && chunk.full + chunk.tails + end - first > slots {
                            plan.push(std::mem::replace(
                                &mut chunk,
                                Chunk { segments: Vec::new(), span, full: 0, tails: 0 },
                            ));
                        }
                        let full = end - first - usize::from(has_tail);
                        chunk.segments.push(Segment {
                            block,
                            row: row * TILE,
                            col: first * TILE,
                            full,
                            tail: has_tail,
                            full_slot: chunk.full,
                            tail_slot: chunk.tails,
                        });
                        chunk.full += full;
                        chunk.tails += usize::from(has_tail);
                    }
                }
            }
            plan.push(chunk);
        }
        plan
    }

    fn push(&mut self, mut chunk: Chunk) {
        if chunk.segments.is_empty() {
            return;
        }
        for segment in &mut chunk.segments {
            segment.tail_slot += chunk.full;
        }
        self.slots = self.slots.max(chunk.full + chunk.tails);
        self.chunks.push(chunk);
    }

    /// Number of tiles of `chunk` that have frequency (`i`, `j`). They are in the first slots.
    pub fn tiles(&self, chunk: &Chunk, i: usize, j: usize) -> usize {
        if !has_point(chunk.span, i) || self.scale != Scale::Same && (i == PAIRED || j == PAIRED) {
            0
        } else if self.tail.is_some_and(|tail| has_point(tail, j)) {
            chunk.full + chunk.tails
        } else {
            chunk.full
        }
    }
}

/// Frequencies of a tile.
pub(super) const FREQUENCIES: usize = POINTS * POINTS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_is_in_exactly_one_tile() {
        for (height, width, batch, slots) in
            [(28, 28, 33, 4), (14, 14, 5, 9), (7, 7, 64, 4), (1, 2, 1, 3), (5, 103, 2, 100)]
        {
            let shape = LaneShape { batch, channels: 3, height, width };
            let plan = Plan::new(shape, slots, Scale::Same);
            let mut seen = vec![0; shape.blocks() * height * width];
            for chunk in &plan.chunks {
                let mut slots = vec![0; chunk.full + chunk.tails];
                for s in &chunk.segments {
                    for t in 0..s.full {
                        slots[s.full_slot + t] += 1;
                    }
                    if s.tail {
                        slots[s.tail_slot] += 1;
                    }
                    let end = s.col + s.full * TILE + if s.tail { plan.tail.unwrap() } else { 0 };
                    for y in s.row..(s.row + chunk.span).min(height) {
                        for x in s.col..end.min(width) {
                            seen[(s.block * height + y) * width + x] += 1;
                        }
                    }
                }
                assert!(slots.iter().all(|n| *n == 1));
                assert!(slots.len() <= plan.slots);
            }
            assert!(seen.iter().all(|n| *n == 1), "{height}x{width}");
        }
    }
}
