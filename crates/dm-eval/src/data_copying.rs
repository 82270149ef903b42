//! Data copying: whether generated images are nearer to the training set than unseen real images are.
//!
//! The value is the Mann-Whitney statistic of the two samples of nearest-neighbour distances. It is 0.5 if generated images are
//! as far from the training set as test images are, and approaches 0 for copies. A value near 1 only says that the generated
//! images lie off the manifold. Meehan et al. first divide the space into cells; here their statistic is computed over the
//! whole space.

use crate::error::{EvalError, Result};
use crate::score::{Direction, Quantity, Score};

/// Share of (generated, test) pairs in which the generated image is farther from the training set.
pub const DATA_COPYING: Quantity = Quantity {
    name: "distance to training",
    unit: "share of pairs",
    direction: Direction::Higher,
    source: "Meehan et al. 2020, arXiv:2004.05675",
};

/// Compares the squared distances of `generated` images to their nearest training images with those of `unseen` real images. There
/// are `n_training` training images.
///
/// # Errors
/// If either list is empty.
pub fn data_copying(generated: &[f64], unseen: &[f64], n_training: usize) -> Result<Score> {
    for (set, values) in [("generated", generated), ("reference", unseen)] {
        if values.is_empty() {
            return Err(EvalError::TooFew { metric: DATA_COPYING.name, set, needed: 1, found: 0 });
        }
    }
    let mut sorted = unseen.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // Ties count one half.
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
