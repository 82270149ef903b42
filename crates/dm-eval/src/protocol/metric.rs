//! The trait of a metric, and the evaluation of several metrics on one set of images.

use super::context::EvalContext;
use super::image_set::ImageSet;
use super::settings::ProgressObserver;
use super::streamed::StreamedSet;
use crate::error::{EvalError, Result};
use crate::score::{Quantity, Score};

/// A metric of a set of generated images.
///
/// A metric measures one quantity or several that are computed together. Each [`Quantity`] has a name, a unit, a direction and a
/// source; each [`Score`] adds the value and the number of images behind it. A metric of your own implements this trait; every
/// function of [`crate::protocol`] takes `&dyn Metric`.
pub trait Metric: Send + Sync {
    /// The name on the command line and in result files. Two metrics that are evaluated together have different names.
    fn name(&self) -> &'static str;

    /// What the metric measures, in a few words.
    fn summary(&self) -> &'static str;

    /// The quantities that it measures, in the order of its scores.
    fn quantities(&self) -> &'static [Quantity];

    /// Whether the metric compares with the training set. Its real baseline is then that of real images which are not in the
    /// training set, and [`EvalContext::training`] has to be available.
    fn uses_training_set(&self) -> bool {
        false
    }

    /// The scores of `images`.
    ///
    /// # Errors
    /// If the metric is not defined for these images, for example because there are too few.
    fn compute(&self, images: &ImageSet, context: &EvalContext<'_>) -> Result<Vec<Score>>;

    /// The scores of a set of which only sums are known.
    ///
    /// # Errors
    /// If the metric compares single images, or is not defined for these images.
    fn compute_streamed(&self, images: &StreamedSet, _: &EvalContext<'_>) -> Result<Vec<Score>> {
        Err(not_streamed(self.name(), images))
    }
}

/// The scores of a metric, or the reason why it has none.
pub type Outcome = std::result::Result<Vec<Score>, String>;

/// Evaluates `metrics` on `images`, in their order. A metric that is not defined for the images has a reason in place of its
/// scores.
///
/// # Errors
/// If a metric fails for another reason than too few images or an argument outside its domain.
pub fn evaluate(
    images: &ImageSet,
    context: &EvalContext<'_>,
    metrics: &[&dyn Metric],
    observer: &mut ProgressObserver<'_>,
) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(metrics.len());
    for (i, metric) in metrics.iter().enumerate() {
        observer(&format!("{}: {}", images.name, metric.name()), i, metrics.len());
        outcomes.push(outcome(metric.compute(images, context))?);
    }
    observer(&images.name, metrics.len(), metrics.len());
    Ok(outcomes)
}

/// As [`evaluate`], for a set of which only sums are known.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_streamed(
    images: &StreamedSet,
    context: &EvalContext<'_>,
    metrics: &[&dyn Metric],
) -> Result<Vec<Outcome>> {
    metrics.iter().map(|metric| outcome(metric.compute_streamed(images, context))).collect()
}

/// The scores, or the reason why the metric is not defined for the images.
fn outcome(scores: Result<Vec<Score>>) -> Result<Outcome> {
    match scores {
        Ok(scores) => Ok(Ok(scores)),
        Err(error @ (EvalError::TooFew { .. } | EvalError::Argument { .. })) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// The reason why a metric that compares single images has no scores for a set of which only sums are known.
pub(super) fn not_streamed(metric: &'static str, images: &StreamedSet) -> EvalError {
    let (argument, found) = ("images", images.n().to_string());
    let expected = "few enough to compare single images".into();
    EvalError::Argument { metric, argument, expected, found }
}
