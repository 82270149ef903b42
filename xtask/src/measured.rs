//! What was measured of a run's images, as the table and the contact sheet read it: `scores.json` of `dm eval` and
//! `restore.json` of `dm restore`. Reading only; what is not there yet is absent.

use crate::scores::{Scores, thousands};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::Path;

/// Names of the files in a run's folder of images.
pub const SCORES: &str = "scores.json";
pub const RESTORED: &str = "restore.json";

const SCHEMA: u64 = 1;

/// Names of the scores.
const FRECHET: &str = "frechet distance";
const PRECISION: &str = "precision";
const RECALL: &str = "recall";

/// The scores of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Measured {
    /// Images behind the scores, and generation seeds.
    pub n: Option<u64>,
    pub seeds: Option<usize>,
    /// The scores, each with half of its 95 % interval.
    pub frechet_distance: Option<f64>,
    pub frechet_half: Option<f64>,
    pub precision: Option<f64>,
    pub precision_half: Option<f64>,
    pub recall: Option<f64>,
    pub recall_half: Option<f64>,
    /// Test images behind the restorations.
    pub n_restored: Option<u64>,
    /// By rising level, the last one T.
    pub restored: Vec<Restored>,
}

/// How near test images come back from one level, in dB of PSNR. What is perfect has none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Restored {
    pub t: u64,
    pub steps: u64,
    /// As it was degraded.
    pub degraded: Option<f64>,
    /// In one step of the network.
    pub estimate: Option<f64>,
    /// By the reverse chain.
    pub chain: Option<f64>,
}

impl Measured {
    /// Reads the folder of a run's images.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut measured = Self::default();
        if folder.join(SCORES).is_file() {
            let scores = Scores::read(folder)?;
            let table = scores.tables.first();
            let value = |name: &str| table.and_then(|table| table.row(name)?.value);
            let interval = |name: &str| table.and_then(|table| table.row(name)?.interval);
            let half = |name: &str| interval(name).map(|[low, high]| (high - low) / 2.0);
            measured.n = table.map(|table| table.target.n);
            measured.seeds = table.map(|table| table.target.seeds.len()).filter(|&seeds| seeds > 0);
            (measured.frechet_distance, measured.frechet_half) = (value(FRECHET), half(FRECHET));
            (measured.precision, measured.precision_half) = (value(PRECISION), half(PRECISION));
            (measured.recall, measured.recall_half) = (value(RECALL), half(RECALL));
        }
        if let Some(file) = restored(&folder.join(RESTORED))? {
            measured.n_restored = Some(file.n);
            let row = |row: RestoredRow| Restored {
                t: row.t,
                steps: row.steps,
                degraded: row.degraded.psnr,
                estimate: row.estimate.psnr,
                chain: row.restored.psnr,
            };
            measured.restored = file.restoration.into_iter().map(row).collect();
        }
        Ok(measured)
    }

    /// Names of the scores that there are, and each as it is told: its value, and half of its interval if it has one.
    pub fn told(&self) -> Vec<(&'static str, String, String)> {
        let scores = [
            ("FD", self.frechet_distance, self.frechet_half, 0),
            (PRECISION, self.precision, self.precision_half, 2),
            (RECALL, self.recall, self.recall_half, 2),
        ];
        let tell = |(name, value, half, digits): (_, Option<f64>, Option<f64>, usize)| {
            let half = half.map_or(String::new(), |half| format!(" ± {half:.digits$}"));
            Some((name, format!("{:.digits$}", value?), half))
        };
        scores.into_iter().filter_map(tell).collect()
    }

    /// Of how many images, and of how many generation seeds if there is an interval, the scores are.
    pub fn conditions(&self) -> Option<String> {
        let n = thousands(self.n.filter(|_| self.frechet_distance.is_some())?);
        let seeds = self.seeds.filter(|_| self.frechet_half.is_some());
        let seeds = seeds.map_or(String::new(), |seeds| format!(" of {seeds} generation seeds"));
        Some(format!("{n} images each{seeds}"))
    }

    /// The restorations from below T: from T itself there is nothing to restore.
    pub fn below_last(&self) -> impl Iterator<Item = &Restored> {
        self.restored.iter().filter(|row| row.t < row.steps)
    }
}

/// A file of restorations as it lies there.
#[derive(Deserialize)]
struct RestoredFile {
    schema: u64,
    n: u64,
    restoration: Vec<RestoredRow>,
}

#[derive(Deserialize)]
struct RestoredRow {
    t: u64,
    steps: u64,
    degraded: Closeness,
    estimate: Closeness,
    restored: Closeness,
}

#[derive(Deserialize)]
struct Closeness {
    psnr: Option<f64>,
}

fn restored(path: &Path) -> Result<Option<RestoredFile>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| path.display().to_string())?,
    };
    let file: RestoredFile = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    ensure!(file.schema == SCHEMA, "{}: schema is {}, expected {SCHEMA}", path.display(), file.schema);
    Ok(Some(file))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::scores::tests::score_file;
    use serde_json::json;

    /// Writes both files as `dm` does, of a run with this Frechet distance.
    pub fn write(folder: &Path, fd: f64) {
        let row = |t: u64, chain: f64| {
            let stage = |psnr: f64| json!({ "psnr": psnr, "ssim": 0.5 });
            json!({ "t": t, "steps": 100, "degraded": { "psnr": null, "ssim": 1.0 }, "estimate": stage(20.0),
                    "restored": stage(chain) })
        };
        let restored = json!({ "schema": 1, "n": 4, "restoration": [row(50, 17.25), row(100, 9.0)] });
        std::fs::write(folder.join(SCORES), score_file("ink", 50, fd).to_string()).unwrap();
        std::fs::write(folder.join(RESTORED), restored.to_string()).unwrap();
    }

    #[test]
    fn both_files_are_read_and_either_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Measured::read(dir.path()).unwrap(), Measured::default());
        write(dir.path(), 12.5);
        let found = Measured::read(dir.path()).unwrap();
        assert_eq!((found.n, found.seeds, found.frechet_distance), (Some(1000), Some(5), Some(12.5)));
        let told = [("FD", "12", " ± 1"), ("precision", "0.90", " ± 0.09"), ("recall", "0.70", " ± 0.07")];
        assert_eq!(found.told(), told.map(|(name, value, half)| (name, value.to_owned(), half.to_owned())));
        let conditions = "1,000 images each of 5 generation seeds";
        assert_eq!(found.conditions().as_deref(), Some(conditions));
        let below: Vec<_> = found.below_last().map(|row| (row.t, row.degraded, row.chain)).collect();
        assert_eq!(below, [(50, None, Some(17.25))]);
        std::fs::remove_file(dir.path().join(SCORES)).unwrap();
        assert_eq!(Measured::read(dir.path()).unwrap().frechet_distance, None);
    }

    #[test]
    fn a_damaged_file_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 1.0);
        std::fs::write(dir.path().join(RESTORED), r#"{"schema":2,"n":1,"restoration":[]}"#).unwrap();
        let error = Measured::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("restore.json: schema is 2, expected 1"), "{error}");
    }
}
