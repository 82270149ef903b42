//! Evaluates all sets with one classifier: scores with their real baselines, and the image sets that the panels show.

use anyhow::Result;
use dm_eval::Classifier;
use dm_eval::class_balance::histogram;
use dm_eval::protocol::{
    self, BaselineSets, EvalContext, ImageSet, MAX_BATCHES, Metric, Outcomes, ProgressObserver, RealBaseline,
    ScoreTable, TrainingSet, real_baseline, score_table, shuffled,
};

use super::sample_sets::{SampleSets, images_per_value};
use crate::eval_session::EvalSession;
use crate::reference::Reference;

/// The scores of the sets by one classifier, and everything behind them.
pub(super) struct EvalResult<'a> {
    pub(super) classifier: &'a Classifier,
    pub(super) reference: Reference,
    /// The training set, if a metric or a panel needs it.
    pub(super) training: Option<TrainingSet>,
    /// The images that panels are chosen from: the first set, or all images of a pooled set.
    pub(super) pool: ImageSet,
    /// All sets together.
    pub(super) all: ImageSet,
    pub(super) table: ScoreTable,
    /// Number of images of each class, all sets together.
    pub(super) classes: Vec<u64>,
}

/// Evaluates `samples` with `metrics`. `needs_training` asks for the nearest training images even if no metric needs them.
///
/// # Errors
/// If the reference cannot be read, or a metric fails.
pub(super) fn evaluate<'a>(
    classifier: &'a Classifier,
    samples: &SampleSets,
    metrics: &[&dyn Metric],
    needs_training: bool,
    session: &EvalSession<'_>,
) -> Result<EvalResult<'a>> {
    let reference = session.reference(classifier)?;
    let needs_training = needs_training || metrics.iter().any(|metric| metric.uses_training_set());
    let mut unseen = match &reference {
        Reference::Stored(_) if !needs_training => None,
        _ => Some(session.image_set("test images", &session.data()?.test.pixels, classifier)?),
    };
    let training = unseen.as_mut().filter(|_| needs_training);
    let training = training.map(|unseen| training_set(session, unseen, classifier)).transpose()?;
    let context = reference.context(training.as_ref());
    let mut watch = |part: &str, done, all| session.watch(&format!("{}: {part}", classifier.name), done, all);
    let mut sets = Vec::new();
    for (i, pixels) in samples.sets.iter().enumerate() {
        let mut images = session.image_set(&format!("set {}", i + 1), pixels, classifier)?;
        if let Some(training) = &training {
            watch(&format!("nearest training images, set {}", i + 1), i, samples.sets.len());
            training.find_nearest(&mut images, &session.cache)?;
        }
        sets.push(images);
    }
    let all = ImageSet::join("all sets", &sets.iter().collect::<Vec<_>>())?;
    let (pool, outcomes) = if samples.pooled {
        (all.clone(), pooled(&all, &sets, &context, metrics, &mut watch)?)
    } else {
        let outcomes = sets.iter().map(|set| Ok(protocol::evaluate(set, &context, metrics, &mut watch)?));
        let outcomes = outcomes.collect::<Result<Vec<_>>>()?;
        (sets.swap_remove(0), Outcomes::Seeds(outcomes))
    };
    let n = images_per_value(samples.shape, &samples.sets, samples.pooled);
    let baselines = match (&reference, &unseen) {
        (Reference::Images(_), Some(unseen)) => {
            let unseen = unseen.select("test images", &shuffled(unseen.n(), unseen.n()))?;
            let real = if session.reference_is_test() {
                real_images(session, training.as_ref(), n, classifier)?
            } else {
                unseen.clone()
            };
            let sets = BaselineSets { real: &real, unseen: &unseen, classifier_sha256: &classifier.sha256 };
            baselines(&sets, &context, metrics, &outcomes, n, session, &mut watch)?
        }
        (Reference::Stored(statistics), _) => statistics.baselines_for(n),
        _ => Vec::new(),
    };
    let table = score_table(metrics, &outcomes, &baselines);
    let classes = histogram(&all.output.labels(), classifier.num_classes)?;
    drop(context);
    Ok(EvalResult { classifier, reference, training, pool, all, table, classes })
}

/// The real baselines for `n` images of the metrics that have a value in `outcomes`.
fn baselines(
    sets: &BaselineSets<'_>,
    context: &EvalContext<'_>,
    metrics: &[&dyn Metric],
    outcomes: &Outcomes,
    n: usize,
    session: &EvalSession<'_>,
    observer: &mut ProgressObserver<'_>,
) -> Result<Vec<RealBaseline>> {
    let found = score_table(metrics, outcomes, &[]);
    let with_value = |metric: &&&dyn Metric| found.rows.iter().any(|row| row.metric == metric.name());
    let with_value: Vec<&dyn Metric> = metrics.iter().filter(with_value).copied().collect();
    Ok(real_baseline(sets, context, &with_value, n, &session.cache, observer)?)
}

/// The metrics of the whole set, and of the set without each of its parts.
fn pooled(
    whole: &ImageSet,
    parts: &[ImageSet],
    context: &EvalContext<'_>,
    metrics: &[&dyn Metric],
    observer: &mut ProgressObserver<'_>,
) -> Result<Outcomes> {
    let of_whole = protocol::evaluate(whole, context, metrics, observer)?;
    let mut without = Vec::new();
    for left_out in 0..parts.len() {
        let kept = parts.iter().enumerate().filter(|&(i, _)| i != left_out).map(|(_, part)| part);
        let rest = ImageSet::join(&format!("without set {}", left_out + 1), &kept.collect::<Vec<_>>())?;
        without.push(protocol::evaluate(&rest, context, metrics, observer)?);
    }
    Ok(Outcomes::Pooled(of_whole, without))
}

/// The training set, with the distances from the `unseen` images to it.
fn training_set(
    session: &EvalSession<'_>,
    unseen: &mut ImageSet,
    classifier: &Classifier,
) -> Result<TrainingSet> {
    let images = session.image_set("training images", &session.data()?.train.pixels, classifier)?;
    session.watch("nearest training images of test images", 0, 1);
    Ok(TrainingSet::new(images, unseen, &classifier.sha256, &session.cache)?)
}

/// Training images in random order, for the baseline of metrics that compare with the test images.
fn real_images(
    session: &EvalSession<'_>,
    training: Option<&TrainingSet>,
    n: usize,
    classifier: &Classifier,
) -> Result<ImageSet> {
    let train = &session.data()?.train;
    let all = train.len();
    let rows = shuffled(all, (MAX_BATCHES * n).min(all));
    if let Some(training) = training {
        return Ok(training.images.select("training images", &rows)?);
    }
    let pixels: Vec<u8> = rows.iter().flat_map(|&row| train.image(row)).copied().collect();
    session.image_set("training images", &pixels, classifier)
}
