//! Sums of losses over an epoch, in all and by level, and over the steps since the last line of the metrics: what the
//! loss curves are made of.

use serde::{Deserialize, Serialize};

/// Number of equal bins of t/T; the first holds the least degraded levels.
pub const BINS: usize = 10;

/// Losses gathered so far. Part of a checkpoint, so that an interrupted epoch reports the same numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    sum: [f64; BINS],
    /// Sum of weights.
    count: [f64; BINS],
}

impl Totals {
    /// Adds the loss of one image at level `t` of `steps`; `weight` is 1 where levels are drawn alike, else it makes up
    /// for how they are drawn, so that means are always over levels alike.
    pub fn add(&mut self, t: usize, steps: usize, loss: f64, weight: f64) {
        let bin = (t.saturating_sub(1) * BINS / steps.max(1)).min(BINS - 1);
        self.sum[bin] += weight * loss;
        self.count[bin] += weight;
    }

    /// Mean loss of all images; `None` if there were none.
    pub fn mean(&self) -> Option<f64> {
        let count: f64 = self.count.iter().sum();
        (count > 0.0).then(|| self.sum.iter().sum::<f64>() / count)
    }

    /// Mean loss in each bin of t/T; `None` where no image fell.
    pub fn by_level(&self) -> [Option<f64>; BINS] {
        std::array::from_fn(|i| (self.count[i] > 0.0).then(|| self.sum[i] / self.count[i]))
    }
}

/// The objective over the steps since the last line of the metrics. Part of a checkpoint, so that a resumed run writes the
/// same lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    sum: f64,
    steps: u64,
}

impl Recent {
    /// Adds the objective of one step.
    pub fn add(&mut self, loss: f64) {
        self.sum += loss;
        self.steps += 1;
    }

    /// Mean over the steps; `None` if there were none.
    pub fn mean(&self) -> Option<f64> {
        (self.steps > 0).then(|| self.sum / self.steps as f64)
    }
}
