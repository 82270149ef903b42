//! The tables of README.md: the recorded runs, and the scores of their samples.

use super::markdown;
use crate::record::{Manifest, Metrics};
use crate::scores::{Row, Scores, Table, thousands};
use crate::sweep;
use anyhow::{Context, Result};
use std::path::Path;

/// Measures shown: name, what its setting begins with, head of the column.
const SHOWN: [(&str, &str, &str); 5] = [
    ("frechet distance", "", "Frechet distance"),
    ("precision", "", "precision"),
    ("recall", "", "recall"),
    ("coverage", "", "coverage"),
    ("memorised", "pixels", "memorised, pixels"),
];

/// Runs in `report/runs`, in the order of the sweep.
pub fn runs(root: &Path) -> Result<String> {
    let head = ["run", "epochs", "images seen", "validation loss", "training"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for job in sweep::digits(root)? {
        let folder = root.join("report/runs").join(&job.name);
        let Some(manifest) = Manifest::read(&folder)? else { continue };
        let config = config(&folder)?;
        let training = |key: &str| config.get("training").and_then(|table| table.get(key)?.as_integer());
        let seen = manifest.steps_done * training("batch").unwrap_or(0).unsigned_abs();
        let loss = Metrics::read(&folder)?.last_val_loss();
        let loss = loss.map_or("-".into(), |loss| format!("{loss:.3} ({})", job.loss));
        let time = duration(manifest.wall_s);
        rows.push(vec![format!("`{}`", job.name), manifest.epochs.to_string(), thousands(seen), loss, time]);
    }
    let note = "Losses of different predictions are not comparable. Config, manifest and every metric of a run are in `report/runs`.";
    Ok(format!("{}\n\n{note}", markdown(&rows)))
}

/// The config of a recorded run.
pub fn config(folder: &Path) -> Result<toml::Table> {
    let path = folder.join("config.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    text.parse().with_context(|| path.display().to_string())
}

/// Minutes, or hours where they are many.
pub fn duration(seconds: f64) -> String {
    if seconds < 5400.0 { format!("{:.0} min", seconds / 60.0) } else { format!("{:.1} h", seconds / 3600.0) }
}

/// The scores in `report/scores` of models, at the largest n there is, by the first judge.
pub fn scores(root: &Path) -> Result<String> {
    let all = Scores::read(&root.join("report/scores"))?;
    let groups = all.comparable();
    let models = |group: &&Vec<&Table>| {
        group[0].classes.is_some() && group.iter().any(|table| table.target.model.is_some())
    };
    let largest = groups.iter().filter(models).max_by_key(|group| group[0].target.n);
    let group = largest.context("report/scores: found no scores of a model")?;
    let tables = group.iter().copied().filter(|table| table.target.model.is_some());
    let command = "Made by `dm eval MODEL --out report/scores/NAME.json`.";
    let same = |other: &&Vec<&Table>| {
        (other[0].target.n, other[0].n_reference) == (group[0].target.n, group[0].n_reference)
    };
    // Judges that saw real images only have nothing to say.
    let orders = groups.iter().filter(same).map(|group| (&group[0].judge.name, order(group)));
    let orders: Vec<_> = orders.filter(|(_, order)| !order.is_empty()).collect();
    let tables: Vec<&Table> = tables.collect();
    let notes = format!("{} {command} {}", conditions(&tables), told(&orders));
    Ok(format!("{}\n\n{}", table(&tables), notes.trim_end()))
}

/// Models and their evaluations from the smallest Frechet distance to the largest.
fn order(group: &[&Table]) -> Vec<String> {
    let named = |table: &&Table| {
        let (model, steps) = (table.target.model.as_ref()?, table.target.steps?);
        let walk = table.target.walk().unwrap_or_default();
        Some((table.row("frechet distance")?.value?, format!("`{model}` {walk} {}", thousands(steps))))
    };
    let mut values: Vec<_> = group.iter().filter_map(named).collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    values.into_iter().map(|(_, name)| name).collect()
}

/// Whether the judges agree on an order; nothing where there is but one judge, or one thing to put in order.
fn told(orders: &[(&String, Vec<String>)]) -> String {
    let Some((_, first)) = orders.first().filter(|(_, order)| order.len() > 1 && orders.len() > 1) else {
        return String::new();
    };
    if orders.iter().all(|(_, order)| order == first) {
        return format!(
            "By distance {} judges of different seeds rank them alike: {}.",
            orders.len(),
            first.join(", ")
        );
    }
    let place = |order: &[String], name: &String| order.iter().position(|other| other == name);
    let alike = |a: &String, b: &String| orders.iter().all(|(_, order)| place(order, a) < place(order, b));
    let pairs = || first.iter().enumerate().flat_map(|(i, a)| first[i + 1..].iter().map(move |b| (a, b)));
    let disputed: Vec<_> =
        pairs().filter(|(a, b)| !alike(a, b)).map(|(a, b)| format!("{a} and {b}")).collect();
    format!(
        "By distance {} judges of different seeds put {} of {} pairs in the same order; they disagree on {}.",
        orders.len(),
        pairs().count() - disputed.len(),
        pairs().count(),
        disputed.join("; ")
    )
}

/// What the values of tables that compare hold for.
pub fn conditions(tables: &[&Table]) -> String {
    let Some(first) = tables.first() else { return String::new() };
    let (n, of, judge) = (thousands(first.target.n), thousands(first.n_reference), &first.judge.name);
    let sure = tables.iter().any(|table| table.rows.iter().any(|row| row.interval.is_some()));
    let seeds = if sure { "in brackets 95 % intervals over generation seeds" } else { "of one seed each" };
    format!(
        "n = {n} samples against {of} test images, in the features of `{judge}`; {seeds}; of real images the range over their \
         batches."
    )
}

/// Scores of models, the most evaluations first, and of real images.
pub fn table(tables: &[&Table]) -> String {
    let mut head = ["samples", "sampler", "evaluations"].map(str::to_owned).to_vec();
    head.extend(SHOWN.map(|(_, _, column)| column.to_owned()));
    let mut rows = vec![head];
    let mut tables = tables.to_vec();
    tables.sort_by_key(|table| (std::cmp::Reverse(table.target.steps), table.target.model.clone()));
    for table in &tables {
        let steps = table.target.steps.map_or("-".into(), thousands);
        let name = |name: &Option<String>| format!("`{}`", name.as_deref().unwrap_or_default());
        let mut cells = vec![name(&table.target.model), name(&table.target.walk()), steps];
        cells.extend(SHOWN.map(|(name, of, _)| table.row_of(name, of).map_or("-".into(), value)));
        rows.push(cells);
    }
    let floor = |(name, of, _)| {
        let floors = tables.iter().find_map(|table| table.row_of(name, of)?.floor.clone());
        floors.map_or("-".into(), |floor| spread(&floor.values.into_iter().flatten().collect::<Vec<_>>()))
    };
    let mut cells = vec!["real images".to_owned(), String::new(), String::new()];
    cells.extend(SHOWN.map(floor));
    rows.push(cells);
    markdown(&rows)
}

/// Value and interval.
fn value(row: &Row) -> String {
    let Some(value) = row.value else { return "-".into() };
    let interval =
        row.interval.map_or(String::new(), |[low, high]| format!(" ({} to {})", show(low), show(high)));
    format!("{}{interval}", show(value))
}

/// Mean and range of several values.
fn spread(values: &[f64]) -> String {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    if values.len() < 2 { show(mean) } else { format!("{} ({} to {})", show(mean), show(low), show(high)) }
}

/// Three digits that count; one place at least.
fn show(value: f64) -> String {
    match value.abs() {
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_agree_or_their_disputes_are_named() {
        let list = |names: [&str; 3]| names.map(str::to_owned).to_vec();
        let (a, b) = ("judge".to_owned(), "judge-2".to_owned());
        let alike = told(&[(&a, list(["x", "y", "z"])), (&b, list(["x", "y", "z"]))]);
        assert!(alike.contains("2 judges") && alike.contains("alike: x, y, z."), "{alike}");
        let apart = told(&[(&a, list(["x", "y", "z"])), (&b, list(["y", "x", "z"]))]);
        assert!(apart.contains("put 2 of 3 pairs") && apart.ends_with("on x and y."), "{apart}");
        assert_eq!(told(&[(&a, list(["x", "y", "z"]))]), "");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            (show(123.456), show(0.98765), spread(&[1.0])),
            ("123.5".into(), "0.988".into(), "1.00".into())
        );
        assert_eq!(spread(&[1.0, 3.0]), "2.00 (1.00 to 3.00)");
        assert_eq!((duration(90.0), duration(36_000.0)), ("2 min".into(), "10.0 h".into()));
    }
}
