//! `summary.json` of a study, one row per run, and `over-seeds.json`, one row per group of runs that differ in their training seed.

use serde::{Deserialize, Serialize};

/// One run of a study.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SummaryRow {
    /// Name of the run.
    pub run: String,
    /// Title of the run in figures.
    pub title: String,
    /// Name of the group of runs that differ from this one in the training seed only; none if there are no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `complete` or `unfinished`.
    pub status: String,
    /// Epochs done.
    pub epochs: u64,
    /// Optimizer steps done.
    pub steps: u64,
    /// Number of trainable parameters.
    pub parameters: usize,
    /// Mean training loss of the last epoch.
    pub train_loss: Option<f64>,
    /// Mean validation loss after the last epoch.
    pub val_loss: Option<f64>,
    /// Mean training speed in images per second.
    pub images_per_s: Option<f64>,
    /// Training time in seconds.
    pub wall_s: f64,
    /// Scores of the run's images.
    #[serde(rename = "measured")]
    pub scores: RunScores,
}

/// One group of `over-seeds.json`: runs that differ in the training seed only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Name of the group.
    pub group: String,
    /// Frechet distance.
    pub frechet_distance: Option<OverSeeds>,
    /// Fréchet distance minus that of the run of the first group with the same training seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance_from_first: Option<OverSeeds>,
    /// Precision.
    pub precision: Option<OverSeeds>,
    /// Recall.
    pub recall: Option<OverSeeds>,
}

/// A score over the training seeds of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverSeeds {
    /// The score of each run, in the order of the study.
    pub values: Vec<f64>,
    /// Mean of the values.
    pub mean: f64,
    /// Half-width of the 95 % t interval of the mean; none for a single value or more than ten.
    pub half: Option<f64>,
}

/// Scores of one run's images. A score that was not computed is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunScores {
    /// Number of images of each generation seed or, if `pooled`, of all seeds together.
    pub n: Option<usize>,
    /// Whether the images of all generation seeds are one set.
    #[serde(default)]
    pub pooled: bool,
    /// Name of the reference images.
    #[serde(default)]
    pub reference: Option<String>,
    /// Number of generation seeds.
    pub seeds: Option<usize>,
    /// Frechet distance.
    pub frechet_distance: Option<f64>,
    /// Half-width of the 95 % confidence interval of the Frechet distance.
    pub frechet_half: Option<f64>,
    /// Precision.
    pub precision: Option<f64>,
    /// Half-width of the 95 % confidence interval of the precision.
    pub precision_half: Option<f64>,
    /// Recall.
    pub recall: Option<f64>,
    /// Half-width of the 95 % confidence interval of the recall.
    pub recall_half: Option<f64>,
    /// Number of test images that were restored.
    pub n_restored: Option<usize>,
    /// One entry per timestep, in increasing order; the last timestep is T.
    pub restored: Vec<RestoredSummary>,
}

/// PSNR in dB of test images degraded to one timestep; none where it is infinite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestoredSummary {
    /// The timestep.
    pub t: usize,
    /// T, the number of timesteps of the degradation.
    #[serde(alias = "steps")]
    pub timesteps: usize,
    /// PSNR of the degraded images.
    pub degraded: Option<f64>,
    /// PSNR of the network's estimate from one evaluation.
    pub estimate: Option<f64>,
    /// PSNR of the images at the end of the reverse chain.
    pub chain: Option<f64>,
}
