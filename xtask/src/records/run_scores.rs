//! The scores of a run's images, from the `scores.json` of `dm eval` and the `restore.json` of `dm restore`.

use super::{FRECHET, Scores, Table, read_record};
use crate::markdown::thousands;
use anyhow::Result;
use dm_record::{RestorationFile, RestoredSummary, RunScores};
use std::path::Path;

/// Names of the files in a run's folder of images.
pub const SCORE_FILE: &str = "scores.json";
pub const RESTORATION_FILE: &str = "restore.json";

/// Reads the folder of a run's images. Scores that were not measured are absent.
pub fn read_run_scores(folder: &Path) -> Result<RunScores> {
    let mut found = RunScores::default();
    let (scores, restoration) = (folder.join(SCORE_FILE), folder.join(RESTORATION_FILE));
    if scores.is_file() {
        let mut all = Scores::default();
        all.add("", &scores)?;
        found = all.tables.first().map(of_table).unwrap_or_default();
    }
    if restoration.is_file() {
        let file: RestorationFile = read_record(&restoration)?;
        found.n_restored = Some(file.n);
        let row = |row: dm_record::Restoration| RestoredSummary {
            t: row.t,
            timesteps: row.timesteps,
            degraded: row.degraded.psnr,
            estimate: row.estimate.psnr,
            chain: row.restored.psnr,
        };
        found.restored = file.restoration.into_iter().map(row).collect();
    }
    Ok(found)
}

/// The scores of a table, without restorations.
pub fn of_table(table: &Table) -> RunScores {
    let value = |name: &str| {
        let row = table.row(name);
        let half = row.and_then(|row| row.interval).map(|[low, high]| (high - low) / 2.0);
        (row.and_then(|row| row.value), half)
    };
    let (frechet_distance, frechet_half) = value(FRECHET);
    let (precision, precision_half) = value("precision");
    let (recall, recall_half) = value("recall");
    RunScores {
        n: Some(table.target.n),
        pooled: table.target.pooled,
        reference: Some(table.reference.name.clone()),
        seeds: Some(table.target.seeds.len()).filter(|&seeds| seeds > 0),
        frechet_distance,
        frechet_half,
        precision,
        precision_half,
        recall,
        recall_half,
        ..RunScores::default()
    }
}

/// Name, value and half of the interval of every score that was measured.
pub fn format_scores(scores: &RunScores) -> Vec<(&'static str, String, String)> {
    let all = [
        ("FD", scores.frechet_distance, scores.frechet_half, 0),
        ("precision", scores.precision, scores.precision_half, 2),
        ("recall", scores.recall, scores.recall_half, 2),
    ];
    let format = |(name, value, half, places): (_, Option<f64>, Option<f64>, usize)| {
        let half = half.map_or(String::new(), |half| format!(" ± {half:.places$}"));
        Some((name, format!("{:.places$}", value?), half))
    };
    all.into_iter().filter_map(format).collect()
}

/// The reference, the number of images, and of generation seeds if there are intervals.
pub fn format_conditions(scores: &RunScores) -> Option<String> {
    let n = thousands(scores.n.filter(|_| scores.frechet_distance.is_some())?);
    let seeds = scores.seeds.filter(|_| scores.frechet_half.is_some());
    let each = if scores.pooled { "" } else { " each" };
    let seeds = seeds.map_or(String::new(), |seeds| format!("{each} of {seeds} generation seeds"));
    let reference = scores.reference.as_deref().unwrap_or("test images");
    Some(format!("{reference}: {n} images{seeds}"))
}

/// The restorations from timesteps below T. At T no trace of the image is left to restore.
pub fn below_last_timestep(scores: &RunScores) -> impl Iterator<Item = &RestoredSummary> {
    scores.restored.iter().filter(|row| row.t < row.timesteps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::write_run_scores;

    #[test]
    fn both_files_are_read_and_either_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_run_scores(dir.path()).unwrap(), RunScores::default());
        write_run_scores(dir.path(), 12.5);
        let found = read_run_scores(dir.path()).unwrap();
        assert_eq!((found.n, found.seeds, found.frechet_distance), (Some(1000), Some(5), Some(12.5)));
        let expected =
            [("FD", "12", " ± 1"), ("precision", "0.90", " ± 0.09"), ("recall", "0.70", " ± 0.07")];
        let expected = expected.map(|(name, value, half)| (name, value.to_owned(), half.to_owned()));
        assert_eq!(format_scores(&found), expected);
        let conditions = "test images: 1,000 images each of 5 generation seeds";
        assert_eq!(format_conditions(&found).as_deref(), Some(conditions));
        let pooled = RunScores { pooled: true, ..found.clone() };
        let conditions = "test images: 1,000 images of 5 generation seeds";
        assert_eq!(format_conditions(&pooled).as_deref(), Some(conditions));
        let below: Vec<_> = below_last_timestep(&found).map(|row| (row.t, row.degraded, row.chain)).collect();
        assert_eq!(below, [(50, None, Some(17.25))]);
        std::fs::remove_file(dir.path().join(SCORE_FILE)).unwrap();
        assert_eq!(read_run_scores(dir.path()).unwrap().frechet_distance, None);
        std::fs::write(dir.path().join(RESTORATION_FILE), r#"{"schema":3,"n":1,"restoration":[]}"#).unwrap();
        let error = read_run_scores(dir.path()).unwrap_err().to_string();
        assert!(error.contains("restore.json: schema: found 3, expected 1 to 2"), "{error}");
    }
}
