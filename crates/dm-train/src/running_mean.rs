//! The mean of the numbers seen since the last report.

use serde::{Deserialize, Serialize};

/// The mean of a growing list of numbers. Part of a checkpoint, so that a resumed run reports the same means.
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
        self.count += 1;
    }

    /// The mean of the numbers; `None` if there are none.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The mean of the numbers, after which the list is empty; `None` if there are none.
    pub fn take(&mut self) -> Option<f64> {
        std::mem::take(self).mean()
    }
}
