//! The table at the end of a sweep, which is printed and written as `summary.md` and `summary.json`. All of its numbers come
//! from the files of the runs.

use super::folder::GENERATED;
use super::over_seeds;
use super::progress::duration;
use super::study::Job;
use crate::markdown::{self, number, thousands};
use crate::records::{
    Metrics, below_last_timestep, format_conditions, format_scores, read_manifest, read_run_scores,
};
use crate::workspace::write_atomically;
use anyhow::Result;
use dm_record::{RunStatus, SummaryRow};
use std::path::Path;

/// A row for each run that has started.
pub fn rows(jobs: &[Job], out: &Path) -> Result<Vec<SummaryRow>> {
    let mut rows = Vec::new();
    for job in jobs {
        let run = out.join(&job.name);
        let Some(manifest) = read_manifest(&run)? else { continue };
        let metrics = Metrics::read(&run)?;
        let status = if manifest.status == RunStatus::Complete { "complete" } else { "unfinished" };
        rows.push(SummaryRow {
            run: job.name.clone(),
            title: job.title.clone(),
            group: job.group.clone(),
            status: status.to_owned(),
            epochs: metrics.epochs.last().map_or(0, |line| line.epoch),
            steps: manifest.steps_done,
            parameters: manifest.parameters,
            train_loss: metrics.last_train_loss(),
            val_loss: metrics.last_val_loss(),
            images_per_s: metrics.images_per_s(),
            wall_s: manifest.wall_s,
            scores: read_run_scores(&run.join(GENERATED))?,
        });
    }
    Ok(rows)
}

/// A column of the table: its head, and its text for a run.
type Column = (&'static str, fn(&SummaryRow) -> String);

/// Number of columns that are aligned to the left.
const WORDS: usize = 2;
const COLUMNS: [Column; 9] = [
    ("run", |row| row.run.clone()),
    ("status", |row| row.status.clone()),
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
        let rows: Vec<_> = below_last_timestep(&row.scores).map(|row| number(row.chain, 1)).collect();
        if rows.is_empty() { number(None, 1) } else { rows.join(" ") }
    }),
];

fn score(row: &SummaryRow, name: &str) -> String {
    let found = format_scores(&row.scores).into_iter().find(|(of, ..)| *of == name);
    found.map_or(number(None, 0), |(_, value, half)| value + &half)
}

/// The table in Markdown.
pub fn table(rows: &[SummaryRow]) -> String {
    let known = |column: &&Column| rows.iter().any(|row| column.1(row) != number(None, 0));
    let columns: Vec<&Column> = COLUMNS.iter().chain(SCORES.iter().filter(known)).collect();
    let head = columns.iter().map(|(head, _)| (*head).to_owned()).collect();
    let cells = rows.iter().map(|row| columns.iter().map(|(_, text)| text(row)).collect());
    markdown::table(&std::iter::once(head).chain(cells).collect::<Vec<_>>(), WORDS)
}

/// Notes that explain the table.
pub fn notes(rows: &[SummaryRow]) -> Vec<String> {
    let mut notes = vec![
        "Losses of different runs are different quantities: compare them within one run only.".to_owned(),
    ];
    let intervals = rows.iter().any(|row| row.scores.frechet_half.is_some());
    let half = if intervals { "; ±: half of the 95 % interval" } else { "" };
    notes.extend(rows.iter().find_map(|row| format_conditions(&row.scores)).map(|conditions| {
        format!("FD (lower is better), precision and recall against the {conditions}{half}.")
    }));
    notes.extend(rows.iter().find_map(|row| {
        let (n, count) = (thousands(row.scores.n_restored?), below_last_timestep(&row.scores).count());
        let shares: Vec<_> = (1..=count).map(|timestep| format!("{timestep}/{}", count + 1)).collect();
        (count > 0).then(|| {
            format!(
                "Restored: PSNR of {n} test images, degraded to t = {} of T and restored by the chain.",
                shares.join(", ")
            )
        })
    }));
    notes
}

/// The table with its notes, and the table over training seeds if there are several.
pub fn text(rows: &[SummaryRow]) -> String {
    let groups = over_seeds::groups(rows);
    let over_seeds = if groups.is_empty() { String::new() } else { over_seeds::table(&groups) };
    format!("{}\n\n{}\n{over_seeds}", table(rows), notes(rows).join("\n"))
}

/// Writes `summary.md`, `summary.json`, and `over-seeds.json` if there are several training seeds.
pub fn write(rows: &[SummaryRow], out: &Path) -> Result<()> {
    write_atomically(&out.join("summary.md"), text(rows).as_bytes())?;
    write_atomically(&out.join("summary.json"), &serde_json::to_vec_pretty(rows)?)?;
    let groups = over_seeds::groups(rows);
    if groups.is_empty() {
        return Ok(());
    }
    write_atomically(&out.join("over-seeds.json"), &serde_json::to_vec_pretty(&groups)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::write_run_scores;
    use dm_record::RunScores;

    fn row(run: &str, val_loss: Option<f64>) -> SummaryRow {
        SummaryRow {
            run: run.into(),
            title: run.into(),
            group: None,
            status: "complete".into(),
            epochs: 5,
            steps: 2345,
            parameters: 291_217,
            train_loss: Some(0.04321),
            val_loss,
            images_per_s: Some(812.3),
            wall_s: 372.0,
            scores: RunScores::default(),
        }
    }

    fn cells(text: &str, line: usize) -> Vec<String> {
        text.lines().nth(line).unwrap().split('|').map(|cell| cell.trim().to_owned()).collect()
    }

    #[test]
    fn scores_have_columns_where_any_run_has_them() {
        let dir = tempfile::tempdir().unwrap();
        write_run_scores(dir.path(), 42.0);
        let scores = read_run_scores(dir.path()).unwrap();
        let rows = [SummaryRow { scores, ..row("a", None) }, row("b", None)];
        let text = table(&rows);
        assert_eq!(cells(&text, 0)[10..14], ["FD", "precision", "recall", "restored, dB"]);
        assert_eq!(cells(&text, 2)[10..14], ["42 ± 4", "0.90 ± 0.09", "0.70 ± 0.07", "17.2"]);
        assert_eq!(cells(&text, 3)[10..14], ["-", "-", "-", "-"]);
        let notes = notes(&rows).join("\n");
        for text in [
            "against the test images: 1,000 images each of 5 generation seeds; ±",
            "4 test images, degraded to t = 1/2",
        ] {
            assert!(notes.contains(text), "{notes}");
        }
        assert!(!table(&rows[1..]).contains("FD") && super::notes(&rows[1..]).len() == 1);
    }

    #[test]
    fn both_files_contain_the_rows() {
        let dir = tempfile::tempdir().unwrap();
        write(&[row("ink", None)], dir.path()).unwrap();
        let rows: Vec<SummaryRow> = crate::records::read_json(&dir.path().join("summary.json")).unwrap();
        assert_eq!(rows, [row("ink", None)]);
        let text = std::fs::read_to_string(dir.path().join("summary.md")).unwrap();
        let expected = ["ink", "complete", "5", "2,345", "291,217", "0.0432", "-", "812", "6m12s"];
        assert_eq!(cells(&text, 2)[1..10], expected);
    }
}
