//! Buffers of transformed tiles.

use super::plan::FREQUENCIES;
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::lanes;

/// Floats between frequencies, so that the frequencies of a tile do not all fall into the same cache set.
const GAP: usize = 16;

/// The transformed tiles of a chunk: vectors [frequency, channel, slot], with a gap after each frequency. A slot is a
/// tile.
#[derive(Clone, Copy)]
pub(super) struct TransformedTiles {
    pub start: *mut f32,
    /// Floats from one channel to the next.
    pub channel: usize,
    /// Floats from one frequency to the next.
    pub frequency: usize,
}

impl TransformedTiles {
    /// Where each of the first `count` channels starts.
    pub fn channels(self, count: usize) -> Vec<*const f32> {
        (0..count).map(|c| self.start.wrapping_add(c * self.channel).cast_const()).collect()
    }
}

/// Lays out `buffer` as transformed tiles of `channels` channels and `slots` tiles.
pub(super) fn tiles_in(buffer: &mut Buffer, channels: usize, slots: usize) -> TransformedTiles {
    let channel = slots * lanes();
    TransformedTiles { start: buffer.as_mut_ptr(), channel, frequency: channels * channel + GAP }
}

/// Floats of a buffer for [`tiles_in`].
pub(super) fn tiles_len(channels: usize, slots: usize) -> usize {
    FREQUENCIES * (channels * slots * lanes() + GAP)
}
