//! `manifest.json`: what a run trains, on which data, and how far the training has progressed.

use serde::{Deserialize, Serialize};

use crate::schema::{Record, SCHEMA};

/// The manifest of a run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunManifest {
    /// Version of the file format.
    pub schema: u32,
    /// Whether the run is complete.
    pub status: RunStatus,
    /// Name of the run.
    #[serde(default)]
    pub name: String,
    /// Root seed.
    #[serde(default)]
    pub seed: u64,
    /// SHA-256 of config.toml, in hexadecimal.
    #[serde(default)]
    pub config_sha256: String,
    /// Git revision of the code; none if the program was not built in a repository.
    #[serde(default)]
    pub git_revision: Option<String>,
    /// Hash of the data set.
    #[serde(default)]
    pub data_sha256: String,
    /// Number of trainable parameters.
    pub parameters: usize,
    /// Optimizer steps of the whole run.
    pub steps_total: u64,
    /// Optimizer steps taken so far.
    pub steps_done: u64,
    /// Epochs of the whole run.
    pub epochs: u64,
    /// Training time so far, in seconds.
    pub wall_s: f64,
    /// Version of the program.
    #[serde(default)]
    pub dm_version: String,
}

/// Whether a run has reached its last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// The run is training, or it was stopped before its last step.
    Running,
    /// All steps are done.
    Complete,
}

impl Record for RunManifest {
    fn schema(&self) -> u32 {
        self.schema
    }

    fn upgrade(&mut self) {
        self.schema = self.schema.max(SCHEMA);
    }
}
