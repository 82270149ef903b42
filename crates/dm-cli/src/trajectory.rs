//! States of the first samples along the reverse chain, recorded for a strip or a film.

use dm_degrade::{Degradation, Timestep};
use dm_nn::image::to_bytes;

/// States of the first samples, at points spread evenly over the chain.
pub struct Trajectory {
    /// Number of samples kept.
    samples: usize,
    /// The numbers of the states of a chain that are kept, in rising order, the first and the last among them.
    keep: Vec<usize>,
    /// The first sample of the current batch, and the number of its states seen so far.
    batch: (u64, usize),
    /// The kept states as images [samples, C, H, W], one entry per point of the chain.
    frames: Vec<Vec<u8>>,
}

impl Trajectory {
    /// Keeps up to `frames` states (at least one) of the first `samples` samples of chains with `intervals` steps.
    pub fn new(samples: usize, frames: usize, intervals: usize) -> Self {
        let last = frames.min(intervals + 1) - 1;
        let keep: Vec<usize> = (0..=last).map(|i| i * intervals / last.max(1)).collect();
        Self { samples, frames: vec![Vec::new(); keep.len()], keep, batch: (0, 0) }
    }

    /// Records the next `states` [n, C, H, W], at timestep `t`, of the batch whose first sample is `first`.
    pub fn record(&mut self, degradation: &dyn Degradation, first: u64, t: Timestep, states: &[f32]) {
        if self.batch.0 != first {
            self.batch = (first, 0);
        }
        if let Ok(frame) = self.keep.binary_search(&self.batch.1) {
            let wanted = self.samples.saturating_sub(first as usize);
            let mut image = vec![0.0; degradation.shape().len()];
            for state in states.chunks_exact(image.len()).take(wanted) {
                degradation.codec().display(state, t, &mut image);
                self.frames[frame].extend(to_bytes(&image));
            }
        }
        self.batch.1 += 1;
    }

    /// The kept images over time, [samples, C, H, W] each.
    pub fn frames(&self) -> &[Vec<u8>] {
        &self.frames
    }

    /// The kept images as rows: one sample per row, from the prior to the image. `len` is the number of values of an image.
    pub fn strip(&self, len: usize) -> Vec<u8> {
        let rows = self.frames.first().map_or(0, |frame| frame.len() / len);
        let row = |row: usize| self.frames.iter().flat_map(move |frame| &frame[row * len..(row + 1) * len]);
        (0..rows).flat_map(row).copied().collect()
    }
}
