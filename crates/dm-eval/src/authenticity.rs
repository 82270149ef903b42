//! Memorisation: a generated image looks copied if it is nearer to a training image than that image's own nearest neighbour
//! in the training set (Alaa et al. 2022 call it not authentic). The Frechet distance does not detect this: training images
//! score perfectly.
//!
//! Distances may be between pixels or between features. Some unseen real images also look copied, so a model's share has to be
//! compared with the share of unseen real images.

use serde::{Deserialize, Serialize};

use crate::distances::{Exclude, nearest};
use crate::error::Result;
use crate::features::Features;
use crate::score::{Direction, Quantity, Score};

/// Share of generated images that look copied: 1 - authenticity.
pub const MEMORISED: Quantity = Quantity {
    name: "memorised",
    unit: "share",
    direction: Direction::Lower,
    source: "Alaa et al. 2022, arXiv:2102.08921",
};

/// The nearest training image of each image of a set. The entry of an image does not depend on the other images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authenticity {
    /// Squared distance to the nearest training image, `[n]`.
    pub squared: Vec<f64>,
    /// Index of the nearest training image, `[n]`.
    pub row: Vec<u32>,
    /// Squared distance of the nearest training image to its own nearest neighbour in the training set, `[n]`.
    pub own_squared: Vec<f64>,
    /// Number of training images.
    pub n_reference: usize,
}

impl Authenticity {
    /// Whether each image looks copied. An image at equal distance does not count: a copy of a training image that occurs
    /// twice in the training set does not look copied.
    pub fn copied(&self) -> impl Iterator<Item = bool> + '_ {
        self.squared.iter().zip(&self.own_squared).map(|(squared, own)| squared < own)
    }

    /// The share of images that look copied.
    pub fn score(&self) -> Score {
        let n = self.squared.len();
        MEMORISED.score(self.copied().filter(|&c| c).count() as f64 / n as f64, n, self.n_reference, "")
    }

    /// The entries of the images with the indices `rows`.
    ///
    /// # Panics
    /// If an index is not below the number of images.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            squared: rows.iter().map(|&row| self.squared[row]).collect(),
            row: rows.iter().map(|&row| self.row[row]).collect(),
            own_squared: rows.iter().map(|&row| self.own_squared[row]).collect(),
            n_reference: self.n_reference,
        }
    }

    /// The entries of several sets, one set after another; empty if there are no sets.
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

/// The most rows that are compared with the training set at a time. The results do not depend on it.
pub const PART: usize = 10_000;

/// Finds the nearest training image of each generated image.
///
/// The nearest neighbour of a training image is computed only if the training image is the nearest one of a generated image.
/// The time is therefore that of at most 2 n x `n_training` distances, not of `n_training` squared.
///
/// # Errors
/// If the sets differ in width, or there are fewer than two training images.
pub fn authenticity(generated: &Features, training: &Features) -> Result<Authenticity> {
    let mut found = Nearest::default();
    found.add(generated, training)?;
    found.finish(training)
}

/// As [`authenticity`], of a set that is given in parts, for example of [`PART`] rows, only one of which is held at a time.
///
/// # Errors
/// If a part cannot be made, and as [`authenticity`].
pub fn authenticity_in_parts(
    parts: impl IntoIterator<Item = Result<Features>>,
    training: &Features,
) -> Result<Authenticity> {
    let mut found = Nearest::default();
    parts.into_iter().try_for_each(|part| found.add(&part?, training))?;
    found.finish(training)
}

/// Squared distance and index of the nearest training image of each generated image so far.
#[derive(Default)]
struct Nearest {
    squared: Vec<f64>,
    row: Vec<u32>,
}

impl Nearest {
    fn add(&mut self, generated: &Features, training: &Features) -> Result<()> {
        training.at_least(2, "training", MEMORISED.name)?;
        let neighbours = nearest(generated, training, 1, Exclude::Nothing)?;
        for (squared, row) in neighbours.nearest() {
            self.squared.push(squared);
            self.row.push(row);
        }
        Ok(())
    }

    fn finish(self, training: &Features) -> Result<Authenticity> {
        let Self { squared, row } = self;
        let mut distinct: Vec<usize> = row.iter().map(|&row| row as usize).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let mut own = Vec::with_capacity(distinct.len());
        for rows in distinct.chunks(PART) {
            let nearest = nearest(&training.select(rows)?, training, 1, Exclude::Rows(rows))?;
            own.extend(nearest.kth_squared());
        }
        let own_squared =
            row.iter().map(|&hit| own[distinct.partition_point(|&row| row < hit as usize)]).collect();
        Ok(Authenticity { squared, row, own_squared, n_reference: training.n() })
    }
}
