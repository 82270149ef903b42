//! Sums of the losses of an epoch, in total and by timestep. The loss curves of a run are made from them.

use serde::{Deserialize, Serialize};

/// Number of bins of equal width in t/T. The first bin holds the least degraded timesteps.
pub const BINS: usize = 10;

/// Losses of many images, summed in bins of t/T. They are part of a checkpoint, so that an interrupted epoch reports the same
/// numbers as an uninterrupted one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossByTimestep {
    /// Weighted sum of the losses in each bin.
    sum: [f64; BINS],
    /// Sum of the weights in each bin.
    count: [f64; BINS],
}

impl LossByTimestep {
    /// Adds the loss of one image at the timestep `t` of `timesteps`. `weight` is 1 where every timestep is equally likely;
    /// otherwise it is one over the relative frequency of `t`, so that means are always over equally likely timesteps.
    pub fn add(&mut self, t: usize, timesteps: usize, loss: f64, weight: f64) {
        let bin = (t.saturating_sub(1) * BINS / timesteps.max(1)).min(BINS - 1);
        self.sum[bin] += weight * loss;
        self.count[bin] += weight;
    }

    /// Mean loss of all images; `None` if there are no images.
    pub fn mean(&self) -> Option<f64> {
        let count: f64 = self.count.iter().sum();
        (count > 0.0).then(|| self.sum.iter().sum::<f64>() / count)
    }

    /// Mean loss in each bin, `[BINS]`; `None` where a bin is empty.
    pub fn by_timestep(&self) -> [Option<f64>; BINS] {
        std::array::from_fn(|i| (self.count[i] > 0.0).then(|| self.sum[i] / self.count[i]))
    }
}
