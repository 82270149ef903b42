//! The sets of images that are evaluated, and how many images each of them has.

use anyhow::{Result, ensure};
use dm_nn::image::ImageShape;
use dm_record::Target;

/// Sets of images, and where they come from.
pub(super) struct SampleSets {
    /// Shape of every image.
    pub(super) shape: ImageShape,
    /// Pixels [n, C, H, W] of sets of equal size, each with a seed of its own.
    pub(super) sets: Vec<Vec<u8>>,
    /// Whether the sets are parts of one set.
    pub(super) pooled: bool,
    /// One line about the sets.
    pub(super) summary: String,
    /// Everything that is needed to draw or read the sets again.
    pub(super) target: Target,
}

/// The number of images behind a value: of one set, or of all parts of a pooled set.
pub(super) fn images_per_value(shape: ImageShape, sets: &[Vec<u8>], pooled: bool) -> usize {
    let counted = if pooled { sets } else { &sets[..sets.len().min(1)] };
    counted.iter().map(|set| set.len() / shape.len()).sum()
}

/// The number of images of each of `sets` sets: `n`, or its share of `n` if the sets are pooled.
///
/// # Errors
/// If a single set is to be pooled, or `n` is not a multiple of the number of sets.
pub(super) fn set_size(n: usize, sets: usize, pooled: bool) -> Result<usize> {
    if !pooled {
        return Ok(n);
    }
    ensure!(sets > 1, "--pool: found one set, expected several: --seeds, or several targets");
    ensure!(n.is_multiple_of(sets), "--n: found {n}, expected a multiple of the {sets} sets of --pool");
    Ok(n / sets)
}
