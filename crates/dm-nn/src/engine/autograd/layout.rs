//! The batch-lane layout: [B, C, H, W] stored as [B/LANES, C, H, W, LANES].
//!
//! The innermost axis holds one pixel of LANES images, which is one SIMD vector. A loop therefore works on whole
//! vectors with weights broadcast, without shuffles or sums over lanes, whatever the height and width. The B/LANES
//! groups of images are called blocks. If LANES does not divide B, the last block is padded with images of zeros;
//! padded images are computed and never read.

use rayon::prelude::*;

use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::lanes;

/// Floats that one task of an elementwise operation takes: 128 KB, so that its operands stay in the second-level cache.
pub(crate) const CHUNK: usize = 1 << 15;

/// Shape of a batch of feature maps in the batch-lane layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneShape {
    /// Images, padding not counted.
    pub batch: usize,
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl LaneShape {
    /// Blocks of LANES images, the last one perhaps padded.
    pub fn blocks(&self) -> usize {
        self.batch.div_ceil(lanes())
    }

    /// Pixels of one plane (one channel of one image).
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Floats of one channel of one block: pixels x LANES.
    pub fn plane(&self) -> usize {
        self.pixels() * lanes()
    }

    /// Floats of the whole buffer, padding included.
    pub fn len(&self) -> usize {
        self.blocks() * self.channels * self.plane()
    }

    /// Twice the height and width.
    pub fn doubled(self) -> Self {
        Self { height: 2 * self.height, width: 2 * self.width, ..self }
    }

    /// Half the height and width, which must be even.
    pub fn halved(self) -> Self {
        Self { height: self.height / 2, width: self.width / 2, ..self }
    }

    /// The same images with another number of channels.
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }
}

/// [B, C, H, W] -> batch-lane layout.
pub(super) fn to_lanes(values: &[f32], shape: LaneShape) -> Buffer {
    let l = lanes();
    let image = shape.channels * shape.pixels();
    let mut out = Buffer::recycled(shape.len());
    out.par_chunks_mut(shape.plane()).enumerate().for_each(|(i, plane)| {
        let (block, channel) = (i / shape.channels, i % shape.channels);
        if (block + 1) * l > shape.batch {
            plane.fill(0.0);
        }
        for lane in 0..l.min(shape.batch - block * l) {
            let start = (block * l + lane) * image + channel * shape.pixels();
            let source = &values[start..start + shape.pixels()];
            plane[lane..].iter_mut().step_by(l).zip(source).for_each(|(o, v)| *o = *v);
        }
    });
    out
}

/// Batch-lane layout -> [B, C, H, W].
pub(super) fn from_lanes(buffer: &[f32], shape: LaneShape) -> Vec<f32> {
    let l = lanes();
    let mut out = vec![0.0; shape.batch * shape.channels * shape.pixels()];
    out.par_chunks_mut(shape.pixels()).enumerate().for_each(|(i, target)| {
        let (image, channel) = (i / shape.channels, i % shape.channels);
        let plane = (image / l * shape.channels + channel) * shape.plane();
        let source = buffer[plane + image % l..plane + shape.plane()].iter().step_by(l);
        target.iter_mut().zip(source).for_each(|(o, v)| *o = *v);
    });
    out
}
