//! A set of images that is too large to hold: only sums over its features and logits are kept.
//!
//! The images are added part by part. Memory does not grow with their number. The sums are enough for the metrics that depend
//! on moments, class counts and mean entropies; metrics that compare single images need an [`ImageSet`](super::ImageSet).

use crate::class_balance::histogram;
use crate::classifier_output::ClassifierOutput;
use crate::classifier_score::ScoreSums;
use crate::error::Result;
use crate::moment_sums::MomentSums;

/// Sums over the classifier's output for a set of images.
#[derive(Clone, Debug)]
pub struct StreamedSet {
    moments: MomentSums,
    score: ScoreSums,
    class_counts: Vec<u64>,
}

impl StreamedSet {
    /// A set without images, for a classifier of `num_classes` classes.
    pub fn new(num_classes: usize) -> Self {
        let class_counts = vec![0; num_classes];
        Self { moments: MomentSums::default(), score: ScoreSums::default(), class_counts }
    }

    /// Adds images by the `output` of the classifier. The last digits of the metrics depend on how the images are divided into
    /// parts.
    ///
    /// # Errors
    /// If the output is of another size than before.
    pub fn add(&mut self, output: &ClassifierOutput) -> Result<()> {
        let counts = histogram(&output.labels(), self.class_counts.len())?;
        self.moments.add(&output.features)?;
        self.score.add(&output.logits)?;
        self.class_counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        Ok(())
    }

    /// Number of images.
    pub fn n(&self) -> usize {
        self.moments.n()
    }

    /// The sums from which mean and covariance of the features are computed.
    pub fn moments(&self) -> &MomentSums {
        &self.moments
    }

    /// The sums that the classifier score is computed from.
    pub fn score(&self) -> &ScoreSums {
        &self.score
    }

    /// Number of images that the classifier assigns to each class, `[num_classes]`.
    pub fn class_counts(&self) -> &[u64] {
        &self.class_counts
    }
}
