//! What `dm sanity --out` writes: scores of real images with known corruptions, which show whether a classifier's features
//! order them as they should be.

use serde::{Deserialize, Serialize};

use crate::schema::{Record, SCHEMA};
use crate::scores::{ClassifierRecord, ReferenceRecord};

/// The corruptions as several classifiers score them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SanityFile {
    /// Version of the file format.
    pub schema: u32,
    /// Version of the program.
    #[serde(default)]
    pub dm_version: String,
    /// The real images that the corrupted ones were compared with.
    pub reference: ReferenceRecord,
    /// Hash of the data set.
    #[serde(default)]
    pub data_sha256: String,
    /// Number of images of each corruption.
    pub n: usize,
    /// One entry per classifier.
    #[serde(alias = "ladders")]
    pub results: Vec<SanityResult>,
}

/// The corruptions as one classifier scores them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SanityResult {
    /// The classifier.
    #[serde(alias = "judge")]
    pub classifier: ClassifierRecord,
    /// The corruptions, mildest first.
    #[serde(alias = "rungs")]
    pub corruptions: Vec<CorruptionScores>,
    /// Pairs of corruptions that are out of order: the milder one, then the stronger one.
    pub disorder: Vec<[String; 2]>,
}

/// Scores of one corruption.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorruptionScores {
    /// Name of the corruption.
    pub name: String,
    /// First and last group of severity. A corruption whose first group is above another one's last must score worse.
    pub groups: [usize; 2],
    /// Frechet distance.
    pub fd: f64,
    /// Precision.
    pub precision: f64,
    /// Recall.
    pub recall: f64,
    /// Coverage.
    pub coverage: f64,
    /// Share of images that look copied from training images, by the distance between pixels.
    pub memorised: f64,
}

impl Record for SanityFile {
    fn schema(&self) -> u32 {
        self.schema
    }

    fn upgrade(&mut self) {
        if self.schema == 1 {
            self.results.iter_mut().for_each(|result| result.classifier.upgrade());
        }
        self.schema = self.schema.max(SCHEMA);
    }
}
