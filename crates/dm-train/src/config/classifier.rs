//! The config of a run that trains a classifier: like that of a diffusion model, with a table `[classifier]` in place of
//! network, degradation, objective and sampling.

use dm_nn::data::Dataset;
use dm_nn::image::ImageShape;
use dm_nn::nets::classifier;
use dm_nn::rng::Seed;
use serde::{Deserialize, Serialize};

use super::checkpoints::DEFAULT_KEEP;
use super::data::{DataConfig, resolve_data};
use crate::error::{Error, Result};
use crate::optimizer::{LrSchedule, OptimizerConfig};
use crate::settings::{TrainingSettings, check_ranges, default_seed};

/// Everything that determines the training of a classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Name of the run and of the classifier.
    pub name: String,
    /// Root of all randomness.
    #[serde(default = "default_seed")]
    pub seed: Seed,
    /// Number of classes of the data set; filled in by [`Self::resolve`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_classes: Option<usize>,
    /// Shape of the images; filled in by [`Self::resolve`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageShape>,
    /// Where the images come from.
    #[serde(default)]
    pub data: DataConfig,
    /// The sizes of the network.
    pub classifier: classifier::ClassifierConfig,
    /// The optimizer.
    #[serde(default = "default_optimizer")]
    pub optimizer: OptimizerConfig,
    /// The length of the training, and the augmentation.
    #[serde(default)]
    pub training: ClassifierTrainingConfig,
}

/// AdamW with warm-up and a cosine schedule.
fn default_optimizer() -> OptimizerConfig {
    OptimizerConfig {
        learning_rate: 2e-3,
        weight_decay: 0.05,
        warmup_steps: 100,
        lr_schedule: LrSchedule::Cosine,
        ..OptimizerConfig::default()
    }
}

/// The length of the training, and the augmentation: the table `[training]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierTrainingConfig {
    /// Passes over the training set. The last batch of a pass is dropped if it is incomplete.
    pub epochs: u64,
    /// Images per step.
    pub batch_size: usize,
    /// Number of micro-batches into which the images of a step are divided to save memory. Their gradients are added.
    pub gradient_accumulation: usize,
    /// Decay of the exponential moving average of the weights; 0 switches the average off.
    pub ema_decay: f64,
    /// Number of training images used, from the first on; 0 means all.
    pub max_images: usize,
    /// The largest random shift of a training image, in pixels in each direction; 0 switches shifts off.
    pub max_shift: usize,
    /// Number of steps between two `step` lines of metrics.jsonl.
    pub log_every: u64,
    /// Number of steps between two checkpoints. One more is written after each epoch.
    pub checkpoint_every: u64,
    /// Number of checkpoints that are kept, the newest ones.
    pub keep_checkpoints: u64,
}

impl Default for ClassifierTrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 8,
            batch_size: 128,
            gradient_accumulation: 1,
            ema_decay: 0.99,
            max_images: 0,
            max_shift: 2,
            log_every: 50,
            checkpoint_every: 200,
            keep_checkpoints: DEFAULT_KEEP,
        }
    }
}

impl ClassifierConfig {
    /// A config with every default.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            seed: default_seed(),
            num_classes: None,
            image: None,
            data: DataConfig::default(),
            classifier: classifier::ClassifierConfig::default(),
            optimizer: default_optimizer(),
            training: ClassifierTrainingConfig::default(),
        }
    }

    /// The settings of the run that do not depend on what is trained.
    pub fn settings(&self) -> TrainingSettings {
        let training = &self.training;
        TrainingSettings {
            name: self.name.clone(),
            seed: self.seed,
            epochs: training.epochs,
            batch_size: training.batch_size,
            gradient_accumulation: training.gradient_accumulation,
            max_images: training.max_images,
            ema_decay: training.ema_decay,
            log_every: training.log_every,
            optimizer: self.optimizer.clone(),
        }
    }

    /// Checks every field that can be checked without the data.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub(super) fn check(&self) -> Result<()> {
        self.classifier.check()?;
        self.settings().check()?;
        check_ranges(&[
            ("checkpoint_every", self.training.checkpoint_every, 1, 1_000_000),
            ("keep_checkpoints", self.training.keep_checkpoints, 1, 1_000),
        ])
    }

    /// Fills in the shape and the number of classes of `data`, and checks everything that depends on the data.
    ///
    /// # Errors
    /// If the config does not fit the data.
    pub fn resolve(mut self, data: &Dataset) -> Result<Self> {
        resolve_data(&mut self.image, &mut self.num_classes, data)?;
        if data.num_classes() < 2 {
            let found = format!("{} in the data", data.num_classes());
            return Err(Error::invalid("num_classes", found, "at least 2 to train a classifier"));
        }
        check_max_shift(self.training.max_shift, data.shape())?;
        self.settings().used_images(&data.train)?;
        Ok(self)
    }
}

/// Checks that images of `shape` can be shifted by `max_shift` pixels without leaving the image entirely.
///
/// # Errors
/// If `max_shift` is not less than the height and the width.
pub(crate) fn check_max_shift(max_shift: usize, shape: ImageShape) -> Result<()> {
    let largest = shape.height.min(shape.width).saturating_sub(1);
    check_ranges(&[("max_shift", max_shift as u64, 0, largest as u64)])
}
