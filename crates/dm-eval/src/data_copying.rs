//! Data copying: are generated images nearer to the training set than unseen real images are? The Mann-Whitney statistic of
//! the two samples of nearest-neighbour distances: 0.5 where samples keep the distance that test images keep, towards 0
//! for copies. Towards 1 says only that samples lie off the manifold.
//!
//! Meehan et al. divide space into cells first; this is their statistic over all of it.

use crate::error::{EvalError, Result};
use crate::score::{Direction, Metric, Score};

/// Share of (generated, test) pairs in which the generated image is the farther from the training set.
pub const DATA_COPYING: Metric = Metric {
    name: "distance to training",
    unit: "share of pairs",
    direction: Direction::Higher,
    source: "Meehan et al. 2020, arXiv:2004.05675",
};

/// Compares squared distances to the nearest training image: `generated` against those of unseen real images.
///
/// # Errors
/// If either is empty.
pub fn data_copying(generated: &[f64], unseen: &[f64], n_training: usize) -> Result<Score> {
    for (set, values) in [("generated", generated), ("reference", unseen)] {
        if values.is_empty() {
            return Err(EvalError::TooFew { metric: DATA_COPYING.name, set, needed: 1, found: 0 });
        }
    }
    let mut sorted = unseen.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // Ties count half, as Mann and Whitney have it.
    let farther = |&d: &f64| {
        let below = sorted.partition_point(|&u| u < d);
        let equal = sorted.partition_point(|&u| u <= d) - below;
        below as f64 + equal as f64 / 2.0
    };
    let wins: f64 = generated.iter().map(farther).sum();
    let share = wins / (generated.len() as f64 * unseen.len() as f64);
    Ok(DATA_COPYING.score(
        share,
        generated.len(),
        n_training,
        format!("against {} test images", unseen.len()),
    ))
}
