//! The best, the worst and random images of a pool. Images are ranked by their realism, a rule that is fixed before the images
//! are seen. Near copies of training images are excluded from the best images.

use dm_nn::rng::Seed;
use serde::Serialize;

use crate::classifier_output::ClassPrediction;
use crate::error::{EvalError, Result};
use crate::streams::METRIC;

/// One image of the pool, with its scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RankedImage {
    /// Index in the pool.
    pub index: usize,
    /// Realism; infinite (null in JSON) for a copy of a reference image.
    pub realism: f64,
    /// The class that the classifier predicts.
    pub class: u8,
    /// Probability of this class.
    pub confidence: f64,
    /// Euclidean distance to the nearest training image, between all values in [0, 1].
    pub nearest_distance: f64,
    /// Index of the nearest training image.
    pub nearest_training: u32,
    /// Whether the image is a near copy: nearer to its nearest training image than that training image's own nearest neighbour
    /// in the training set is.
    pub near_copy: bool,
}

/// Three selections of images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// Number of images in the pool.
    pub pool: usize,
    /// Number of near copies in the pool, which `best` excludes.
    pub near_copies: usize,
    /// Seed of the random selection.
    pub seed: u64,
    /// The most realistic images, the most realistic first.
    pub best: Vec<RankedImage>,
    /// The least realistic images, the least realistic first.
    pub worst: Vec<RankedImage>,
    /// Images chosen at random.
    pub random: Vec<RankedImage>,
}

/// The scores of a pool, one entry per image in each list.
#[derive(Clone, Copy)]
pub struct PoolScores<'a> {
    /// Realism of each image.
    pub realism: &'a [f64],
    /// The classes that the classifier predicts.
    pub predictions: &'a [ClassPrediction],
    /// Squared distance to the nearest training image by pixels, and the index of that image.
    pub nearest: &'a [(f64, u32)],
    /// Whether each image is a near copy.
    pub near_copy: &'a [bool],
}

/// Selects `count` images of each kind, or all if there are fewer. Images of equal realism are in the order of their indices.
///
/// # Errors
/// If the lists differ in length.
pub fn ranking(pool: &PoolScores<'_>, count: usize, seed: Seed) -> Result<Ranking> {
    let n = pool.realism.len();
    for found in [pool.predictions.len(), pool.nearest.len(), pool.near_copy.len()] {
        if found != n {
            return Err(EvalError::Length { set: "pool".into(), expected: n, found });
        }
    }
    let ranked = |index: usize| RankedImage {
        index,
        realism: pool.realism[index],
        class: pool.predictions[index].class,
        confidence: pool.predictions[index].confidence,
        nearest_distance: pool.nearest[index].0.sqrt(),
        nearest_training: pool.nearest[index].1,
        near_copy: pool.near_copy[index],
    };
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| pool.realism[b].total_cmp(&pool.realism[a]));
    let best = order.iter().filter(|&&i| !pool.near_copy[i]).take(count);
    let drawn = seed.stream(METRIC, 0, 0).permutation(n);
    Ok(Ranking {
        pool: n,
        near_copies: pool.near_copy.iter().filter(|&&copy| copy).count(),
        seed: seed.0,
        best: best.map(|&i| ranked(i)).collect(),
        worst: order.iter().rev().take(count).map(|&i| ranked(i)).collect(),
        random: drawn.iter().take(count).map(|&i| ranked(i as usize)).collect(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn best_images_exclude_copies_and_the_random_choice_ignores_the_scores() {
        let realism = [0.5, f64::INFINITY, 2.0, 0.1, 2.0];
        let predictions = [ClassPrediction { class: 3, second: 5, confidence: 0.7 }; 5];
        let nearest = [(4.0, 7); 5];
        let near_copy = [false, true, false, false, false];
        let pool = PoolScores {
            realism: &realism,
            predictions: &predictions,
            nearest: &nearest,
            near_copy: &near_copy,
        };
        let chosen = ranking(&pool, 3, Seed(1)).unwrap();
        let rows = |list: &[RankedImage]| list.iter().map(|image| image.index).collect::<Vec<_>>();
        assert_eq!((rows(&chosen.best), rows(&chosen.worst)), (vec![2, 4, 0], vec![3, 0, 4]));
        assert_eq!((chosen.pool, chosen.near_copies), (5, 1));
        assert_eq!((chosen.best[0].nearest_distance, chosen.best[0].nearest_training), (2.0, 7));
        // The random choice does not depend on realism.
        let blind = PoolScores { realism: &[1.0; 5], ..pool };
        assert_eq!(rows(&ranking(&blind, 3, Seed(1)).unwrap().random), rows(&chosen.random));
        // All images, if more are asked for than there are.
        assert_eq!(rows(&ranking(&pool, 9, Seed(1)).unwrap().random).len(), 5);
        assert!(ranking(&PoolScores { near_copy: &near_copy[..4], ..pool }, 3, Seed(1)).is_err());
    }
}
