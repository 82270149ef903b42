//! What `dm eval --panels` writes beside its pictures: `ranking.json` and `pca.json`.

use serde::{Deserialize, Serialize};

use crate::schema::{Record, SCHEMA};
use crate::target::Target;

/// `ranking.json`: which images of a pool the pictures show, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankingFile {
    /// Version of the file format.
    pub schema: u32,
    /// The images to choose from.
    #[serde(default)]
    pub pool: Option<Pool>,
    /// Hash of the classifier's file.
    #[serde(default, alias = "judge_sha256")]
    pub classifier_sha256: String,
    /// Hash of the reference images.
    #[serde(default)]
    pub reference_sha256: String,
    /// Hash of the training images.
    #[serde(default)]
    pub training_sha256: String,
    /// The rule that ranks the images: a metric, its setting and its source.
    pub rule: String,
    /// The images shown.
    pub ranking: Ranking,
    /// Indices in the pool of the images nearest to a training image.
    #[serde(default)]
    pub closest: Vec<usize>,
    /// Images that the classifier is unsure of.
    #[serde(default)]
    pub failures: Option<Failures>,
}

/// A set of images to choose from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// Which of the evaluated sets forms the pool.
    pub set: String,
    /// The evaluated images.
    pub of: Target,
    /// Hash of the pool's pixels.
    pub sha256: String,
}

/// The best, the worst and randomly chosen images of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Number of images in the pool.
    pub pool: usize,
    /// Near copies of training images, which `best` leaves out.
    #[serde(default)]
    pub near_copies: usize,
    /// Seed of the random choice.
    #[serde(default)]
    pub seed: u64,
    /// The images of highest realism, highest first, without near copies.
    pub best: Vec<RankedImage>,
    /// The images of lowest realism, lowest first.
    pub worst: Vec<RankedImage>,
    /// Randomly chosen images.
    #[serde(default)]
    pub random: Vec<RankedImage>,
}

/// One image of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedImage {
    /// Index in the pool.
    pub index: usize,
    /// Realism; none for a copy of a reference image, whose realism is infinite.
    pub realism: Option<f64>,
    /// The class that the classifier assigns.
    #[serde(default)]
    pub class: u8,
    /// Probability of that class.
    #[serde(default)]
    pub confidence: f64,
    /// Euclidean distance to the nearest training image, pixels in [0, 1].
    #[serde(default)]
    pub nearest_distance: f64,
    /// Index of that training image.
    #[serde(default)]
    pub nearest_training: u32,
    /// Whether the image is nearer to its nearest training image than that training image's own nearest neighbour in the
    /// training set is.
    #[serde(default)]
    pub near_copy: bool,
}

/// Images whose class is uncertain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failures {
    /// Number of images examined.
    pub n: usize,
    /// An image is uncertain if the probability of its class is below this.
    pub confidence_below: f64,
    /// Number of uncertain images.
    pub count: usize,
    /// The uncertain images by the two classes they lie between, largest group first.
    pub groups: Vec<FailureGroup>,
}

/// Uncertain images with the same two most likely classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailureGroup {
    /// The two classes, smaller first.
    pub classes: [u8; 2],
    /// Number of images.
    pub count: usize,
    /// Indices of the least certain images, least certain first.
    pub images: Vec<usize>,
}

/// `pca.json`: features of generated and real images along the first two principal components of the real ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PcaFile {
    /// Version of the file format.
    pub schema: u32,
    /// Number of real images that the components were fitted on.
    #[serde(default)]
    pub fitted_on: usize,
    /// Share of the variance that each component explains.
    pub explained: [f64; 2],
    /// Points of real images.
    pub reference: Vec<[f64; 2]>,
    /// Points of generated images.
    pub generated: Vec<[f64; 2]>,
}

impl Record for RankingFile {
    fn schema(&self) -> u32 {
        self.schema
    }

    fn upgrade(&mut self) {
        if let (1, Some(pool)) = (self.schema, &mut self.pool) {
            pool.of.upgrade();
        }
        self.schema = self.schema.max(SCHEMA);
    }
}

impl Record for PcaFile {
    fn schema(&self) -> u32 {
        self.schema
    }

    fn upgrade(&mut self) {
        self.schema = self.schema.max(SCHEMA);
    }
}
