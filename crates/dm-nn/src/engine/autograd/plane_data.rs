//! The values of feature maps, in memory or still to be computed.
//!
//! An elementwise operation need not write its result to memory. It can return a [`Pending`] that computes any single
//! plane on demand. A consumer that works plane by plane (a transform) asks for one plane at a time and finds it in
//! cache. Any other consumer sees a slice, which is filled on first use. In this way operations fuse without code for
//! particular combinations.
//!
//! A plane here is one channel of one block: [H, W, LANES].

use std::ops::{Deref, Range};
use std::sync::OnceLock;

use rayon::prelude::*;

use super::layout::{CHUNK, LaneShape};
use crate::engine::substrate::pool::Buffer;

/// Planes that are computed on demand, or that are borrowed from other planes.
pub(crate) trait Pending: Send + Sync {
    /// Shape of all planes.
    fn shape(&self) -> LaneShape;

    /// Computes one plane into `out` ([`LaneShape::plane`] floats).
    fn compute(&self, block: usize, channel: usize, out: &mut [f32]);

    /// One plane, if it is already in memory elsewhere.
    fn borrowed(&self, _block: usize, _channel: usize) -> Option<&[f32]> {
        None
    }

    /// Whether [`Self::borrowed`] returns every plane.
    fn is_view(&self) -> bool {
        false
    }
}

/// The values of feature maps, [blocks, C, H, W, LANES]. Derefs to the slice of all values.
pub(crate) struct PlaneData {
    ready: OnceLock<Buffer>,
    pending: Option<Box<dyn Pending>>,
    moments: Option<Buffer>,
}

impl From<Buffer> for PlaneData {
    fn from(buffer: Buffer) -> Self {
        Self { ready: buffer.into(), pending: None, moments: None }
    }
}

impl PlaneData {
    /// Planes that are computed when they are first used.
    pub fn pending(pending: impl Pending + 'static) -> Self {
        Self { ready: OnceLock::new(), pending: Some(Box::new(pending)), moments: None }
    }

    /// Adds the moments of each plane, which an operation can compute cheaply while the plane is in cache: the mean and
    /// the sum of squared deviations from the mean, [blocks, C, 2, LANES].
    pub fn with_moments(self, moments: Buffer) -> Self {
        Self { moments: Some(moments), ..self }
    }

    /// The moments given to [`Self::with_moments`].
    pub fn moments(&self) -> Option<&[f32]> {
        self.moments.as_deref()
    }

    /// One plane: a borrowed slice if it is in memory, else computed into `scratch`.
    pub fn plane<'a>(
        &'a self,
        shape: LaneShape,
        block: usize,
        channel: usize,
        scratch: &'a mut [f32],
    ) -> &'a [f32] {
        match (&self.pending, self.ready.get()) {
            (Some(pending), None) => pending.borrowed(block, channel).unwrap_or_else(|| {
                let scratch = &mut scratch[..shape.plane()];
                pending.compute(block, channel, scratch);
                scratch
            }),
            _ => Materialized(self).at(shape, block, channel),
        }
    }

    /// Ensures that all planes are in memory, computing them if necessary. Call this before a parallel loop over
    /// planes; otherwise each task would compute all planes.
    pub fn materialized(&self) -> Materialized<'_> {
        if self.pending.as_ref().is_some_and(|pending| !pending.is_view()) {
            // Dereferencing computes the planes.
            let _: &[f32] = self;
        }
        Materialized(self)
    }

    /// Whether the values are in a buffer that belongs to this object.
    pub fn is_buffer(&self) -> bool {
        self.ready.get().is_some()
    }

    /// Adds the values to `sum`.
    pub fn add_to(&self, sum: &mut [f32]) {
        let add = |(sum, values): (&mut [f32], &[f32])| sum.iter_mut().zip(values).for_each(|(s, v)| *s += v);
        let planes = self.materialized();
        match (&self.pending, self.ready.get()) {
            (Some(pending), None) => {
                let shape = pending.shape();
                sum.par_chunks_mut(shape.plane()).enumerate().for_each(|(i, sum)| {
                    add((sum, planes.at(shape, i / shape.channels, i % shape.channels)));
                });
            }
            _ => sum.par_chunks_mut(CHUNK).zip(self.par_chunks(CHUNK)).for_each(add),
        }
    }

    /// The values as a buffer.
    pub fn into_buffer(self) -> Buffer {
        // Dereferencing computes the planes if they are pending.
        let _: &[f32] = &self;
        self.ready.into_inner().unwrap_or_else(|| Buffer::zeros(0))
    }
}

/// Planes that are in memory, in a buffer of their own or borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Materialized<'a>(&'a PlaneData);

impl<'a> Materialized<'a> {
    /// One plane.
    pub fn at(self, shape: LaneShape, block: usize, channel: usize) -> &'a [f32] {
        if let (Some(pending), None) = (&self.0.pending, self.0.ready.get())
            && let Some(plane) = pending.borrowed(block, channel)
        {
            return plane;
        }
        &self.0[(block * shape.channels + channel) * shape.plane()..][..shape.plane()]
    }

    /// The planes of a range of channels of a block.
    pub fn block(self, shape: LaneShape, block: usize, channels: Range<usize>) -> Vec<&'a [f32]> {
        channels.map(|channel| self.at(shape, block, channel)).collect()
    }
}

impl Deref for PlaneData {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        if let Some(ready) = self.ready.get() {
            return ready;
        }
        // No lock is held during the computation: it runs in parallel, and a thread that waits for others takes up
        // other work, which may need these planes too.
        let all = self.pending.as_ref().map_or_else(
            || Buffer::zeros(0),
            |pending| {
                let shape = pending.shape();
                let mut all = Buffer::recycled(shape.len());
                all.par_chunks_mut(shape.plane()).enumerate().for_each(|(i, plane)| {
                    pending.compute(i / shape.channels, i % shape.channels, plane);
                });
                all
            },
        );
        self.ready.get_or_init(|| all)
    }
}
