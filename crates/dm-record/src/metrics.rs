//! `metrics.jsonl`: one line per event of a run.

use serde::{Deserialize, Serialize};

/// One line of the file. The key `event` states its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum MetricsLine {
    /// After every `log_every` steps.
    Step(StepLine),
    /// After every epoch.
    Epoch(EpochLine),
    /// After every evaluation of samples during training.
    Eval(EvalLine),
    /// A kind of event that this version does not know. It is never written.
    #[serde(other)]
    Unknown,
}

/// Loss and speed since the last such line, and the optimizer's last step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLine {
    /// Steps taken so far.
    pub step: u64,
    /// The epoch of the last step, counted from 1.
    pub epoch: u64,
    /// Mean loss since the last such line.
    pub loss: Option<f64>,
    /// Learning rate of the last step.
    pub lr: Option<f64>,
    /// Norm of the whole gradient of the last step, before clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grad_norm: Option<f64>,
    /// Images per second of training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_per_s: Option<f64>,
}

/// Means over one epoch. The losses by timestep are in bins of equal width in t/T, least degraded first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochLine {
    /// Steps taken so far.
    pub step: u64,
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Mean training loss.
    pub train_loss: Option<f64>,
    /// Mean training loss in each bin; none where a bin is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub train_loss_by_t: Vec<Option<f64>>,
    /// Mean validation loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    /// Mean validation loss in each bin; none where a bin is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub val_loss_by_t: Vec<Option<f64>>,
    /// Share of the test images that a classifier assigns to their class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy: Option<f64>,
    /// Training time of the epoch in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Images per second of training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_per_s: Option<f64>,
}

/// Scores of samples drawn during training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvalLine {
    /// Steps taken so far.
    pub step: u64,
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Number of samples.
    pub n: usize,
    /// Number of reference images.
    #[serde(default)]
    pub n_reference: usize,
    /// Hash of the classifier whose features are compared.
    #[serde(default, alias = "judge_sha256")]
    pub classifier_sha256: String,
    /// Name of the sampler.
    #[serde(default)]
    pub sampler: String,
    /// Network evaluations per image.
    #[serde(default, alias = "evaluations")]
    pub nfe: usize,
    /// Seed of the samples.
    #[serde(default)]
    pub seed: u64,
    /// Frechet distance.
    pub fd: Option<f64>,
    /// Frechet distance extrapolated to infinitely many samples; none for too few samples.
    pub fd_infinity: Option<f64>,
    /// Precision.
    pub precision: Option<f64>,
    /// Recall.
    pub recall: Option<f64>,
    /// Time of sampling and scoring in seconds.
    #[serde(default)]
    pub seconds: f64,
}
