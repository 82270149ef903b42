//! A distribution of real numbers, represented by its quantiles.

use dm_nn::rng::Rng;

/// The number of quantiles that represent a fitted distribution.
pub const QUANTILES: usize = 257;

/// A distribution on the line, as evenly spaced quantiles from its smallest to its largest value.
#[derive(Clone, Debug)]
pub struct QuantileDistribution(Vec<f32>);

impl QuantileDistribution {
    /// The distribution with these quantiles, which must ascend. There must be at least one; without any, drawing from the
    /// distribution panics.
    pub fn new(quantiles: &[f32]) -> Self {
        Self(quantiles.to_vec())
    }

    /// The [`QUANTILES`] quantiles of `values`; empty if there are no values.
    pub fn fit(mut values: Vec<f32>) -> Vec<f32> {
        if values.is_empty() {
            return values;
        }
        values.sort_by(f32::total_cmp);
        let last = (values.len() - 1) as f64;
        let at = |i: usize| values[(last * i as f64 / (QUANTILES - 1) as f64).round() as usize];
        (0..QUANTILES).map(at).collect()
    }

    /// Draws one value; uses one uniform.
    pub fn sample(&self, rng: &mut Rng) -> f32 {
        self.quantile(rng.uniform())
    }

    /// The quantile of `u` in [0, 1], interpolated linearly between the stored quantiles.
    pub fn quantile(&self, u: f32) -> f32 {
        let at = u * (self.0.len() - 1) as f32;
        let low = at as usize;
        let high = (low + 1).min(self.0.len() - 1);
        self.0[low] + (self.0[high] - self.0[low]) * at.fract()
    }

    /// The mean of the stored quantiles.
    pub fn mean(&self) -> f64 {
        self.0.iter().map(|&v| f64::from(v)).sum::<f64>() / self.0.len() as f64
    }
}
