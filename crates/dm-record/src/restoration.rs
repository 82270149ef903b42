//! What `dm restore --scores` writes: how close restored test images come to the originals.

use serde::{Deserialize, Serialize};

use crate::schema::{self, Record, SCHEMA};

/// Restorations by one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestorationFile {
    /// Version of the file format.
    pub schema: u32,
    /// Name of the model.
    #[serde(default)]
    pub model: String,
    /// Optimizer steps the model was trained for.
    #[serde(default)]
    pub step: u64,
    /// Number of test images.
    pub n: usize,
    /// Index of the first test image.
    #[serde(default)]
    pub first_image: usize,
    /// Root seed.
    #[serde(default)]
    pub seed: u64,
    /// Name of the sampler.
    #[serde(default)]
    pub sampler: String,
    /// Network evaluations per image of a reverse chain that starts at T.
    #[serde(default, alias = "evaluations_from_last_level")]
    pub nfe_from_last_timestep: usize,
    /// One entry per timestep, in increasing order; the last timestep is T.
    pub restoration: Vec<Restoration>,
}

/// Test images degraded to one timestep and restored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restoration {
    /// The timestep.
    pub t: usize,
    /// T, the number of timesteps of the degradation.
    #[serde(alias = "steps")]
    pub timesteps: usize,
    /// Similarity of the degraded images.
    pub degraded: Similarity,
    /// Similarity of the network's estimate from one evaluation.
    pub estimate: Similarity,
    /// Similarity of the images at the end of the reverse chain.
    pub restored: Similarity,
}

/// How similar images are to the originals, averaged over the images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// Peak signal-to-noise ratio in dB; none for identical images, where it is infinite.
    pub psnr: Option<f64>,
    /// Structural similarity, at most 1.
    pub ssim: Option<f64>,
    /// Share of the images that a classifier assigns to the class of the original's label, if a classifier was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
}

impl Record for RestorationFile {
    fn schema(&self) -> u32 {
        self.schema
    }

    fn upgrade(&mut self) {
        if self.schema == 1 {
            self.sampler = schema::sampler(&self.sampler).to_owned();
        }
        self.schema = self.schema.max(SCHEMA);
    }
}
