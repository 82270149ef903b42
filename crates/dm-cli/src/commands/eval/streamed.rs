//! The evaluation of a set that is too large for memory: its shards are read part by part, and only sums are kept.

use anyhow::{Result, ensure};
use dm_eval::Classifier;
use dm_eval::interval::wilson_interval;
use dm_eval::protocol::{Metric, Outcomes, SEED, ScoreTable, StreamedSet, evaluate_streamed, score_table};
use dm_nn::data::ShardedSet;
use dm_nn::hash::PartHash;
use dm_nn::image::ImageShape;
use dm_record::{Classes, ClassifierScores, SCHEMA, ScoreFile, Target};

use super::args::{Args, OF_MODELS};
use super::report::table_lines;
use crate::eval_session::EvalSession;
use crate::reference::Reference;
use crate::terminal::Terminal;
use crate::{provenance, records};

/// Number of images that are in memory at a time.
const PART: usize = 4096;

/// The scores of the set by one classifier.
struct Streamed<'a> {
    classifier: &'a Classifier,
    reference: Reference,
    set: StreamedSet,
    table: ScoreTable,
}

/// Checks that the images are of the shape of the data, and refuses options that need all images at once.
///
/// # Errors
/// If an option or the shape does not fit.
pub(super) fn check(set: &ShardedSet, args: &Args, shape: ImageShape) -> Result<()> {
    let found = set.shape();
    ensure!(found == shape, "shards: shape: found {found}, expected {shape} as in --data");
    let refused = [
        ("--seeds", args.seeds > 1),
        ("--pool", args.pool),
        ("--panels", args.panels.is_some()),
        ("--classifier-accuracy", args.classifier_accuracy),
        (OF_MODELS, args.sampling.any() || args.guidance.any()),
    ];
    for (option, is_given) in refused {
        ensure!(!is_given, "{option}: found {} images in shards, expected at most 100000 with --n", args.n);
    }
    Ok(())
}

/// Evaluates the first images of `set` with every classifier, and writes the result.
///
/// # Errors
/// If reading fails, or a metric fails.
pub(super) fn run(
    set: &ShardedSet,
    args: &Args,
    metrics: &[&dyn Metric],
    session: &EvalSession<'_>,
    terminal: &Terminal,
) -> Result<()> {
    let n = args.n.min(set.n());
    let mut sums: Vec<StreamedSet> =
        session.classifiers.iter().map(|classifier| StreamedSet::new(classifier.num_classes)).collect();
    let mut hash = PartHash::default();
    for first in (0..n).step_by(PART) {
        let pixels = set.images(first, PART.min(n - first))?;
        hash.add(&pixels);
        for (sums, classifier) in sums.iter_mut().zip(&session.classifiers) {
            sums.add(&classifier.extract_features(&pixels, &mut |_| {})?)?;
        }
        session.watch("features of the shards", (first + PART).min(n), n);
    }
    let of_classifier = |(set, classifier)| scores(set, classifier, metrics, session);
    let results = sums.into_iter().zip(&session.classifiers).map(of_classifier);
    let results = results.collect::<Result<Vec<_>>>()?;
    session.finish();
    let target = target(set, args, n, hash.hex())?;
    let Some((main, others)) = results.split_first() else { return Ok(()) };
    let lines = || {
        let (files, name) = (set.paths().count(), &args.targets[0]);
        let mut lines = vec![format!("{name}: {n} images from {files} shards, read part by part")];
        let of_each = results.iter().flat_map(|r| table_lines(r.classifier, &r.reference, &r.table));
        lines.extend(of_each);
        lines
    };
    args.output.finish(terminal, &record(session, target, main, others), lines)
}

/// The scores of the images behind `set`.
fn scores<'a>(
    set: StreamedSet,
    classifier: &'a Classifier,
    metrics: &[&dyn Metric],
    session: &EvalSession<'_>,
) -> Result<Streamed<'a>> {
    let reference = session.reference(classifier)?;
    let outcomes = evaluate_streamed(&set, &reference.context(None), metrics)?;
    let table = score_table(metrics, &Outcomes::Seeds(vec![outcomes]), &[]);
    Ok(Streamed { classifier, reference, set, table })
}

/// The first `n` images of `set`, whose pixels have the hash `sha256`, as the target of a score file.
fn target(set: &ShardedSet, args: &Args, n: usize, sha256: String) -> Result<Target> {
    let provenance = provenance::from_metadata(set.metadata()).unwrap_or_default();
    let mut target = provenance::to_target(provenance, n, &args.targets[0])?;
    let name = |path: &std::path::Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    target.images = set.paths().filter_map(name).collect();
    target.sets = 1;
    target.sets_sha256 = vec![sha256];
    Ok(target)
}

/// The scores, with everything that is needed to repeat the evaluation.
fn record(
    session: &EvalSession<'_>,
    target: Target,
    main: &Streamed<'_>,
    others: &[Streamed<'_>],
) -> ScoreFile {
    let record = |result: &Streamed<'_>| records::classifier(result.classifier, Some(result.reference.dim()));
    let other = |result: &Streamed<'_>| {
        let (scores, omitted) = records::table(&result.table);
        ClassifierScores { classifier: record(result), scores, omitted }
    };
    let (scores, omitted) = records::table(&main.table);
    let counts = main.set.class_counts();
    let n = main.set.n() as u64;
    ScoreFile {
        schema: SCHEMA,
        dm_version: env!("CARGO_PKG_VERSION").to_owned(),
        target,
        classifier: record(main),
        reference: main.reference.record(),
        data_sha256: session.data_sha256().to_owned(),
        metric_seed: SEED.0,
        scores,
        omitted,
        classes: Classes {
            counts: counts.to_vec(),
            share_intervals: counts.iter().map(|&count| wilson_interval(count, n)).collect(),
            reference_counts: main.reference.class_counts(),
        },
        failures_of_first_set: None,
        nearest_training: None,
        other_classifiers: others.iter().map(other).collect(),
    }
}
