//! The tables of README.md and RESULTS.md: the recorded runs, and the scores of their samples.

use super::ranks::{order, rank_agreement};
use crate::markdown::{self, thousands, words};
use crate::records::{FRECHET, Metrics, Scores, Table, range, read_manifest, sampling_label};
use crate::sweep;
use anyhow::{Context, Result};
use dm_record::ScoreRow;
use std::path::Path;

/// Metrics in the table: name, start of the setting, head of the column.
const SHOWN: [(&str, &str, &str); 5] = [
    (FRECHET, "", "Fréchet distance"),
    ("precision", "", "precision"),
    ("recall", "", "recall"),
    ("coverage", "", "coverage"),
    ("memorised", "pixels", "memorised, pixels"),
];

/// The table of the runs in `report/runs`, in the order of the study.
pub fn runs(root: &Path) -> Result<String> {
    let mut rows = vec![words(["run", "epochs", "images seen", "validation loss", "training"])];
    for job in sweep::digits(root)? {
        let folder = root.join("report/runs").join(&job.name);
        let Some(manifest) = read_manifest(&folder)? else { continue };
        let seen = manifest.steps_done * batch_size(&config(&folder)?);
        let loss = Metrics::read(&folder)?.last_val_loss();
        let loss = loss.map_or("-".into(), |loss| format!("{loss:.3} ({})", job.loss));
        let time = duration(manifest.wall_s);
        rows.push(vec![format!("`{}`", job.name), manifest.epochs.to_string(), thousands(seen), loss, time]);
    }
    let note = "Losses of different parameterizations cannot be compared. Config, manifest and all metrics of a run are in `report/runs`.";
    Ok(format!("{}\n\n{note}", markdown::table(&rows, rows[0].len())))
}

/// The config of a recorded run.
pub fn config(folder: &Path) -> Result<toml::Table> {
    let path = folder.join("config.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    text.parse().with_context(|| path.display().to_string())
}

/// The number of images per batch in a run's config of schema 2 or 1.
pub fn batch_size(config: &toml::Table) -> u64 {
    let training = |key: &str| config.get("training")?.get(key)?.as_integer();
    training("batch_size").or_else(|| training("batch")).map_or(0, i64::unsigned_abs)
}

/// A duration in minutes, or in hours from 90 minutes on.
pub fn duration(seconds: f64) -> String {
    if seconds < 5400.0 { format!("{:.0} min", seconds / 60.0) } else { format!("{:.1} h", seconds / 3600.0) }
}

/// The table of the scores in `report/scores` by the first classifier, for the largest n.
pub fn scores(root: &Path) -> Result<String> {
    let all = Scores::read(&root.join("report/scores"))?;
    let groups = all.comparable();
    let group = largest(&groups)?;
    let tables = of_models(group);
    let same = |other: &&Vec<&Table>| {
        (other[0].target.n, &other[0].reference) == (group[0].target.n, &group[0].reference)
    };
    // A group of real images only has no order of models.
    let orders = groups.iter().filter(same).map(|group| order(group)).filter(|order| !order.is_empty());
    let agreement = rank_agreement(&orders.collect::<Vec<_>>());
    let command = "Made by `dm eval MODEL --out report/scores/NAME.json`.";
    let notes = format!("{} {command} {agreement}", conditions(&tables));
    Ok(format!("{}\n\n{}", table(&tables), notes.trim_end()))
}

/// The rows of [`scores`] that share the sampler which most of them have.
pub fn headline(root: &Path) -> Result<String> {
    let all = Scores::read(&root.join("report/scores"))?;
    let groups = all.comparable();
    let tables = of_models(largest(&groups)?);
    let alike = |table: &Table| {
        tables.iter().filter(|other| sampling_label(&other.target) == sampling_label(&table.target)).count()
    };
    let most = tables.iter().map(|table| alike(table)).max().unwrap_or(0);
    let shared: Vec<&Table> = tables.iter().copied().filter(|table| alike(table) == most).collect();
    Ok(format!("{}\n\n{}", table(&shared), conditions(&shared)))
}

/// The tables of the first classifier that are comparable and have the most samples.
fn largest<'a>(groups: &'a [Vec<&'a Table>]) -> Result<&'a Vec<&'a Table>> {
    let models = |group: &&Vec<&Table>| {
        group[0].classes.is_some() && group.iter().any(|table| table.target.model.is_some())
    };
    let largest = groups.iter().filter(models).max_by_key(|group| group[0].target.n);
    largest.context("report/scores: found no scores of a model")
}

fn of_models<'a>(group: &[&'a Table]) -> Vec<&'a Table> {
    group.iter().copied().filter(|table| table.target.model.is_some()).collect()
}

/// The conditions that comparable tables share.
pub fn conditions(tables: &[&Table]) -> String {
    let Some(first) = tables.first() else { return String::new() };
    let (n, of, classifier) =
        (thousands(first.target.n), thousands(first.reference.n), &first.classifier.name);
    let intervals = tables.iter().any(|table| table.rows.iter().any(|row| row.interval.is_some()));
    let seeds =
        if intervals { "brackets give 95 % intervals over generation seeds" } else { "one seed each" };
    format!(
        "n = {n} samples against {of} {}, in the features of `{classifier}`; {seeds}, and for real images the range over \
         their batches.",
        first.reference.name
    )
}

/// The scores of models, those with the most evaluations first, and of real images.
pub fn table(tables: &[&Table]) -> String {
    let mut head = words(["samples", "sampler", "evaluations"]);
    head.extend(SHOWN.map(|(_, _, column)| column.to_owned()));
    let mut rows = vec![head];
    let mut tables = tables.to_vec();
    tables.sort_by_key(|table| (std::cmp::Reverse(table.target.nfe), table.target.model.clone()));
    for table in &tables {
        let code = |name: Option<&str>| format!("`{}`", name.unwrap_or_default());
        let sampler = code(sampling_label(&table.target).as_deref());
        let nfe = table.target.nfe.map_or("-".into(), thousands);
        let mut cells = vec![code(table.target.model.as_deref()), sampler, nfe];
        cells.extend(SHOWN.map(|(name, setting, _)| table.row_of(name, setting).map_or("-".into(), value)));
        rows.push(cells);
    }
    let real = |(name, setting, _)| {
        let found = tables.iter().find_map(|table| table.row_of(name, setting)?.real_baseline.as_ref());
        found.map_or("-".into(), |found| spread(&found.values.iter().flatten().copied().collect::<Vec<_>>()))
    };
    let mut cells = words(["real images", "", ""]);
    cells.extend(SHOWN.map(real));
    rows.push(cells);
    markdown::table(&rows, 2)
}

/// Value and interval.
pub fn value(row: &ScoreRow) -> String {
    let Some(value) = row.value else { return "-".into() };
    let interval =
        row.interval.map_or(String::new(), |[low, high]| format!(" ({} to {})", show(low), show(high)));
    format!("{}{interval}", show(value))
}

/// Mean and range of several values.
fn spread(values: &[f64]) -> String {
    let mean = show(values.iter().sum::<f64>() / values.len().max(1) as f64);
    let range = range(values.iter().copied()).filter(|_| values.len() > 1);
    range.map_or(mean.clone(), |(low, high)| format!("{mean} ({} to {})", show(low), show(high)))
}

/// Three significant digits, with at least one decimal place.
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
    fn numbers_are_short() {
        assert_eq!([show(123.456), show(0.98765), spread(&[1.0])], ["123.5", "0.988", "1.00"]);
        assert_eq!(spread(&[1.0, 3.0]), "2.00 (1.00 to 3.00)");
        assert_eq!([duration(90.0), duration(36_000.0)], ["2 min", "10.0 h"]);
    }
}
