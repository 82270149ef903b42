//! Memorisation: is a generated image nearer to a training image than that image's own nearest neighbour in the training
//! set? Then it looks copied (Alaa et al. 2022: not authentic). The Frechet distance cannot see this; training images
//! score as perfect on it.
//!
//! Works on pixels (784 columns) and on features alike. Real unseen images are not at 0 either: the share for the test set
//! is the figure to stand beside a model's.

use crate::distances::{Exclude, Neighbours, nearest};
use crate::error::Result;
use crate::features::Features;
use crate::score::{Direction, Metric, Score};

/// Share of generated images that look copied: 1 - authenticity.
pub const MEMORISED: Metric = Metric {
    name: "memorised",
    unit: "share",
    direction: Direction::Lower,
    source: "Alaa et al. 2022, arXiv:2102.08921",
};

/// Nearest training images of a generated set, and which of the generated look copied.
#[derive(Clone, Debug)]
pub struct Authenticity {
    /// The nearest training images of every generated one, for panels of neighbours.
    pub neighbours: Neighbours,
    /// For every generated image the squared distance from its nearest training image to that one's own nearest.
    pub own_squared: Vec<f64>,
    /// Training images.
    pub n_reference: usize,
}

impl Authenticity {
    /// Whether each generated image looks copied. Equality is not nearer: a copy of an image that the training set itself
    /// holds twice is not counted.
    pub fn copied(&self) -> impl Iterator<Item = bool> + '_ {
        self.neighbours.nearest().zip(&self.own_squared).map(|((squared, _), &own)| squared < own)
    }

    /// The share that looks copied.
    pub fn score(&self) -> Score {
        let n = self.neighbours.n();
        MEMORISED.score(self.copied().filter(|&c| c).count() as f64 / n as f64, n, self.n_reference, "")
    }
}

/// Compares `generated` with `training`, keeping the `k` nearest training images of each.
///
/// Own neighbours are computed only for training images that are somebody's nearest: the time is that of at most twice
/// n x `n_training` distances, never of `n_training` squared.
///
/// # Errors
/// Sets of different width; fewer than two training images; `k` = 0 or above their number.
pub fn authenticity(generated: &Features, training: &Features, k: usize) -> Result<Authenticity> {
    training.at_least(2, "training", MEMORISED.name)?;
    let neighbours = nearest(generated, training, k, Exclude::Nothing)?;
    let hits: Vec<usize> = neighbours.nearest().map(|(_, row)| row as usize).collect();
    let mut distinct = hits.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let own = nearest(&training.select(&distinct)?, training, 1, Exclude::Rows(&distinct))?;
    let own: Vec<f64> = own.kth_squared();
    let own_squared = hits.iter().map(|hit| own[distinct.partition_point(|row| row < hit)]).collect();
    Ok(Authenticity { neighbours, own_squared, n_reference: training.n() })
}
