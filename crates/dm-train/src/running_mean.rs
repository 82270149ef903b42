//! The mean of the numbers that have been added since the last report.

use serde::{Deserialize, Serialize};

/// The mean of a growing list of numbers. It is part of a checkpoint, so that a resumed run reports the same means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningMean {
    sum: f64,
    count: u64,
}

impl RunningMean {
    /// Adds a number.
    pub fn add(&mut self, value: f64) {
        self.sum += value;
        self.count = self.count.saturating_add(1);
    }

    /// The mean of the numbers; `None` if no number has been added.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// Returns the mean of the numbers and empties the list; `None` if no number has been added.
    pub fn take(&mut self) -> Option<f64> {
        std::mem::take(self).mean()
    }
}
