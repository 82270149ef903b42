//! The result of an evaluation as a record for files and as a table for the terminal.

use dm_eval::failures::failures;
use dm_eval::interval::{mean, wilson_interval};
use dm_eval::protocol::{SEED, ScoreRow, ScoreTable};
use dm_eval::{Classifier, Direction};
use dm_record::{Classes, ClassifierScores, SCHEMA, ScoreFile};

use super::eval_result::EvalResult;
use super::sample_sets::SampleSets;
use crate::eval_session::EvalSession;
use crate::records;
use crate::reference::Reference;

/// The scores, with everything that is needed to repeat the evaluation.
pub(super) fn record(
    session: &EvalSession<'_>,
    samples: &SampleSets,
    main: &EvalResult<'_>,
    others: &[EvalResult<'_>],
) -> ScoreFile {
    let (scores, omitted) = records::table(&main.table);
    let n = main.classes.iter().sum();
    let other = |result: &EvalResult<'_>| {
        let (scores, omitted) = records::table(&result.table);
        ClassifierScores { classifier: classifier(result), scores, omitted }
    };
    let nearest = |training| records::nearest_training(&main.all, training);
    ScoreFile {
        schema: SCHEMA,
        dm_version: env!("CARGO_PKG_VERSION").to_owned(),
        target: samples.target.clone(),
        classifier: classifier(main),
        reference: main.reference.record(),
        data_sha256: session.data_sha256().to_owned(),
        metric_seed: SEED.0,
        scores,
        omitted,
        classes: Classes {
            counts: main.classes.clone(),
            share_intervals: main.classes.iter().map(|&count| wilson_interval(count, n)).collect(),
            reference_counts: main.reference.class_counts(),
        },
        failures_of_first_set: Some(records::failures(&failures(&main.pool.output.predictions()))),
        nearest_training: main.training.as_ref().and_then(nearest),
        other_classifiers: others.iter().map(other).collect(),
    }
}

fn classifier(result: &EvalResult<'_>) -> dm_record::ClassifierRecord {
    records::classifier(result.classifier, Some(result.reference.dim()))
}

/// The table of the first classifier, and below it the tables of the others.
pub(super) fn lines(samples: &SampleSets, main: &EvalResult<'_>, others: &[EvalResult<'_>]) -> Vec<String> {
    let mut lines = vec![samples.summary.clone()];
    if samples.pooled {
        lines.push(
            "values are those of the pooled set; intervals come from leaving out one seed at a time".into(),
        );
    }
    lines.extend(table(main));
    lines.extend(others.iter().flat_map(table));
    lines
}

fn table(result: &EvalResult<'_>) -> Vec<String> {
    table_lines(result.classifier, &result.reference, &result.table)
}

/// The scores of one classifier as a table.
pub(super) fn table_lines(classifier: &Classifier, reference: &Reference, table: &ScoreTable) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{}; classifier {} {} ({:.2} % on test images)",
            reference.describe(),
            classifier.name,
            &classifier.sha256[..12],
            100.0 * classifier.test_accuracy
        ),
        format!(
            "{:<32}{:>10}{:>22}{:>22}  {:<8}{:>7}",
            "", "value", "95 % interval", "real baseline", "better", "n"
        ),
    ];
    lines.extend(table.rows.iter().map(row));
    lines.extend(table.omitted.iter().map(|omitted| format!("{}: {}", omitted.metric, omitted.reason)));
    lines
}

/// One score as a line of the table.
fn row(row: &ScoreRow) -> String {
    let interval = row.interval.map_or("-".into(), |[low, high]| format!("{} to {}", show(low), show(high)));
    let baseline = row.real_baseline.as_ref().map_or("-".into(), |baseline| {
        if baseline.values.len() < 2 {
            return show(mean(&baseline.values));
        }
        let low = baseline.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = baseline.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{} to {}", show(low), show(high))
    });
    let better = match row.quantity.direction {
        Direction::Lower => "lower",
        Direction::Higher => "higher",
    };
    // Metrics that share a name differ in what they compare, pixels or features.
    let of = row.setting.split(',').next().filter(|of| ["pixels", "features"].contains(of));
    let name = of.map_or(row.quantity.name.into(), |of| format!("{}, {of}", row.quantity.name));
    format!("{name:<32}{:>10}{interval:>22}{baseline:>22}  {better:<8}{:>7}", show(row.value), row.n)
}

/// A value with four significant digits.
fn show(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        size if size >= 1.0 || size == 0.0 => format!("{value:.3}"),
        size if size >= 0.001 => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}
