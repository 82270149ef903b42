//! The files that `dm eval --out`, `dm eval --panels` and `dm restore --scores` write, as figures and tables read them.
//! Reading only; what a number means is left to them and to the report.

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
    pub restorations: Vec<Restoration>,
    pub panels: Vec<Panel>,
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
    /// How near the images come to the training set, as seen by the first judge.
    pub nearness: Option<Nearness>,
}

/// A model that was drawn from, or images.
#[derive(Debug, Clone, Deserialize)]
pub struct Target {
    pub model: Option<String>,
    pub sampler: Option<String>,
    /// Where the levels lie.
    pub spacing: Option<String>,
    /// Network evaluations per image.
    pub steps: Option<u64>,
    /// Hash of the model's file.
    pub sha256: Option<String>,
    /// Generation seeds of what a model drew.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// The table `degradation` of the model's config.
    #[serde(default)]
    pub degradation: serde_json::Map<String, Value>,
    pub n: u64,
}

impl Target {
    /// The sampler, and the spacing of its levels where they are not even.
    pub fn walk(&self) -> Option<String> {
        let sampler = self.sampler.as_ref()?;
        let spacing = self.spacing.as_ref().filter(|spacing| *spacing != "even");
        Some(spacing.map_or_else(|| sampler.clone(), |spacing| format!("{sampler} {spacing}")))
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Judge {
    pub name: String,
    pub sha256: String,
    /// Share of the test images it classifies rightly.
    pub test_accuracy: Option<f64>,
}

/// One score. A value that is not finite is absent.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    pub name: String,
    /// What it looks at, where that is not said by the name.
    #[serde(default)]
    pub setting: String,
    pub value: Option<f64>,
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

/// Percentiles 0 to 100 of the distances to the nearest training image.
#[derive(Debug, Clone, Deserialize)]
pub struct Nearness {
    pub n: u64,
    pub n_training: u64,
    pub n_unseen: u64,
    pub pixels: Distances,
    pub features: Distances,
}

/// From the images measured, and from real ones that were not trained on.
#[derive(Debug, Clone, Deserialize)]
pub struct Distances {
    pub generated: Vec<f64>,
    pub unseen: Vec<f64>,
}

/// How close a model's restorations come, level by level.
#[derive(Debug, Clone, Deserialize)]
pub struct Restoration {
    pub model: String,
    pub n: u64,
    /// Evaluations of a chain from the last level.
    pub evaluations_from_last_level: u64,
    #[serde(rename = "restoration")]
    pub levels: Vec<Closeness>,
}

/// One level.
#[derive(Debug, Clone, Deserialize)]
pub struct Closeness {
    pub t: u64,
    pub steps: u64,
    pub degraded: Close,
    pub estimate: Close,
    pub restored: Close,
}

/// A value is absent where it is infinite.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Close {
    pub psnr: Option<f64>,
    pub ssim: Option<f64>,
}

/// A folder of pictures of a pool of images.
#[derive(Debug, Clone)]
pub struct Panel {
    /// Name of the folder.
    pub name: String,
    pub folder: PathBuf,
    pub rank: Rank,
    pub view: Option<View>,
}

/// How the images shown were chosen.
#[derive(Debug, Clone, Deserialize)]
pub struct Rank {
    pub rule: String,
    pub ranking: Ranking,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Ranking {
    /// Images to choose from.
    pub pool: u64,
    pub best: Vec<Chosen>,
    pub worst: Vec<Chosen>,
}

/// An image shown; of a copy of a real image the realism, which is infinite, is absent.
#[derive(Debug, Clone, Deserialize)]
pub struct Chosen {
    pub realism: Option<f64>,
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
    pub explained: [f64; 2],
    pub reference: Vec<[f64; 2]>,
    pub generated: Vec<[f64; 2]>,
}

impl Scores {
    /// Reads the score files of `dir` in order of their names, and the panels in folders below it or below `panels` beside
    /// it. Files of other kinds are passed over.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut scores = Self::default();
        for path in entries(dir)? {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                scores.panels.extend(Panel::read(path)?);
            } else if path.extension().is_some_and(|ending| ending == "json") {
                scores.take(name, json(&path)?, &path)?;
            }
        }
        let beside = dir.with_file_name("panels");
        if beside.is_dir() {
            for path in entries(&beside)? {
                scores.panels.extend(Panel::read(path)?);
            }
        }
        Ok(scores)
    }

    /// Adds a score file under a name, if it is there.
    pub fn add(&mut self, name: &str, path: &Path) -> Result<()> {
        if path.is_file() { self.take(name.to_owned(), json(path)?, path) } else { Ok(()) }
    }

    fn take(&mut self, name: String, file: Value, path: &Path) -> Result<()> {
        if file.get("ladders").is_some() {
            self.ladders.push(typed(file, path)?);
        } else if file.get("restoration").is_some() && file.get("model").is_some() {
            self.restorations.push(typed(file, path)?);
        } else if file.get("scores").is_some() {
            let file: File = typed(file, path)?;
            let (target, n_reference) = (file.target, file.reference.n);
            let of_judge = |judge, rows, classes, nearness| {
                let (name, target) = (name.clone(), target.clone());
                Table { name, target, judge, n_reference, rows, classes, nearness }
            };
            self.tables.push(of_judge(file.judge, file.scores, Some(file.classes), file.nearest_training));
            let others = file.other_judges.into_iter();
            self.tables.extend(others.map(|other| of_judge(other.judge, other.scores, None, None)));
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
        self.row_of(name, "")
    }

    /// The row of a name whose setting begins so: two measures may share a name and differ in what they look at.
    pub fn row_of(&self, name: &str, setting: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name && row.setting.starts_with(setting))
    }

    /// What a chart of comparable tables says below its title.
    pub fn conditions(&self) -> String {
        let (n, of, judge) = (thousands(self.target.n), thousands(self.n_reference), &self.judge.name);
        format!("{n} images against {of}, seen by {judge}")
    }
}

impl Panel {
    /// The panel in `folder`, if there is one.
    fn read(folder: PathBuf) -> Result<Option<Self>> {
        let (ranking, view) = (folder.join("ranking.json"), folder.join("pca.json"));
        if !ranking.is_file() {
            return Ok(None);
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let rank = typed(json(&ranking)?, &ranking)?;
        let view = view.is_file().then(|| typed(json(&view)?, &view)).transpose()?;
        Ok(Some(Self { name, folder, rank, view }))
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
    nearest_training: Option<Nearness>,
    #[serde(default)]
    other_judges: Vec<Other>,
}

#[derive(Deserialize)]
struct Other {
    judge: Judge,
    scores: Vec<Row>,
}

/// What is in a folder, in order of names.
pub fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// What a file says.
pub fn json(path: &Path) -> Result<Value> {
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
#[path = "scores_tests.rs"]
pub mod tests;
