//! The real baseline: the same metrics on real images, with the same n. It is the best value that a model can be expected to
//! reach.
//!
//! Real images outside the reference set are divided into disjoint batches, which give the mean and the spread of a metric; the
//! images should be in random order. For metrics that compare with the training set the baseline is that of one batch of real
//! images which are not in the training set.

use super::baseline::RealBaseline;
use super::context::EvalContext;
use super::image_set::ImageSet;
use super::metric::{Metric, evaluate};
use super::settings::ProgressObserver;
use crate::cache::Cache;
use crate::error::Result;

/// The largest number of batches.
pub const MAX_BATCHES: usize = 6;

/// Real images for baselines.
pub struct BaselineSets<'a> {
    /// Real images that are not in the reference set.
    pub real: &'a ImageSet,
    /// Real images that are not in the training set; with their nearest training images if a metric needs them.
    pub unseen: &'a ImageSet,
    /// SHA-256 of the classifier, in hexadecimal.
    pub classifier_sha256: &'a str,
}

/// The real baselines of `metrics` for batches of `n` images, or of all images if there are fewer.
///
/// # Errors
/// As [`evaluate`].
pub fn real_baseline(
    sets: &BaselineSets<'_>,
    context: &EvalContext<'_>,
    metrics: &[&dyn Metric],
    n: usize,
    cache: &Cache,
    observer: &mut ProgressObserver<'_>,
) -> Result<Vec<RealBaseline>> {
    let mut baselines = Vec::new();
    for &metric in metrics {
        let (images, reference, max_batches) = if metric.uses_training_set() {
            (sets.unseen, &context.training()?.images, 1)
        } else {
            (sets.real, context.reference()?, MAX_BATCHES)
        };
        let size = n.clamp(1, images.n());
        let batches = (images.n() / size).min(max_batches);
        let (shape, count) = (images.shape.to_string(), size.to_string());
        let keys = [
            metric.name(),
            sets.classifier_sha256,
            &shape,
            &images.sha256,
            &reference.sha256,
            &count,
            &images.name,
        ];
        let compute = || -> Result<Vec<RealBaseline>> {
            let mut found: Vec<RealBaseline> = Vec::new();
            for batch in 0..batches {
                let part = images.part("real baseline", batch * size, (batch + 1) * size)?;
                observer(&format!("real baseline: {}", metric.name()), batch, batches);
                let outcomes = evaluate(&part, context, &[metric], &mut |_, _, _| {})?;
                for score in outcomes.into_iter().flatten().flatten() {
                    let name = score.quantity.name;
                    match found.iter_mut().find(|f| f.name == name && f.setting == score.setting) {
                        Some(baseline) => baseline.values.push(score.value),
                        None => found.push(RealBaseline {
                            name: name.to_owned(),
                            setting: score.setting,
                            n: size,
                            values: vec![score.value],
                            of: images.name.clone(),
                        }),
                    }
                }
            }
            Ok(found)
        };
        baselines.extend(cache.value("real-baseline", &keys, compute)?);
    }
    Ok(baselines)
}
