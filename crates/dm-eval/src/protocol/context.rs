//! The reference and the training set that all metrics share, with their nearest-neighbour distances, which are computed once.

use std::sync::OnceLock;

use super::image_set::{ImageSet, NearestTraining};
use super::reference::ReferenceStatistics;
use crate::authenticity::{PART, authenticity, authenticity_in_parts};
use crate::cache::Cache;
use crate::class_balance::histogram;
use crate::distances::{KnnRadii, knn_radii};
use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::frechet::Moments;
use crate::manifold::K;

/// The sets that generated images are compared with.
pub struct EvalContext<'a> {
    reference: Reference<'a>,
    training: Option<&'a TrainingSet>,
    moments: OnceLock<Moments>,
    knn_radii: OnceLock<KnnRadii>,
}

/// What is known of the reference set.
enum Reference<'a> {
    Images(&'a ImageSet),
    Statistics(&'a ReferenceStatistics),
}

impl<'a> EvalContext<'a> {
    /// A context with the given reference and, for metrics that need it, the training set.
    pub fn new(reference: &'a ImageSet, training: Option<&'a TrainingSet>) -> Self {
        Self::with(Reference::Images(reference), training)
    }

    /// A context with the statistics of a reference whose images are not available, and without a training set. Metrics that need
    /// more are omitted.
    pub fn of_statistics(reference: &'a ReferenceStatistics) -> Self {
        Self::with(Reference::Statistics(reference), None)
    }

    fn with(reference: Reference<'a>, training: Option<&'a TrainingSet>) -> Self {
        Self { reference, training, moments: OnceLock::new(), knn_radii: OnceLock::new() }
    }

    /// The reference set.
    ///
    /// # Errors
    /// If only its statistics are known.
    pub fn reference(&self) -> Result<&'a ImageSet> {
        match self.reference {
            Reference::Images(images) => Ok(images),
            Reference::Statistics(_) => Err(EvalError::Argument {
                metric: "a comparison with single images",
                argument: "reference",
                expected: "the images of the reference".into(),
                found: "only its stored statistics".into(),
            }),
        }
    }

    /// Mean and covariance of the features of the reference images. They are computed at the first call.
    ///
    /// # Errors
    /// If the reference has fewer than two images, or stored statistics are not valid.
    pub fn moments(&self) -> Result<&Moments> {
        if let Some(moments) = self.moments.get() {
            return Ok(moments);
        }
        let moments = match self.reference {
            Reference::Images(images) => Moments::of(&images.output.features)?,
            Reference::Statistics(statistics) => statistics.moments()?,
        };
        Ok(self.moments.get_or_init(|| moments))
    }

    /// Number of reference images that the classifier assigns to each class, `[num_classes]`.
    ///
    /// # Errors
    /// None for a set that [`ImageSet::new`] returned.
    pub fn class_counts(&self) -> Result<Vec<u64>> {
        match self.reference {
            Reference::Images(images) => histogram(&images.output.labels(), images.output.num_classes()),
            Reference::Statistics(statistics) => Ok(statistics.class_counts.clone()),
        }
    }

    /// The radii of the balls around the features of the reference images that reach the [`K`]-th neighbour. They are computed
    /// at the first call.
    ///
    /// # Errors
    /// If the reference has too few images.
    pub fn knn_radii(&self) -> Result<&KnnRadii> {
        if let Some(radii) = self.knn_radii.get() {
            return Ok(radii);
        }
        let radii = knn_radii(&self.reference()?.output.features, K)?;
        Ok(self.knn_radii.get_or_init(|| radii))
    }

    /// The training set.
    ///
    /// # Errors
    /// If the context has none.
    pub fn training(&self) -> Result<&TrainingSet> {
        self.training.ok_or_else(|| missing("training set", "a training set to compare with"))
    }
}

/// The training set, with the distances between it and real images that it does not contain.
pub struct TrainingSet {
    /// The training images.
    pub images: ImageSet,
    /// The nearest training image of each unseen real image.
    pub unseen: NearestTraining,
    /// The pixels of the training images as values in [0, 1].
    unit_values: Features,
    classifier_sha256: String,
}

impl TrainingSet {
    /// The training set `images`. The nearest training image of each image of `unseen` is searched for and also stored in
    /// `unseen`. `classifier_sha256` is the hash of the classifier of both sets.
    ///
    /// # Errors
    /// As [`authenticity`].
    pub fn new(
        images: ImageSet,
        unseen: &mut ImageSet,
        classifier_sha256: &str,
        cache: &Cache,
    ) -> Result<Self> {
        let unit_values = images.unit_values()?;
        let nearest = find_nearest(unseen, &images, &unit_values, classifier_sha256, cache)?;
        unseen.nearest = Some(nearest.clone());
        Ok(Self { images, unseen: nearest, unit_values, classifier_sha256: classifier_sha256.to_owned() })
    }

    /// Finds the nearest training image of each image of `images`, or takes them from `cache`, and stores them in `images`.
    ///
    /// # Errors
    /// As [`authenticity`].
    pub fn find_nearest(&self, images: &mut ImageSet, cache: &Cache) -> Result<()> {
        let nearest = find_nearest(images, &self.images, &self.unit_values, &self.classifier_sha256, cache)?;
        images.nearest = Some(nearest);
        Ok(())
    }
}

/// The image of `training` that is nearest to each image of `images`. `training_values` are the pixels of `training` in [0, 1].
fn find_nearest(
    images: &ImageSet,
    training: &ImageSet,
    training_values: &Features,
    classifier_sha256: &str,
    cache: &Cache,
) -> Result<NearestTraining> {
    let shape = images.shape.to_string();
    let keys = [shape.as_str(), images.sha256.as_str(), training.sha256.as_str(), classifier_sha256];
    let by_pixels = || authenticity_in_parts(images.unit_values_in_parts(PART), training_values);
    let by_features = || authenticity(&images.output.features, &training.output.features);
    Ok(NearestTraining {
        pixels: cache.value("nearest-pixels", &keys[..3], by_pixels)?,
        features: cache.value("nearest-features", &keys, by_features)?,
    })
}

/// The nearest training images of `images`.
///
/// # Errors
/// If [`TrainingSet::find_nearest`] has not been called for this set.
pub fn nearest_training(images: &ImageSet) -> Result<&NearestTraining> {
    let expected = "a set for which TrainingSet::find_nearest was called";
    images.nearest.as_ref().ok_or_else(|| missing("nearest training images", expected))
}

fn missing(argument: &'static str, expected: &str) -> EvalError {
    EvalError::Argument { metric: "memorisation", argument, expected: expected.into(), found: "none".into() }
}
