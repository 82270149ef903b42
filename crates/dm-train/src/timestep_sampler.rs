//! The distribution from which the timesteps of a training batch are drawn: uniform, or in favour of timesteps with large
//! losses.
//!
//! Importance sampling, Nichol and Dhariwal 2021, section 3.3: draw t with p_t proportional to sqrt(E[L_t^2]) and multiply
//! its loss by 1 / (T p_t). The objective stays the same and its gradient varies less. Nichol and Dhariwal estimate E[L_t^2]
//! from the last ten losses of each t. This sampler estimates it by an exponential moving average in each of up to 50 bins of
//! equal width.

use dm_degrade::Timestep;
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

/// The distribution of the timesteps of a training batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestepDistribution {
    /// Every timestep is equally likely.
    #[default]
    Uniform,
    /// In proportion to the root mean square of the loss.
    Importance,
}

/// The largest number of bins of timesteps.
const MAX_BINS: usize = 50;
/// Number of losses that every bin must have seen before timesteps are drawn in proportion to their losses.
const MIN_LOSSES: u64 = 10;
/// Weight of a new loss in the moving average of its bin.
const NEW_LOSS_WEIGHT: f64 = 0.01;
/// Share of the timesteps that is drawn uniformly even with importance sampling, so that every bin keeps receiving losses.
const UNIFORM_SHARE: f64 = 0.001;

/// Draws timesteps. With importance sampling it adapts to their losses, and is part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestepSampler {
    distribution: TimestepDistribution,
    /// Timesteps 1..=last are drawn.
    last: usize,
    /// Moving average of the squared losses of each bin.
    mean_square: Vec<f64>,
    /// Number of losses that each bin has seen.
    count: Vec<u64>,
}

impl TimestepSampler {
    /// A sampler of the timesteps 1..=`last` that has not seen any loss. A `last` of 0 is taken as 1.
    pub fn new(distribution: TimestepDistribution, last: usize) -> Self {
        let last = last.max(1);
        let bins = last.min(MAX_BINS);
        Self { distribution, last, mean_square: vec![0.0; bins], count: vec![0; bins] }
    }

    /// Whether `other` has the same distribution over the same timesteps.
    pub fn is_compatible(&self, other: &Self) -> bool {
        let bins = self.mean_square.len();
        (self.distribution, self.last) == (other.distribution, other.last)
            && [other.mean_square.len(), other.count.len()] == [bins; 2]
    }

    /// Whether the distribution depends on losses.
    pub fn learns(&self) -> bool {
        self.distribution == TimestepDistribution::Importance
    }

    /// The bin of timestep `t`; the first or the last bin for a timestep outside 1..=`last`.
    fn bin(&self, t: usize) -> usize {
        (t.clamp(1, self.last) - 1) * self.mean_square.len() / self.last
    }

    /// Draws `count` timesteps, each with the weight 1 / (last p_t) that its loss has in the objective.
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Vec<(Timestep, f64)> {
        if !self.learns() || self.count.iter().any(|&count| count < MIN_LOSSES) {
            return (0..count).map(|_| (Timestep(1 + rng.below(self.last as u64) as usize), 1.0)).collect();
        }
        let root = |t| self.mean_square[self.bin(t)].sqrt().max(f64::MIN_POSITIVE);
        let root: Vec<f64> = (1..=self.last).map(root).collect();
        let (total, uniform) = (root.iter().sum::<f64>(), 1.0 / self.last as f64);
        let probability: Vec<f64> =
            root.iter().map(|root| (1.0 - UNIFORM_SHARE) * root / total + UNIFORM_SHARE * uniform).collect();
        // The cumulative probability below each timestep.
        let below: Vec<f64> =
            probability.iter().scan(0.0, |sum, p| Some(std::mem::replace(sum, *sum + p))).collect();
        let one = |_| {
            let u = rng.uniform_f64();
            let t = below.partition_point(|&below| below <= u);
            (Timestep(t), uniform / probability[t - 1])
        };
        (0..count).map(one).collect()
    }

    /// Learns from the losses of a batch, which are weighted by the weighting of the objective but not by 1 / (last p_t).
    pub fn learn(&mut self, losses: impl Iterator<Item = (Timestep, f64)>) {
        if !self.learns() {
            return;
        }
        for (t, loss) in losses {
            let bin = self.bin(t.0);
            // The mean of the first losses, then the exponential moving average.
            self.count[bin] = self.count[bin].saturating_add(1);
            let weight = NEW_LOSS_WEIGHT.max(1.0 / self.count[bin] as f64);
            self.mean_square[bin] += weight * (loss * loss - self.mean_square[bin]);
        }
    }
}

#[cfg(test)]
mod tests {
    use dm_nn::rng::Seed;

    use super::*;
    use crate::streams::TIMESTEP;

    /// A sampler that has seen a loss of `loss(t)` at every timestep twenty times.
    fn trained(last: usize, loss: impl Fn(usize) -> f64) -> TimestepSampler {
        let mut sampler = TimestepSampler::new(TimestepDistribution::Importance, last);
        for _ in 0..20 {
            sampler.learn((1..=last).map(|t| (Timestep(t), loss(t))));
        }
        sampler
    }

    #[test]
    fn timesteps_are_uniform_until_every_bin_has_seen_enough_losses() {
        let mut sampler = TimestepSampler::new(TimestepDistribution::Importance, 100);
        sampler.learn((1..=90).flat_map(|t| [(Timestep(t), t as f64); 10]));
        let rng = || Seed(1).stream(TIMESTEP, 0, 0);
        let uniform = TimestepSampler::new(TimestepDistribution::Uniform, 100);
        assert_eq!(sampler.sample(200, &mut rng()), uniform.sample(200, &mut rng()));
        sampler.learn((91..=100).flat_map(|t| [(Timestep(t), t as f64); 10]));
        assert!(sampler.sample(200, &mut rng()).iter().any(|(_, weight)| *weight != 1.0));
    }

    #[test]
    fn large_losses_are_drawn_in_proportion_and_weighed_back() {
        // 37 timesteps in 37 bins; a loss of 1 below timestep 19 and of 3 from there on.
        let loss = |t: usize| if t < 19 { 1.0 } else { 3.0 };
        let sampler = trained(37, loss);
        let drawn = sampler.sample(100_000, &mut Seed(2).stream(TIMESTEP, 0, 0));
        let count = |t: usize| drawn.iter().filter(|(drawn, _)| drawn.0 == t).count() as f64;
        let low = (1..19).map(count).sum::<f64>() / 18.0;
        let high = (19..=37).map(count).sum::<f64>() / 19.0;
        assert!((high / low - 3.0).abs() < 0.06, "{}", high / low);
        // The weighted mean is the mean over equally likely timesteps.
        let estimate = drawn.iter().map(|(t, weight)| weight * loss(t.0)).sum::<f64>() / 1e5;
        let expected = (1..=37).map(loss).sum::<f64>() / 37.0;
        assert!((estimate / expected - 1.0).abs() < 0.005, "{estimate} and {expected}");
        let weights = drawn.iter().map(|(_, weight)| weight).sum::<f64>() / 1e5;
        assert!((weights - 1.0).abs() < 0.02, "{weights}");
    }

    #[test]
    fn every_timestep_can_be_drawn_even_if_all_losses_are_zero() {
        let drawn = trained(3, |_| 0.0).sample(5_000, &mut Seed(3).stream(TIMESTEP, 0, 0));
        for t in 1..=3 {
            assert!(drawn.iter().any(|(drawn, _)| drawn.0 == t), "{t}");
        }
        assert!(drawn.iter().all(|(t, _)| (1..=3).contains(&t.0)));
    }
}
