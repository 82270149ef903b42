//! The files that `dm eval --out` and `--panels` write, as the figures read them. Reading only; what a number means is
//! left to the figures and the report.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

const SCHEMA: u64 = 1;

/// Everything in a folder of scores.
#[derive(Debug, Default)]
pub struct Scores {
    pub ladders: Vec<Ladder>,
    /// Each evaluation once for every judge.
    pub tables: Vec<Table>,
    pub views: Vec<View>,
}

/// What one judge says of one target.
#[derive(Debug, Clone)]
pub struct Table {
    /// Name of the file, without its ending.
    pub name: String,
    pub target: Target,
    pub judge: Judge,
    pub n_reference: u64,
    pub rows: Vec<Row>,
    /// Class counts, of the first judge alone.
    pub classes: Option<Classes>,
}

/// A model that was drawn from, or images.
#[derive(Debug, Clone, Deserialize)]
pub struct Target {
    pub model: Option<String>,
    pub sampler: Option<String>,
    /// Network evaluations per image.
    pub steps: Option<u64>,
    pub n: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Judge {
    pub name: String,
    pub sha256: String,
}

/// One score. A value that is not finite is absent.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    pub name: String,
    pub mean: Option<f64>,
    pub interval: Option<[f64; 2]>,
    pub floor: Option<Floor>,
}

/// The same score on real images.
#[derive(Debug, Clone, Deserialize)]
pub struct Floor {
    pub values: Vec<Option<f64>>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Classes {
    pub counts: Vec<u64>,
    pub share_intervals: Vec<[f64; 2]>,
    pub reference_counts: Vec<u64>,
}

/// The sanity ladder by several judges.
#[derive(Debug, Clone, Deserialize)]
pub struct Ladder {
    pub n: u64,
    pub reference: Reference,
    pub ladders: Vec<OneLadder>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Reference {
    pub name: String,
    pub n: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct OneLadder {
    pub judge: Judge,
    pub rungs: Vec<Rung>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Rung {
    pub name: String,
    pub groups: [usize; 2],
    pub fd: f64,
    pub precision: f64,
    pub recall: f64,
    pub memorised: f64,
}

/// Features of a pool and of real images along two principal components of the real ones.
#[derive(Debug, Clone, Deserialize)]
pub struct View {
    /// Name of its folder.
    #[serde(skip)]
    pub name: String,
    pub explained: [f64; 2],
    pub reference: Vec<[f64; 2]>,
    pub generated: Vec<[f64; 2]>,
}

impl Scores {
    /// Reads the score files of `dir` in order of their names, and the views of the panels in folders below it. Files of
    /// other kinds are passed over.
    pub fn read(dir: &Path) -> Result<Self> {
        let entries = std::fs::read_dir(dir).with_context(|| dir.display().to_string())?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let mut scores = Self::default();
        for path in paths {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let view = path.join("pca.json");
            if view.is_file() {
                let view: View = typed(json(&view)?, &view)?;
                scores.views.push(View { name, ..view });
            } else if path.extension().is_some_and(|ending| ending == "json") {
                scores.take(name, json(&path)?, &path)?;
            }
        }
        Ok(scores)
    }

    fn take(&mut self, name: String, file: Value, path: &Path) -> Result<()> {
        if file.get("ladders").is_some() {
            self.ladders.push(typed(file, path)?);
        } else if file.get("scores").is_some() {
            let file: File = typed(file, path)?;
            let of_judge = |judge, rows, classes| {
                let (name, target, n_reference) = (name.clone(), file.target.clone(), file.reference.n);
                Table { name, target, judge, n_reference, rows, classes }
            };
            self.tables.push(of_judge(file.judge, file.scores, Some(file.classes)));
            let others = file.other_judges.into_iter();
            self.tables.extend(others.map(|other| of_judge(other.judge, other.scores, None)));
        }
        Ok(())
    }

    /// The tables that compare with each other: of one judge, n and number of reference images. Groups in order of their
    /// first file.
    pub fn comparable(&self) -> Vec<Vec<&Table>> {
        let mut groups: Vec<Vec<&Table>> = Vec::new();
        for table in &self.tables {
            let same = |group: &&mut Vec<&Table>| group.iter().all(|other| other.compares(table));
            match groups.iter_mut().find(same) {
                Some(group) => group.push(table),
                None => groups.push(vec![table]),
            }
        }
        groups
    }
}

impl Table {
    fn compares(&self, other: &Self) -> bool {
        (&self.judge.sha256, self.target.n, self.n_reference)
            == (&other.judge.sha256, other.target.n, other.n_reference)
    }

    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// What a chart of comparable tables says below its title.
    pub fn conditions(&self) -> String {
        let (n, of, judge) = (thousands(self.target.n), thousands(self.n_reference), &self.judge.name);
        format!("{n} images against {of}, seen by {judge}")
    }
}

impl Floor {
    /// Lowest and highest of the values.
    pub fn range(&self) -> Option<(f64, f64)> {
        let values = self.values.iter().flatten().copied();
        values.fold(None, |range, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })
    }
}

/// 10000 as 10,000.
pub fn thousands(count: u64) -> String {
    if count < 1000 { count.to_string() } else { format!("{},{:03}", thousands(count / 1000), count % 1000) }
}

/// A file of scores as it lies there.
#[derive(Deserialize)]
struct File {
    target: Target,
    judge: Judge,
    reference: Reference,
    scores: Vec<Row>,
    classes: Classes,
    #[serde(default)]
    other_judges: Vec<Other>,
}

#[derive(Deserialize)]
struct Other {
    judge: Judge,
    scores: Vec<Row>,
}

fn json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// `value` as a file of the schema known here.
fn typed<T: serde::de::DeserializeOwned>(value: Value, path: &Path) -> Result<T> {
    let found = &value["schema"];
    ensure!(found == SCHEMA, "{}: schema is {found}, expected {SCHEMA}", path.display());
    serde_json::from_value(value).with_context(|| path.display().to_string())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;

    /// The text of a score file: a model at `steps` evaluations with this Frechet distance.
    pub fn score_file(model: &str, steps: u64, fd: f64) -> Value {
        let row = |name: &str, mean: f64, floor: [f64; 2]| {
            json!({ "measure": "m", "name": name, "setting": "", "n": 1000, "values": [mean], "mean": mean,
                    "interval": [mean * 0.9, mean * 1.1], "floor": { "values": floor, "n": 1000 } })
        };
        json!({
            "schema": 1,
            "target": { "model": model, "sampler": "bridge", "steps": steps, "n": 1000 },
            "judge": { "name": "judge", "sha256": "a" },
            "reference": { "name": "test images", "n": 10_000 },
            "scores": [row("frechet distance", fd, [0.5, 0.6]), row("precision", 0.9, [0.95, 0.97]),
                       row("recall", 0.7, [0.95, 0.96]), { "name": "realism", "mean": null }],
            "classes": { "counts": [90, 110], "share_intervals": [[0.4, 0.5], [0.5, 0.6]],
                         "reference_counts": [4900, 5100] },
            "other_judges": [{ "judge": { "name": "judge-2", "sha256": "b" },
                               "scores": [row("frechet distance", 2.0 * fd, [0.7, 0.8])], "omitted": [] }],
        })
    }

    /// The text of a ladder of three rungs by two judges.
    pub fn ladder_file() -> Value {
        let rung = |name: &str, group: usize, fd: f64| {
            json!({ "name": name, "groups": [group, group], "fd": fd, "precision": 1.0, "recall": 0.0,
                    "coverage": 0.5, "memorised": 0.25 })
        };
        let ladder = |judge: &str, factor: f64| {
            json!({ "judge": { "name": judge, "sha256": judge }, "disorder": [],
                    "rungs": [rung("real", 0, 0.5 * factor), rung("noise", 1, 20.0), rung("mean", 2, 900.0)] })
        };
        json!({ "schema": 1, "n": 2000, "reference": { "name": "test images", "n": 10_000 },
                "ladders": [ladder("judge", 1.0), ladder("judge-2", 1.5)] })
    }

    /// A folder of such files, read.
    pub fn folder(files: &[(&str, Value)]) -> Result<Scores> {
        let dir = tempfile::tempdir().unwrap();
        for (name, value) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, value.to_string()).unwrap();
        }
        Scores::read(dir.path())
    }

    #[test]
    fn a_folder_is_read_by_kind_and_only_like_is_put_with_like() {
        let view =
            json!({ "schema": 1, "explained": [0.3, 0.2], "reference": [[0.0, 1.0]], "generated": [] });
        let scores = folder(&[
            ("b.json", score_file("ink", 50, 3.0)),
            ("a.json", score_file("ink", 100, 2.0)),
            ("ladder.json", ladder_file()),
            ("likelihood.json", json!({ "schema": 1, "bits": 2.0 })),
            ("ink-panels/pca.json", view),
        ])
        .unwrap();
        assert_eq!((scores.ladders.len(), scores.views.len()), (1, 1));
        assert_eq!(scores.views[0].name, "ink-panels");
        let groups = scores.comparable();
        let names = |group: &Vec<&Table>| group.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
        assert_eq!(groups.iter().map(names).collect::<Vec<_>>(), [["a", "b"], ["a", "b"]]);
        assert_eq!(groups[1][0].conditions(), "1,000 images against 10,000, seen by judge-2");
        assert_eq!(groups[0][0].row("realism").unwrap().mean, None);
        let floor = groups[0][0].row("frechet distance").unwrap().floor.clone().unwrap();
        assert_eq!(floor.range(), Some((0.5, 0.6)));
    }

    #[test]
    fn a_damaged_file_is_refused_by_name() {
        let mut other = score_file("ink", 1, 1.0);
        other["schema"] = 7.into();
        let error = folder(&[("a.json", other)]).unwrap_err().to_string();
        assert!(error.contains("a.json: schema is 7, expected 1"), "{error}");
        let error = folder(&[("a.json", json!({ "schema": 1, "scores": 3 }))]).unwrap_err();
        assert!(format!("{error:#}").contains("a.json"), "{error:#}");
    }
}
