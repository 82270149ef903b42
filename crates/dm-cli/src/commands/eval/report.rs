//! The result of an evaluation: a table for a person, JSON for everything else.

use dm_eval::Direction;
use dm_eval::authenticity::Authenticity;
use dm_eval::class_balance::histogram;
use dm_eval::failures::failures;
use dm_eval::interval::{mean, wilson};
use dm_eval::percentiles::percentiles;
use dm_eval::protocol::{Images, SEED, Training};
use dm_nn::data::CLASSES;
use serde_json::{Value, json};

use super::Room;
use super::measured::Measured;
use super::target::Drawn;

/// Everything that is needed to repeat the evaluation, and its values.
pub(super) fn json(room: &Room, drawn: &Drawn, main: &Measured<'_>, others: &[Measured<'_>]) -> Value {
    let reference = &main.reference;
    let failures = failures(&main.pool.judged.guesses());
    let n = main.classes.iter().sum();
    let intervals: Vec<[f64; 2]> = main.classes.iter().map(|&count| wilson(count, n)).collect();
    let other = |found: &Measured<'_>| {
        json!({
            "judge": judge(found), "scores": found.table.rows, "omitted": found.table.omitted,
        })
    };
    json!({
        "schema": 1,
        "dm_version": env!("CARGO_PKG_VERSION"),
        "target": drawn.origin,
        "judge": judge(main),
        "reference": { "name": reference.name, "sha256": reference.sha256, "n": reference.n() },
        "data_sha256": room.data.sha256,
        "metric_seed": SEED.0,
        "scores": main.table.rows,
        "omitted": main.table.omitted,
        "classes": {
            "counts": main.classes, "share_intervals": intervals,
            "reference_counts": histogram(&reference.judged.labels(), CLASSES).unwrap_or_default(),
        },
        "failures_of_first_set": failures,
        "nearest_training": main.training.as_ref().map(|training| nearness(&main.all, training)),
        "other_judges": others.iter().map(other).collect::<Vec<_>>(),
    })
}

/// Distances from the images to their nearest training images, and from unseen real ones, as percentiles.
fn nearness(all: &Images, training: &Training) -> Value {
    let distances = |found: &Authenticity| {
        percentiles(&found.squared.iter().map(|squared| squared.sqrt()).collect::<Vec<_>>())
    };
    let Some(found) = &all.nearest else { return Value::Null };
    let both = found.both().into_iter().zip(training.unseen.both());
    let entry = |((name, generated), (_, unseen))| {
        (name, json!({ "generated": distances(generated), "unseen": distances(unseen) }))
    };
    let mut nearness = json!({ "n": all.n(), "n_training": training.images.n(), "n_unseen": training.unseen.pixels.squared.len() });
    for (name, entry) in both.map(entry) {
        nearness[name] = entry;
    }
    nearness
}

fn judge(found: &Measured<'_>) -> Value {
    let (judge, features) = (found.judge, found.reference.judged.features.dim());
    json!({
        "name": judge.name, "sha256": judge.sha256, "test_accuracy": judge.test_accuracy, "features": features,
    })
}

/// The table, and below it what the other judges say.
pub(super) fn lines(drawn: &Drawn, main: &Measured<'_>, others: &[Measured<'_>]) -> Vec<String> {
    let mut lines = vec![drawn.summary.clone()];
    if drawn.pooled {
        lines.push(
            "values are those of one set; intervals come from leaving out one seed after another".into(),
        );
    }
    lines.extend(table(main));
    lines.extend(others.iter().flat_map(table));
    lines
}

fn table(found: &Measured<'_>) -> Vec<String> {
    let Measured { judge, reference, table, .. } = found;
    let mut lines = vec![
        format!(
            "against {} {}; judge {} {} ({:.2} % on test images)",
            reference.n(),
            reference.name,
            judge.name,
            &judge.sha256[..12],
            100.0 * judge.test_accuracy
        ),
        format!("{:<32}{:>10}{:>22}{:>22}  {:<8}{:>7}", "", "value", "95 % interval", "floor", "better", "n"),
    ];
    for row in &table.rows {
        let interval =
            row.interval.map_or("-".into(), |[low, high]| format!("{} to {}", show(low), show(high)));
        let floor = row.floor.as_ref().map_or("-".into(), |floor| {
            let low = floor.values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = floor.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if floor.values.len() < 2 {
                show(mean(&floor.values))
            } else {
                format!("{} to {}", show(low), show(high))
            }
        });
        let better = match row.metric.direction {
            Direction::Lower => "lower",
            Direction::Higher => "higher",
        };
        // Two measures share a name and differ in what they look at.
        let of = row.setting.split(',').next().filter(|of| ["pixels", "features"].contains(of));
        let name = of.map_or(row.metric.name.into(), |of| format!("{}, {of}", row.metric.name));
        lines.push(format!(
            "{name:<32}{:>10}{interval:>22}{floor:>22}  {better:<8}{:>7}",
            show(row.value),
            row.n
        ));
    }
    lines.extend(table.omitted.iter().map(|omitted| format!("{}: {}", omitted.measure, omitted.reason)));
    lines
}

/// Four digits that count.
fn show(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        size if size >= 1.0 || size == 0.0 => format!("{value:.3}"),
        size if size >= 0.001 => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}
