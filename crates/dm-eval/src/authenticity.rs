//! Memorisation: is a generated image nearer to a training image than that image's own nearest neighbour in the training
//! set? Then it looks copied (Alaa et al. 2022: not authentic). The Frechet distance cannot see this; training images
//! score as perfect on it.
//!
//! Works on pixels (784 columns) and on features alike. Real unseen images are not at 0 either: the share for the test set
//! is the figure to stand beside a model's.

use serde::{Deserialize, Serialize};

use crate::distances::{Exclude, nearest};
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

/// The nearest training image of every image of a set. What is said of one image does not depend on the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authenticity {
    /// Squared distance to the nearest training image.
    pub squared: Vec<f64>,
    /// That training image.
    pub row: Vec<u32>,
    /// Squared distance from that training image to its own nearest.
    pub own_squared: Vec<f64>,
    /// Training images.
    pub n_reference: usize,
}

impl Authenticity {
    /// Whether each image looks copied. Equality is not nearer: a copy of an image that the training set itself holds twice
    /// is not counted.
    pub fn copied(&self) -> impl Iterator<Item = bool> + '_ {
        self.squared.iter().zip(&self.own_squared).map(|(squared, own)| squared < own)
    }

    /// The share that looks copied.
    pub fn score(&self) -> Score {
        let n = self.squared.len();
        MEMORISED.score(self.copied().filter(|&c| c).count() as f64 / n as f64, n, self.n_reference, "")
    }

    /// What is said of the images of these numbers.
    ///
    /// # Panics
    /// If one does not exist, as a slice does.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            squared: rows.iter().map(|&row| self.squared[row]).collect(),
            row: rows.iter().map(|&row| self.row[row]).collect(),
            own_squared: rows.iter().map(|&row| self.own_squared[row]).collect(),
            n_reference: self.n_reference,
        }
    }

    /// What is said of several sets, one after another; nothing of no sets.
    #[must_use]
    pub fn join(parts: &[&Self]) -> Self {
        let all = |list: fn(&Self) -> &[f64]| parts.iter().flat_map(|part| list(part)).copied().collect();
        Self {
            squared: all(|part| &part.squared),
            row: parts.iter().flat_map(|part| &part.row).copied().collect(),
            own_squared: all(|part| &part.own_squared),
            n_reference: parts.first().map_or(0, |part| part.n_reference),
        }
    }
}

/// Compares `generated` with `training`.
///
/// Own neighbours are computed only for training images that are somebody's nearest: the time is that of at most twice
/// n x `n_training` distances, never of `n_training` squared.
///
/// # Errors
/// Sets of different width; fewer than two training images.
pub fn authenticity(generated: &Features, training: &Features) -> Result<Authenticity> {
    training.at_least(2, "training", MEMORISED.name)?;
    let neighbours = nearest(generated, training, 1, Exclude::Nothing)?;
    let (squared, row): (Vec<f64>, Vec<u32>) = neighbours.nearest().unzip();
    let mut distinct: Vec<usize> = row.iter().map(|&row| row as usize).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let own = nearest(&training.select(&distinct)?, training, 1, Exclude::Rows(&distinct))?;
    let own: Vec<f64> = own.kth_squared();
    let own_squared =
        row.iter().map(|&hit| own[distinct.partition_point(|&row| row < hit as usize)]).collect();
    Ok(Authenticity { squared, row, own_squared, n_reference: training.n() })
}
