//! The table at the end of a sweep: printed, and written as `summary.md` and `summary.json`. All of its numbers
//! come from the files of the runs.

use super::plan::GENERATED;
use super::progress::duration;
use super::spec::Job;
use crate::measured::Measured;
use crate::record::{Manifest, Metrics, Status};
use crate::scores::thousands;
use crate::workspace::write_atomically;
use anyhow::Result;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// One run in the table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub run: String,
    pub title: String,
    pub status: &'static str,
    pub epochs: u64,
    pub steps: u64,
    pub parameters: u64,
    pub train_loss: Option<f64>,
    pub val_loss: Option<f64>,
    pub images_per_s: Option<f64>,
    pub wall_s: f64,
    pub measured: Measured,
}

/// A row for each run that has begun; the others are left out.
pub fn rows(jobs: &[Job], out: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for job in jobs {
        let run = out.join(&job.name);
        let Some(manifest) = Manifest::read(&run)? else { continue };
        let metrics = Metrics::read(&run)?;
        rows.push(Row {
            run: job.name.clone(),
            title: job.title.clone(),
            status: if manifest.status == Status::Complete { "complete" } else { "unfinished" },
            epochs: metrics.epochs.last().map_or(0, |row| row.epoch),
            steps: manifest.steps_done,
            parameters: manifest.parameters,
            train_loss: metrics.last_train_loss(),
            val_loss: metrics.last_val_loss(),
            images_per_s: metrics.images_per_s(),
            wall_s: manifest.wall_s,
            measured: Measured::read(&run.join(GENERATED))?,
        });
    }
    Ok(rows)
}

/// A column of the table: its head, and what it says of a run.
type Column = (&'static str, fn(&Row) -> String);

/// Columns of words, to the left.
const WORDS: [Column; 2] = [("run", |row| row.run.clone()), ("status", |row| row.status.into())];

/// Columns of numbers, to the right.
const NUMBERS: [Column; 7] = [
    ("epochs", |row| row.epochs.to_string()),
    ("steps", |row| thousands(row.steps)),
    ("parameters", |row| thousands(row.parameters)),
    ("train loss", |row| number(row.train_loss, 4)),
    ("val loss", |row| number(row.val_loss, 4)),
    ("images/s", |row| number(row.images_per_s, 0)),
    ("wall time", |row| duration(row.wall_s)),
];

/// Columns of scores; those that no run has are left out.
const SCORES: [Column; 4] = [
    ("FD", |row| score(row, "FD")),
    ("precision", |row| score(row, "precision")),
    ("recall", |row| score(row, "recall")),
    ("restored, dB", |row| {
        let levels: Vec<_> = row.measured.below_last().map(|level| number(level.chain, 1)).collect();
        if levels.is_empty() { ABSENT.into() } else { levels.join(" ") }
    }),
];

const ABSENT: &str = "-";

fn score(row: &Row, name: &str) -> String {
    let told = row.measured.told().into_iter().find(|(of, ..)| *of == name);
    told.map_or(ABSENT.into(), |(_, value, half)| value + &half)
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or(ABSENT.into(), |value| format!("{value:.digits$}"))
}

/// The table in Markdown, its columns aligned so that it also reads well in a terminal.
pub fn table(rows: &[Row]) -> String {
    let known = |column: &&Column| rows.iter().any(|row| column.1(row) != ABSENT);
    let columns: Vec<&Column> = WORDS.iter().chain(&NUMBERS).chain(SCORES.iter().filter(known)).collect();
    let mut cells: Vec<Vec<String>> = vec![columns.iter().map(|(head, _)| (*head).to_owned()).collect()];
    cells.extend(rows.iter().map(|row| columns.iter().map(|(_, say)| say(row)).collect()));
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (index, row) in cells.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column < WORDS.len() {
                write!(text, "| {cell:<width$} ")
            } else {
                write!(text, "| {cell:>width$} ")
            };
        }
        text += "|\n";
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                let end = if column < WORDS.len() { '-' } else { ':' };
                let _ = write!(text, "|{}{end}", "-".repeat(width + 1));
            }
            text += "|\n";
        }
    }
    text
}

/// What has to be known to read the table.
pub fn notes(rows: &[Row]) -> Vec<String> {
    let mut notes = vec![
        "Losses of different runs are losses of different things: compare them within a run only.".to_owned(),
    ];
    let conditions = rows.iter().find_map(|row| row.measured.conditions());
    let sure = rows.iter().any(|row| row.measured.frechet_half.is_some());
    let half = if sure { "; ±: half of the 95 % interval" } else { "" };
    notes.extend(conditions.map(|conditions| {
        format!("FD (lower is better), precision and recall, against the test images: {conditions}{half}.")
    }));
    notes.extend(rows.iter().find_map(|row| {
        let levels: Vec<_> = row.measured.below_last().collect();
        let n = thousands(row.measured.n_restored?);
        let shares = (1..=levels.len()).map(|level| format!("{level}/{}", levels.len() + 1));
        let shares = shares.collect::<Vec<_>>().join(", ");
        (!levels.is_empty())
            .then(|| format!("Restored: PSNR of {n} test images, degraded to {shares} of T and walked back under the key it came by."))
    }));
    notes
}

/// Writes both files.
pub fn write(rows: &[Row], out: &Path) -> Result<()> {
    let text = format!("{}\n{}\n", table(rows), notes(rows).join("\n"));
    write_atomically(&out.join("summary.md"), text.as_bytes())?;
    write_atomically(&out.join("summary.json"), &serde_json::to_vec_pretty(rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(run: &str, val_loss: Option<f64>) -> Row {
        Row {
            run: run.into(),
            title: run.into(),
            status: "complete",
            epochs: 5,
            steps: 2345,
            parameters: 291_217,
            train_loss: Some(0.04321),
            val_loss,
            images_per_s: Some(812.3),
            wall_s: 372.0,
            measured: Measured::default(),
        }
    }

    #[test]
    fn scores_have_columns_where_any_run_has_them() {
        let dir = tempfile::tempdir().unwrap();
        crate::measured::tests::write(dir.path(), 42.0);
        let measured = Measured::read(dir.path()).unwrap();
        let rows = [Row { measured, ..row("a", None) }, row("b", None)];
        let text = table(&rows);
        let line = |index: usize| -> Vec<String> {
            text.lines().nth(index).unwrap().split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        assert_eq!(line(0)[10..14], ["FD", "precision", "recall", "restored, dB"]);
        assert_eq!(line(2)[10..14], ["42 ± 4", "0.90 ± 0.09", "0.70 ± 0.07", "17.2"]);
        assert_eq!(line(3)[10..14], ["-", "-", "-", "-"]);
        let notes = notes(&rows).join("\n");
        assert!(
            notes.contains("against the test images: 1,000 images each of 5 generation seeds; ±")
                && notes.contains("4 test images, degraded to 1/2 of T"),
            "{notes}"
        );
        assert!(!table(&rows[1..]).contains("FD") && super::notes(&rows[1..]).len() == 1);
    }

    #[test]
    fn the_table_is_aligned_and_says_what_is_missing() {
        let text = table(&[row("ddpm-reference", Some(0.05)), row("ink", None)]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()), "{text}");
        let ink: Vec<_> = lines[3].split('|').map(str::trim).collect();
        assert_eq!(ink[1..10], ["ink", "complete", "5", "2,345", "291,217", "0.0432", "-", "812", "6m12s"]);
    }

    #[test]
    fn thousands_are_set_apart() {
        let said: Vec<_> = [0, 999, 1000, 291_217, 1_000_000].into_iter().map(thousands).collect();
        assert_eq!(said, ["0", "999", "1,000", "291,217", "1,000,000"]);
    }

    #[test]
    fn both_files_hold_the_rows() {
        let dir = tempfile::tempdir().unwrap();
        write(&[row("a", Some(0.5))], dir.path()).unwrap();
        let json = std::fs::read(dir.path().join("summary.json")).unwrap();
        let rows: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(rows[0]["parameters"], 291_217);
        assert!(std::fs::read_to_string(dir.path().join("summary.md")).unwrap().contains("| a "));
    }
}
