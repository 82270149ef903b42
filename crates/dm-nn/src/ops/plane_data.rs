//! The values of lane planes, present or still to be computed.
//!
//! An elementwise operation need not write its result to memory: it can leave a [`Pending`] that computes any one plane
//! when asked. A consumer that works plane by plane (a transform) asks for planes and finds them in cache; any other
//! consumer sees a slice, which is filled on first use. So operations fuse without knowing of each other.

use std::ops::{Deref, Range};
use std::sync::OnceLock;

use rayon::prelude::*;

use super::lanes::{CHUNK, LaneShape};
use super::pool::Buffer;

/// How to compute planes on demand.
pub(crate) trait Pending: Send + Sync {
    /// What the planes are.
    fn shape(&self) -> LaneShape;

    /// Computes one plane into `out` ([`LaneShape::plane`] floats).
    fn compute(&self, block: usize, channel: usize, out: &mut [f32]);

    /// One plane, if it lies ready somewhere else.
    fn lying(&self, _block: usize, _channel: usize) -> Option<&[f32]> {
        None
    }

    /// Whether all planes lie ready somewhere else.
    fn is_view(&self) -> bool {
        false
    }
}

/// The values of lane planes, [blocks, C, H, W, LANES]; derefs to the slice of all of them.
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
    /// Planes that are computed when they are used.
    pub fn pending(pending: impl Pending + 'static) -> Self {
        Self { ready: OnceLock::new(), pending: Some(Box::new(pending)), moments: None }
    }

    /// Adds what an operation learnt about its planes while it had them in cache: per plane the mean and the sum of
    /// squared deviations from it, [blocks, C, 2, LANES].
    pub fn with_moments(self, moments: Buffer) -> Self {
        Self { moments: Some(moments), ..self }
    }

    /// See [`Self::with_moments`].
    pub fn moments(&self) -> Option<&[f32]> {
        self.moments.as_deref()
    }

    /// One plane: where it lies, or computed into `scratch`.
    pub fn plane<'a>(
        &'a self,
        shape: LaneShape,
        block: usize,
        channel: usize,
        scratch: &'a mut [f32],
    ) -> &'a [f32] {
        match (&self.pending, self.ready.get()) {
            (Some(pending), None) => pending.lying(block, channel).unwrap_or_else(|| {
                let scratch = &mut scratch[..shape.plane()];
                pending.compute(block, channel, scratch);
                scratch
            }),
            _ => Settled(self).at(shape, block, channel),
        }
    }

    /// The planes where they lie; if they lie nowhere yet, all are computed. To be called before a loop over planes, whose
    /// tasks would all find them missing.
    pub fn settled(&self) -> Settled<'_> {
        if self.pending.as_ref().is_some_and(|pending| !pending.is_view()) {
            let _: &[f32] = self;
        }
        Settled(self)
    }

    /// Whether the values are in a buffer of their own.
    pub fn is_buffer(&self) -> bool {
        self.ready.get().is_some()
    }

    /// Adds the values to `sum`.
    pub fn add_to(&self, sum: &mut [f32]) {
        let add = |(sum, values): (&mut [f32], &[f32])| sum.iter_mut().zip(values).for_each(|(s, v)| *s += v);
        let planes = self.settled();
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

    /// All planes as a buffer.
    pub fn into_buffer(self) -> Buffer {
        let _: &[f32] = &self;
        self.ready.into_inner().unwrap_or_else(|| Buffer::zeros(0))
    }
}

/// Planes that lie ready, in a buffer or elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Settled<'a>(&'a PlaneData);

impl<'a> Settled<'a> {
    /// One plane.
    pub fn at(self, shape: LaneShape, block: usize, channel: usize) -> &'a [f32] {
        if let (Some(pending), None) = (&self.0.pending, self.0.ready.get())
            && let Some(plane) = pending.lying(block, channel)
        {
            return plane;
        }
        &self.0[(block * shape.channels + channel) * shape.plane()..][..shape.plane()]
    }

    /// The planes of some channels of a block.
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
        // No lock is held while threads work together: one that waits takes up other work, which may want these planes.
        let all = self.pending.as_ref().map_or_else(
            || Buffer::zeros(0),
            |pending| {
                let shape = pending.shape();
                let mut all = Buffer::stale(shape.len());
                all.par_chunks_mut(shape.plane()).enumerate().for_each(|(i, plane)| {
                    pending.compute(i / shape.channels, i % shape.channels, plane);
                });
                all
            },
        );
        self.ready.get_or_init(|| all)
    }
}
