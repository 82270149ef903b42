//! The result of an evaluation: a table for a person, JSON for everything else.

use dm_eval::Direction;
use dm_eval::class_balance::histogram;
use dm_eval::failures::failures;
use dm_eval::interval::{mean, wilson};
use dm_eval::judge::Judge;
use dm_eval::protocol::SEED;
use dm_nn::data::CLASSES;
use serde_json::{Value, json};

use super::Room;
use super::measured::Measured;
use super::target::Drawn;

/// Everything that is needed to repeat the evaluation, and its values.
pub(super) fn json(room: &Room, drawn: &Drawn, main: &Measured<'_>, others: &[Measured<'_>]) -> Value {
    let reference = &main.reference;
    let failures = failures(&main.first.judged.guesses());
    let n = main.classes.iter().sum();
    let intervals: Vec<[f64; 2]> = main.classes.iter().map(|&count| wilson(count, n)).collect();
    let other = |found: &Measured<'_>| {
        json!({
            "judge": judge(found.judge), "scores": found.table.rows, "omitted": found.table.omitted,
        })
    };
    json!({
        "schema": 1,
        "dm_version": env!("CARGO_PKG_VERSION"),
        "target": drawn.origin,
        "judge": judge(main.judge),
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
        "other_judges": others.iter().map(other).collect::<Vec<_>>(),
    })
}

fn judge(judge: &Judge) -> Value {
    json!({ "name": judge.name, "sha256": judge.sha256, "test_accuracy": judge.test_accuracy })
}

/// The table, and below it what the other judges say.
pub(super) fn lines(drawn: &Drawn, main: &Measured<'_>, others: &[Measured<'_>]) -> Vec<String> {
    let mut lines = vec![drawn.summary.clone()];
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
            show(row.mean),
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
