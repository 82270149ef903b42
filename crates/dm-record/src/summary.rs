//! `summary.json` of a study: one row per run.

use serde::{Deserialize, Serialize};

/// One run of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SummaryRow {
    /// Name of the run.
    pub run: String,
    /// Title of the run in figures.
    pub title: String,
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

/// Scores of one run's images. A score that was not computed is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunScores {
    /// Number of images behind the scores.
    pub n: Option<usize>,
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
