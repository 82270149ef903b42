//! The table at the end of a sweep: printed, and written as `summary.md` and `summary.json`. All of its numbers
//! come from the files of the runs.

use super::progress::duration;
use super::spec::Job;
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
        });
    }
    Ok(rows)
}

/// The table in Markdown, its columns aligned so that it also reads well in a terminal.
pub fn table(rows: &[Row]) -> String {
    let number =
        |value: Option<f64>, digits: usize| value.map_or("-".into(), |value| format!("{value:.digits$}"));
    let head =
        ["run", "status", "epochs", "steps", "parameters", "train loss", "val loss", "images/s", "wall time"];
    let mut cells: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    cells.extend(rows.iter().map(|row| {
        vec![
            row.run.clone(),
            row.status.into(),
            row.epochs.to_string(),
            thousands(row.steps),
            thousands(row.parameters),
            number(row.train_loss, 4),
            number(row.val_loss, 4),
            number(row.images_per_s, 0),
            duration(row.wall_s),
        ]
    }));
    let widths: Vec<usize> =
        (0..head.len()).map(|column| cells.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for (index, row) in cells.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Words to the left, numbers to the right.
            let _ = if column < 2 {
                write!(text, "| {cell:<width$} ")
            } else {
                write!(text, "| {cell:>width$} ")
            };
        }
        text += "|\n";
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                let end = if column < 2 { '-' } else { ':' };
                let _ = write!(text, "|{}{end}", "-".repeat(width + 1));
            }
            text += "|\n";
        }
    }
    text
}

/// Writes both files.
pub fn write(rows: &[Row], out: &Path) -> Result<()> {
    let note = "Losses of different runs are losses of different things: compare them within a run only.";
    write_atomically(&out.join("summary.md"), format!("{}\n{note}\n", table(rows)).as_bytes())?;
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
        }
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
