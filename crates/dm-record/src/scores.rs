//! What `dm eval --out` writes: all scores of a set of images, seen by one or more classifiers.

use serde::{Deserialize, Serialize};

use crate::panels::Failures;
use crate::schema::{self, Record, SCHEMA};
use crate::target::Target;

/// Everything that is needed to repeat an evaluation, and its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreFile {
    /// Version of the file format.
    pub schema: u32,
    /// Version of the program.
    #[serde(default)]
    pub dm_version: String,
    /// The images that were evaluated.
    pub target: Target,
    /// The classifier behind `scores`.
    #[serde(alias = "judge")]
    pub classifier: ClassifierRecord,
    /// The real images that the evaluated images were compared with.
    pub reference: ReferenceRecord,
    /// Hash of the data set.
    #[serde(default)]
    pub data_sha256: String,
    /// Seed of the metrics' own random choices.
    #[serde(default)]
    pub metric_seed: u64,
    /// One row per score.
    pub scores: Vec<ScoreRow>,
    /// Metrics without a value.
    #[serde(default)]
    pub omitted: Vec<OmittedMetric>,
    /// How many images belong to each class.
    pub classes: Classes,
    /// Images of the first set that the classifier is unsure of.
    #[serde(default)]
    pub failures_of_first_set: Option<Failures>,
    /// Distances to the nearest training images, if a metric asked for them.
    #[serde(default)]
    pub nearest_training: Option<NearestTraining>,
    /// The same evaluation by further classifiers.
    #[serde(default, alias = "other_judges")]
    pub other_classifiers: Vec<ClassifierScores>,
}

/// A classifier whose features are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassifierRecord {
    /// Name of the classifier.
    pub name: String,
    /// SHA-256 of the classifier's file, in hexadecimal.
    pub sha256: String,
    /// Share of the test images that the classifier assigns to their class.
    #[serde(default)]
    pub test_accuracy: Option<f64>,
    /// Number of features per image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<usize>,
}

/// Real images that others are compared with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReferenceRecord {
    /// Description of the images.
    pub name: String,
    /// SHA-256 of the pixels, in hexadecimal.
    #[serde(default)]
    pub sha256: String,
    /// Number of images.
    pub n: usize,
}

/// One score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// Short name of the metric's family, as on the command line.
    #[serde(default)]
    pub measure: String,
    /// Name of the metric.
    pub name: String,
    /// Unit of the value.
    #[serde(default)]
    pub unit: String,
    /// Which way the metric improves.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// The publication whose definition is followed.
    #[serde(default)]
    pub source: String,
    /// Free parameters of the metric; empty where it has none.
    #[serde(default)]
    pub setting: String,
    /// Number of images behind the value; for several sets, the number in each set.
    #[serde(default)]
    pub n: usize,
    /// Number of reference images behind the value; 0 for a metric without a reference.
    #[serde(default)]
    pub n_reference: usize,
    /// The value; none where it is not finite.
    pub value: Option<f64>,
    /// How the confidence interval is estimated.
    #[serde(default)]
    pub design: Option<Design>,
    /// The values behind the interval: the value of each set, or the values of the pooled set with one part left out at a time.
    #[serde(default)]
    pub values: Vec<Option<f64>>,
    /// 95 % confidence interval over generation seeds; none for a single seed.
    #[serde(default)]
    pub interval: Option<[f64; 2]>,
    /// The same metric on real images.
    #[serde(default, rename = "floor")]
    pub real_baseline: Option<RealBaseline>,
}

/// Which way a metric improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Smaller is better.
    Lower,
    /// Larger is better.
    Higher,
}

/// How a confidence interval is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Design {
    /// Each seed gives a set; the interval is that of the mean over sets (Student's t).
    Seeds,
    /// All seeds together give one set; the interval comes from the jackknife over seeds.
    Pooled,
}

/// A metric on real images, in batches as large as the evaluated set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RealBaseline {
    /// Name of the metric.
    #[serde(default)]
    pub name: String,
    /// Free parameters of the metric.
    #[serde(default)]
    pub setting: String,
    /// Number of images in each batch.
    pub n: usize,
    /// The value of each batch.
    pub values: Vec<Option<f64>>,
    /// Description of the images.
    #[serde(default)]
    pub of: String,
}

/// A metric that gave no value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OmittedMetric {
    /// Short name of the metric's family.
    pub measure: String,
    /// Why there is no value.
    pub reason: String,
}

/// Number of images of each class, by the class that the first classifier assigns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classes {
    /// Number of evaluated images of each class.
    pub counts: Vec<u64>,
    /// 95 % confidence interval of each class's share.
    pub share_intervals: Vec<[f64; 2]>,
    /// Number of reference images of each class.
    pub reference_counts: Vec<u64>,
}

/// Distances to the nearest training image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NearestTraining {
    /// Number of evaluated images.
    pub n: usize,
    /// Number of training images.
    pub n_training: usize,
    /// Number of real images that were not trained on.
    pub n_unseen: usize,
    /// Distances between pixels.
    pub pixels: DistancePercentiles,
    /// Distances between the classifier's features.
    pub features: DistancePercentiles,
}

/// Percentiles 0 to 100 of the distances to the nearest training image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistancePercentiles {
    /// Percentiles for the evaluated images.
    pub generated: Vec<f64>,
    /// Percentiles for real images that were not trained on.
    pub unseen: Vec<f64>,
}

/// The scores by one further classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassifierScores {
    /// The classifier.
    #[serde(alias = "judge")]
    pub classifier: ClassifierRecord,
    /// One row per score.
    pub scores: Vec<ScoreRow>,
    /// Metrics without a value.
    #[serde(default)]
    pub omitted: Vec<OmittedMetric>,
}

impl Record for ScoreFile {
    fn schema(&self) -> u32 {
        self.schema
    }

    fn upgrade(&mut self) {
        if self.schema == 1 {
            self.target.upgrade();
            self.classifier.upgrade();
            self.other_classifiers.iter_mut().for_each(|other| other.classifier.upgrade());
        }
        self.schema = self.schema.max(SCHEMA);
    }
}

impl ClassifierRecord {
    /// Translates the names of schema 1.
    pub(crate) fn upgrade(&mut self) {
        self.name = schema::classifier(&self.name);
    }
}
