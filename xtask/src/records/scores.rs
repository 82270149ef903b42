//! The files that `dm eval`, `dm sanity` and `dm restore` write, gathered for the figures and tables.

use super::{checked, read_json, read_record};
use crate::markdown::thousands;
use crate::workspace::entries;
use anyhow::{Context, Result};
use dm_record::{
    Classes, ClassifierRecord, ImageSize, NearestTraining, PcaFile, PhotonFile, RankingFile, RealBaseline,
    Record, ReferenceRecord, RestorationFile, SanityFile, ScoreFile, ScoreRow, Target,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Name of the metric that most figures show.
pub const FRECHET: &str = "frechet distance";

/// All files in a folder of scores.
#[derive(Debug, Default)]
pub struct Scores {
    pub sanity: Vec<SanityFile>,
    /// One table for each evaluation and classifier.
    pub tables: Vec<Table>,
    pub restorations: Vec<RestorationFile>,
    pub photons: Vec<PhotonFile>,
    pub panels: Vec<Panels>,
}

/// The scores of one set of images by one classifier.
#[derive(Debug, Clone)]
pub struct Table {
    /// Name of the file, without its ending.
    pub name: String,
    pub target: Target,
    pub classifier: ClassifierRecord,
    pub reference: ReferenceRecord,
    pub rows: Vec<ScoreRow>,
    /// Class counts; `None` unless the classifier is the first one of its file.
    pub classes: Option<Classes>,
    /// Distances to the training set; `None` unless the classifier is the first one of its file.
    pub nearest: Option<NearestTraining>,
}

/// A folder of pictures that `dm eval --panels` wrote.
#[derive(Debug, Clone)]
pub struct Panels {
    /// Name of the folder.
    pub name: String,
    pub folder: PathBuf,
    pub ranking: RankingFile,
    pub pca: Option<PcaFile>,
}

impl Scores {
    /// Reads the score files of `folder` in order of their names, and the panels in folders below it or below `panels` beside
    /// it. Files of other kinds are skipped.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut scores = Self::default();
        scores.add_folder("", folder)?;
        let panels = folder.with_file_name("panels");
        if panels.is_dir() {
            for path in entries(&panels)? {
                scores.panels.extend(Panels::read(path)?);
            }
        }
        Ok(scores)
    }

    /// Adds the score files of `folder` in order of their names, which begin with `prefix`, and the panels in folders below it.
    pub fn add_folder(&mut self, prefix: &str, folder: &Path) -> Result<()> {
        for path in entries(folder)? {
            if path.is_dir() {
                self.panels.extend(Panels::read(path)?);
            } else if path.extension().is_some_and(|ending| ending == "json") {
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                self.add(&format!("{prefix}{name}"), &path)?;
            }
        }
        Ok(())
    }

    /// Adds a score file under a name.
    pub fn add(&mut self, name: &str, path: &Path) -> Result<()> {
        let file: Value = read_json(path)?;
        let has = |keys: &[&str]| keys.iter().any(|key| file.get(key).is_some());
        if has(&["results", "ladders"]) {
            self.sanity.push(typed(file, path)?);
        } else if has(&["restoration"]) && has(&["model"]) {
            self.restorations.push(typed(file, path)?);
        } else if has(&["photons"]) && has(&["methods"]) {
            self.photons.push(typed(file, path)?);
        } else if has(&["scores"]) {
            self.add_tables(name, typed(file, path)?);
        }
        Ok(())
    }

    fn add_tables(&mut self, name: &str, file: ScoreFile) {
        let (target, reference) = (file.target, file.reference);
        let table = |classifier, rows, classes, nearest| {
            let (name, target, reference) = (name.to_owned(), target.clone(), reference.clone());
            Table { name, target, classifier, reference, rows, classes, nearest }
        };
        self.tables.push(table(file.classifier, file.scores, Some(file.classes), file.nearest_training));
        let others = file.other_classifiers.into_iter();
        self.tables.extend(others.map(|other| table(other.classifier, other.scores, None, None)));
    }

    /// Groups the tables that may be compared: equal classifier, n and reference images. Groups are in order of their first
    /// file.
    pub fn comparable(&self) -> Vec<Vec<&Table>> {
        let mut groups: Vec<Vec<&Table>> = Vec::new();
        for table in &self.tables {
            match groups.iter_mut().find(|group| group[0].conditions_key() == table.conditions_key()) {
                Some(group) => group.push(table),
                None => groups.push(vec![table]),
            }
        }
        groups
    }
}

impl Table {
    /// The scores by the first classifier of a file.
    pub fn read(path: &Path) -> Result<Self> {
        let mut scores = Scores::default();
        scores.add("", path)?;
        scores.tables.into_iter().next().with_context(|| format!("{}: found no scores", path.display()))
    }

    fn conditions_key(&self) -> (&str, usize, &ReferenceRecord) {
        (&self.classifier.sha256, self.target.n, &self.reference)
    }

    /// The row of a metric.
    pub fn row(&self, name: &str) -> Option<&ScoreRow> {
        self.row_of(name, "")
    }

    /// The row of a metric whose setting begins with `setting`. A metric may have several settings.
    pub fn row_of(&self, name: &str, setting: &str) -> Option<&ScoreRow> {
        self.rows.iter().find(|row| row.name == name && row.setting.starts_with(setting))
    }

    /// The subtitle of a chart of comparable tables.
    pub fn conditions(&self) -> String {
        let (n, of) = (thousands(self.target.n), thousands(self.reference.n));
        format!("{n} images against {of} {}, features of {}", self.reference.name, self.classifier.name)
    }
}

/// The sampler, followed by its variance and spacing where they differ from the defaults.
pub fn sampling_label(target: &Target) -> Option<String> {
    let mut words = vec![target.sampler.clone()?];
    words.extend(target.variance.iter().filter(|variance| *variance == "beta").cloned());
    words.extend(target.spacing.iter().filter(|spacing| *spacing != "uniform").cloned());
    Some(words.join(" "))
}

/// The lowest and the highest of the finite values; `None` if there are none.
pub fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.into_iter().filter(|value| value.is_finite());
    finite.fold(None, |range, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// The lowest and the highest value of a metric on real images.
pub fn baseline_range(baseline: &RealBaseline) -> Option<(f64, f64)> {
    range(baseline.values.iter().flatten().copied())
}

impl Panels {
    /// The panels in `folder`, if there are any.
    fn read(folder: PathBuf) -> Result<Option<Self>> {
        let (ranking, pca) = (folder.join("ranking.json"), folder.join("pca.json"));
        if !ranking.is_file() {
            return Ok(None);
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pca = pca.is_file().then(|| read_record(&pca)).transpose()?;
        Ok(Some(Self { name, ranking: read_record(&ranking)?, pca, folder }))
    }

    /// Size of the images.
    pub fn image_size(&self) -> ImageSize {
        self.ranking.pool.as_ref().and_then(|pool| pool.of.image).unwrap_or_default()
    }
}

fn typed<T: Record + DeserializeOwned>(value: Value, path: &Path) -> Result<T> {
    checked(serde_json::from_value(value).with_context(|| path.display().to_string())?, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::*;
    use serde_json::json;

    #[test]
    fn files_are_read_by_kind_and_tables_are_grouped_by_their_conditions() {
        let scores = folder(&[
            ("b.json", score_file("ink", 50, 3.0)),
            ("a.json", score_file("ink", 100, 2.0)),
            ("sanity.json", sanity_file()),
            ("restored.json", restoration_file("ink")),
            ("likelihood.json", json!({ "schema": 1, "bits": 2.0 })),
            ("ink-panels/pca.json", pca_file()),
            ("ink-panels/ranking.json", ranking_file()),
        ])
        .unwrap();
        assert_eq!((scores.sanity.len(), scores.restorations.len(), scores.panels.len()), (1, 1, 1));
        let panels = &scores.panels[0];
        assert_eq!((panels.name.as_str(), panels.ranking.ranking.pool), ("ink-panels", 1000));
        assert!(panels.pca.is_some());
        let groups = scores.comparable();
        let names = |group: &Vec<&Table>| group.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
        assert_eq!(groups.iter().map(names).collect::<Vec<_>>(), [["a", "b"], ["a", "b"]]);
        assert_eq!(
            groups[1][0].conditions(),
            "1,000 images against 10,000 test images, features of classifier-2"
        );
        assert_eq!(groups[0][0].row("realism").unwrap().value, None);
        let baseline = groups[0][0].row(FRECHET).unwrap().real_baseline.clone().unwrap();
        assert_eq!(baseline_range(&baseline), Some((0.5, 0.6)));
    }

    #[test]
    fn a_damaged_file_is_refused_by_name() {
        let mut other = score_file("ink", 1, 1.0);
        other["schema"] = 7.into();
        let error = folder(&[("a.json", other)]).unwrap_err().to_string();
        assert!(error.contains("a.json: schema: found 7, expected 1 to 2"), "{error}");
        let error = folder(&[("a.json", json!({ "schema": 1, "scores": 3 }))]).unwrap_err();
        assert!(format!("{error:#}").contains("a.json"), "{error:#}");
    }
}
