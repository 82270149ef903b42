//! Which levels are trained on: all alike, or those with large losses more often.
//!
//! Importance sampling, Nichol and Dhariwal 2021, section 3.3: draw t with p_t proportional to sqrt(E[L_t^2]) and weigh
//! its loss by 1 / p_t, which leaves the objective as it is and lowers the variance of its gradient. Here E[L_t^2] is an
//! exponential average in each of up to 50 bins of equal width, not ten kept losses per level.

use dm_degrade::degradation::Level;
use dm_nn::rng::Rng;
use serde::{Deserialize, Serialize};

/// How the levels of a batch are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelLaw {
    /// All alike.
    #[default]
    Uniform,
    /// In proportion to the root mean square of their loss.
    Importance,
}

/// Most bins of levels.
const BINS: usize = 50;
/// Losses a bin must have seen before any bin is preferred.
const ENOUGH: u64 = 10;
/// Weight of a new loss in the average of its bin.
const FRESH: f64 = 0.01;
/// Share of levels drawn alike all the same, so that no bin is forgotten.
const ALIKE: f64 = 0.001;

/// Draws levels and learns from their losses. Part of a checkpoint where the law is importance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Levels {
    law: LevelLaw,
    /// Levels 1..=last are drawn.
    last: usize,
    /// Average squared loss of each bin.
    square: Vec<f64>,
    /// Losses seen by each bin.
    seen: Vec<u64>,
}

impl Levels {
    /// Knows no loss yet.
    pub fn new(law: LevelLaw, last: usize) -> Self {
        let bins = last.clamp(1, BINS);
        Self { law, last, square: vec![0.0; bins], seen: vec![0; bins] }
    }

    /// Whether `self` can go on from `other`: the same law over the same levels.
    pub fn fits(&self, other: &Self) -> bool {
        let bins = self.square.len();
        (self.law, self.last) == (other.law, other.last)
            && [other.square.len(), other.seen.len()] == [bins; 2]
    }

    /// Whether there is anything to remember between steps.
    pub fn learns(&self) -> bool {
        self.law == LevelLaw::Importance
    }

    fn bin(&self, level: usize) -> usize {
        (level - 1) * self.square.len() / self.last
    }

    /// `count` levels, each with the weight 1 / (last p_t) of its loss.
    pub fn draw(&self, count: usize, rng: &mut Rng) -> Vec<(Level, f64)> {
        if !self.learns() || self.seen.iter().any(|&seen| seen < ENOUGH) {
            return (0..count).map(|_| (Level(1 + rng.below(self.last as u64) as usize), 1.0)).collect();
        }
        let root = |level| self.square[self.bin(level)].sqrt().max(f64::MIN_POSITIVE);
        let root: Vec<f64> = (1..=self.last).map(root).collect();
        let (total, alike) = (root.iter().sum::<f64>(), 1.0 / self.last as f64);
        let chance: Vec<f64> = root.iter().map(|root| (1.0 - ALIKE) * root / total + ALIKE * alike).collect();
        let below: Vec<f64> =
            chance.iter().scan(0.0, |sum, p| Some(std::mem::replace(sum, *sum + p))).collect();
        let one = |_| {
            let at = rng.uniform_f64();
            let level = below.partition_point(|&below| below <= at);
            (Level(level), alike / chance[level - 1])
        };
        (0..count).map(one).collect()
    }

    /// Remembers the losses of a batch, weighted by the objective but not by 1 / p_t.
    pub fn learn(&mut self, losses: impl Iterator<Item = (Level, f64)>) {
        for (level, loss) in losses.filter(|_| self.law == LevelLaw::Importance) {
            let bin = self.bin(level.0);
            // The mean of the first losses, then the exponential average.
            self.seen[bin] += 1;
            let fresh = FRESH.max(1.0 / self.seen[bin] as f64);
            self.square[bin] += fresh * (loss * loss - self.square[bin]);
        }
    }
}

#[cfg(test)]
mod tests {
    use dm_nn::rng::{Seed, Stream};

    use super::*;

    /// Levels that have seen a loss of `loss(t)` at every level twenty times.
    fn taught(last: usize, loss: impl Fn(usize) -> f64) -> Levels {
        let mut levels = Levels::new(LevelLaw::Importance, last);
        for _ in 0..20 {
            levels.learn((1..=last).map(|t| (Level(t), loss(t))));
        }
        levels
    }

    #[test]
    fn levels_are_drawn_alike_until_every_bin_is_known() {
        let mut levels = Levels::new(LevelLaw::Importance, 100);
        levels.learn((1..=90).flat_map(|t| [(Level(t), t as f64); 10]));
        let rng = || Seed(1).stream(Stream::Level, 0, 0);
        assert_eq!(levels.draw(200, &mut rng()), Levels::new(LevelLaw::Uniform, 100).draw(200, &mut rng()));
        levels.learn((91..=100).flat_map(|t| [(Level(t), t as f64); 10]));
        assert!(levels.draw(200, &mut rng()).iter().any(|(_, weight)| *weight != 1.0));
    }

    #[test]
    fn large_losses_are_drawn_in_proportion_and_weighed_back() {
        // 37 levels in 37 bins; a loss of 1 below level 19 and of 3 from there on.
        let loss = |t: usize| if t < 19 { 1.0 } else { 3.0 };
        let levels = taught(37, loss);
        let drawn = levels.draw(100_000, &mut Seed(2).stream(Stream::Level, 0, 0));
        let count = |t: usize| drawn.iter().filter(|(level, _)| level.0 == t).count() as f64;
        let low = (1..19).map(count).sum::<f64>() / 18.0;
        let high = (19..=37).map(count).sum::<f64>() / 19.0;
        assert!((high / low - 3.0).abs() < 0.06, "{}", high / low);
        // The weighted mean is the mean over levels drawn alike.
        let estimate = drawn.iter().map(|(level, weight)| weight * loss(level.0)).sum::<f64>() / 1e5;
        let expected = (1..=37).map(loss).sum::<f64>() / 37.0;
        assert!((estimate / expected - 1.0).abs() < 0.005, "{estimate} and {expected}");
        let weights = drawn.iter().map(|(_, weight)| weight).sum::<f64>() / 1e5;
        assert!((weights - 1.0).abs() < 0.02, "{weights}");
    }

    #[test]
    fn every_level_can_be_drawn_even_if_all_losses_are_zero() {
        let drawn = taught(3, |_| 0.0).draw(5_000, &mut Seed(3).stream(Stream::Level, 0, 0));
        for t in 1..=3 {
            assert!(drawn.iter().any(|(level, _)| level.0 == t), "{t}");
        }
        assert!(drawn.iter().all(|(level, _)| (1..=3).contains(&level.0)));
    }
}
