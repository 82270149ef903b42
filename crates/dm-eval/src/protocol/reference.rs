//! Stored statistics of a reference set whose images are not available: its moments and its class counts, with real baselines.
//!
//! A program that contains these statistics of a data set and the classifier behind them can compute the Frechet distance, the
//! classifier score and the class balance without the data set.

use serde::{Deserialize, Serialize};

use super::baseline::RealBaseline;
use super::image_set::ImageSet;
use crate::class_balance::histogram;
use crate::classifier::Classifier;
use crate::error::{EvalError, Result};
use crate::frechet::Moments;

/// The statistics of a reference set in the features of one classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceStatistics {
    /// Name of the reference set.
    pub name: String,
    /// SHA-256 of the pixels of the reference set, in hexadecimal.
    pub sha256: String,
    /// SHA-256 of the data set, in hexadecimal.
    pub data_sha256: String,
    /// SHA-256 of the classifier's file, in hexadecimal.
    pub classifier_sha256: String,
    /// Number of reference images.
    pub n: usize,
    /// Number of images that the classifier assigns to each class, `[num_classes]`.
    pub class_counts: Vec<u64>,
    /// Mean of the features, `[dim]`.
    pub mean: Vec<f64>,
    /// The covariance of the features on and below the diagonal, row by row: `dim * (dim + 1) / 2` values.
    pub covariance: Vec<f64>,
    /// Real baselines for several numbers of images.
    pub baselines: Vec<RealBaseline>,
}

impl ReferenceStatistics {
    /// The names of the metrics that need nothing else of the reference.
    pub const METRICS: [&str; 3] = ["fd", "score", "balance"];

    /// The statistics of `images`, which belong to the data set with the hash `data_sha256`.
    ///
    /// # Errors
    /// If there are fewer than two images.
    pub fn of(
        images: &ImageSet,
        data_sha256: &str,
        classifier: &Classifier,
        baselines: Vec<RealBaseline>,
    ) -> Result<Self> {
        let moments = Moments::of(&images.output.features)?;
        let dim = moments.dim();
        let below = |row: usize| moments.covariance()[row * dim..=row * dim + row].iter().copied();
        Ok(Self {
            name: images.name.clone(),
            sha256: images.sha256.clone(),
            data_sha256: data_sha256.to_owned(),
            classifier_sha256: classifier.sha256.clone(),
            n: images.n(),
            class_counts: histogram(&images.output.labels(), classifier.num_classes)?,
            mean: moments.mean().to_vec(),
            covariance: (0..dim).flat_map(below).collect(),
            baselines,
        })
    }

    /// Mean and covariance of the features.
    ///
    /// # Errors
    /// If the covariance does not have `dim * (dim + 1) / 2` values, or a value is not finite.
    pub fn moments(&self) -> Result<Moments> {
        let dim = self.mean.len();
        let (expected, found) = (dim * (dim + 1) / 2, self.covariance.len());
        if found != expected {
            return Err(EvalError::Length { set: "stored covariance".into(), expected, found });
        }
        let entry = |i: usize, j: usize| self.covariance[i.max(j) * (i.max(j) + 1) / 2 + i.min(j)];
        let whole = (0..dim).flat_map(|i| (0..dim).map(move |j| entry(i, j))).collect();
        Moments::new(self.n, self.mean.clone(), whole)
    }

    /// The real baselines for `n` images; none if they are not stored for this number.
    pub fn baselines_for(&self, n: usize) -> Vec<RealBaseline> {
        self.baselines.iter().filter(|baseline| baseline.n == n).cloned().collect()
    }
}
