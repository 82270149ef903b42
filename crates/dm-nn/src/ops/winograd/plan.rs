//! How a batch of images is cut into tiles, strips of tiles and chunks of strips.
//!
//! A tile is 4x4 results. Where the last tile of a row or column would stick out it becomes a smaller one, with fewer
//! products, rather than a full one half wasted. A segment is a run of tiles beside each other in one image row of
//! tiles; a chunk is what one task transforms, multiplies and transforms back: a few segments with tiles of equal
//! height, so that it knows for every frequency how many of its tiles have it.

use super::transform::{PAIRED, POINTS, has_point};
use crate::ops::lanes::LaneShape;

/// Results of a full tile along an axis.
pub(super) const TILE: usize = 4;
/// Most full tiles of a segment: bounds the buffer on the stack of the transforms.
pub(super) const SEGMENT: usize = 8;

/// A run of tiles beside each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Lane block.
    pub block: usize,
    /// First row and column of its results.
    pub row: usize,
    pub col: usize,
    /// Number of full tiles, and whether a smaller one follows.
    pub full: usize,
    pub tail: bool,
    /// Slot in the chunk of its first full tile, and of the smaller one.
    pub full_slot: usize,
    pub tail_slot: usize,
}

/// The work of one task.
#[derive(Debug)]
pub(super) struct Chunk {
    pub segments: Vec<Segment>,
    /// Height of its tiles (2, 3 or 4).
    pub span: usize,
    /// Full tiles in all segments; their slots come first.
    pub full: usize,
    /// Smaller tiles.
    pub tails: usize,
}

/// Tiles of the last row or column: their span if they are smaller than full ones.
pub(super) fn tail_span(n: usize) -> Option<usize> {
    match n % TILE {
        0 => None,
        3 => Some(3),
        // A single result is computed as two.
        _ => Some(2),
    }
}

/// The whole cut.
#[derive(Debug)]
pub(super) struct Plan {
    pub chunks: Vec<Chunk>,
    /// Slots that a chunk's buffers need.
    pub slots: usize,
    /// Width of the smaller tiles.
    pub tail: Option<usize>,
    /// How results and source differ in size.
    pub scale: Scale,
}

/// Sizes of the source and of the results of a convolution; tiles are cut from the larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Equal.
    Same,
    /// The source is first doubled by nearest upsampling.
    Doubled,
    /// The results are summed in squares of 2x2: the gradient of the former.
    Halved,
}

impl Plan {
    /// Cuts `shape` into chunks of at most about `slots` tiles.
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

    /// Number of tiles of `chunk` that have frequency (`i`, `j`); they are its first slots.
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
