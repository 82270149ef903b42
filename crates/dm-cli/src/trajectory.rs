//! The way from prior to image: states of the first samples along the chain, kept for a strip or a film.

use dm_degrade::{Degradation, Level};
use dm_nn::data::PIXELS;
use dm_train::generate::quantise;

/// States of the first samples, at moments spread evenly over the chain.
pub struct Trajectory {
    /// Samples kept.
    samples: usize,
    /// Which states of a chain to keep, first and last among them.
    keep: Vec<usize>,
    /// First sample of the batch under way, and states of it seen so far.
    batch: (u64, usize),
    /// Kept states as images [samples, 784], one entry per moment.
    frames: Vec<Vec<u8>>,
}

impl Trajectory {
    /// Keeps up to `frames` states of the first `samples` samples of chains of `steps` steps.
    pub fn new(samples: usize, frames: usize, steps: usize) -> Self {
        let last = frames.min(steps + 1) - 1;
        let keep: Vec<usize> = (0..=last).map(|i| i * steps / last.max(1)).collect();
        Self { samples, frames: vec![Vec::new(); keep.len()], keep, batch: (0, 0) }
    }

    /// Sees the next `states` [n, 784], at `level`, of the batch whose first sample is `first`.
    pub fn see(&mut self, degradation: &dyn Degradation, first: u64, level: Level, states: &[f32]) {
        if self.batch.0 != first {
            self.batch = (first, 0);
        }
        if let Ok(frame) = self.keep.binary_search(&self.batch.1) {
            let wanted = self.samples.saturating_sub(first as usize);
            for state in states.chunks_exact(PIXELS).take(wanted) {
                self.frames[frame].extend(quantise(&degradation.picture(state, level)));
            }
        }
        self.batch.1 += 1;
    }

    /// The kept images over time, [samples, 784] each.
    pub fn frames(&self) -> &[Vec<u8>] {
        &self.frames
    }

    /// The kept images row by row: sample, then moment.
    pub fn strip(&self) -> Vec<u8> {
        let rows = self.frames.first().map_or(0, |frame| frame.len() / PIXELS);
        let row = |row: usize| self.frames.iter().flat_map(move |f| &f[row * PIXELS..(row + 1) * PIXELS]);
        (0..rows).flat_map(row).copied().collect()
    }
}
