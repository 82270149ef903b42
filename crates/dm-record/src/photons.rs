//! What `dm restore --photons --scores` writes: how well photon counts of test images are restored.

use serde::{Deserialize, Serialize};

use crate::schema::{Record, SCHEMA};

/// Restorations of simulated photon counts by one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhotonFile {
    /// Version of the file format.
    pub schema: u32,
    /// Name of the model.
    pub model: String,
    /// Optimizer steps the model was trained for.
    pub step: u64,
    /// Number of test images.
    pub n: usize,
    /// Index of the first test image.
    pub first_image: usize,
    /// Root seed.
    pub seed: u64,
    /// Mean number of photons of a white pixel.
    pub photons: f64,
    /// Standard deviations of the point spread function along height and width, in pixels.
    pub psf: [f64; 2],
    /// The timestep from which the model restores.
    pub t: usize,
    /// T, the number of timesteps of the degradation.
    pub timesteps: usize,
    /// Share of the photons that is used.
    pub keep: f64,
    /// Total variation distance between the optics after the walk and the spread of the timestep; 0 for Gaussian models.
    pub mismatch: f64,
    /// Posterior draws of each image.
    pub draws: usize,
    /// Name of the sampler.
    pub sampler: String,
    /// Network evaluations per image of a reverse chain that starts at T.
    pub nfe_from_last_timestep: usize,
    /// Name of the classifier, if one was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<String>,
    /// One entry for each way to restore the counts, and one for the counts themselves.
    pub methods: Vec<PhotonScore>,
    /// The calibration of the posterior draws; none with a single draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// The scores of one way to restore counts. Intervals are 95 % intervals over test images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhotonScore {
    /// Name of the method.
    pub name: String,
    /// PSNR of the mean squared error over all images, in dB; none for perfect restorations.
    pub psnr: Option<f64>,
    /// Interval of the PSNR.
    pub psnr_interval: Option<[f64; 2]>,
    /// Share of the restored images whose predicted class is that of the original's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Interval of the accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_interval: Option<[f64; 2]>,
}

/// How the scatter of posterior draws agrees with their errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Root mean squared error of the mean of the draws.
    pub error: f64,
    /// The error that the scatter of the draws predicts.
    pub predicted_error: f64,
    /// Share of the uncertain pixels whose range of draws contains the truth; none if no pixel is uncertain.
    pub coverage: Option<f64>,
    /// This share for calibrated draws.
    pub expected_coverage: f64,
    /// Mean share of an image's draws that the classifier assigns to the most frequent class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_confidence: Option<f64>,
    /// Share of the images whose most frequent class is the label. Calibrated draws have a confidence of about this share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_accuracy: Option<f64>,
}

impl Record for PhotonFile {
    fn schema(&self) -> u32 {
        self.schema
    }

    fn upgrade(&mut self) {
        self.schema = self.schema.max(SCHEMA);
    }
}
