//! The recorded files of runs and evaluations, read through the types of `dm-record`. Nothing is written here.

#[cfg(test)]
pub mod fixtures;
mod run;
mod run_scores;
mod scores;

use anyhow::{Context, Result, ensure};
use dm_record::{Record, RunManifest, SCHEMA};
use serde::de::DeserializeOwned;
use std::path::Path;

pub use run::{Metrics, MetricsReader};
pub use run_scores::{
    RESTORATION_FILE, SCORE_FILE, below_last_timestep, format_conditions, format_scores, of_table,
    read_run_scores,
};
pub use scores::{FRECHET, Panels, Scores, Table, baseline_range, range, sampling_label};

/// The distinct ones of `values`, in the order in which they first occur.
pub fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    values.for_each(|value| {
        if !found.contains(&value) {
            found.push(value);
        }
    });
    found
}

/// Reads a JSON file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

/// Reads a file that states its schema.
pub fn read_record<T: Record + DeserializeOwned>(path: &Path) -> Result<T> {
    checked(read_json(path)?, path)
}

/// Reads the manifest of a run folder; `None` where there is none yet.
pub fn read_manifest(run: &Path) -> Result<Option<RunManifest>> {
    let path = run.join("manifest.json");
    path.is_file().then(|| read_record(&path)).transpose()
}

/// Checks the schema of a record and converts the names of schema 1.
fn checked<T: Record>(mut record: T, path: &Path) -> Result<T> {
    let (path, found) = (path.display(), record.schema());
    ensure!(record.is_readable(), "{path}: schema: found {found}, expected 1 to {SCHEMA}");
    record.upgrade();
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_of_another_schema_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_manifest(dir.path()).unwrap(), None);
        let text = r#"{"schema":9,"status":"running","parameters":1,"steps_total":1,"steps_done":0,"epochs":1,"wall_s":0}"#;
        std::fs::write(dir.path().join("manifest.json"), text).unwrap();
        let error = read_manifest(dir.path()).unwrap_err().to_string();
        assert!(error.contains("manifest.json: schema: found 9, expected 1 to 2"), "{error}");
    }
}
