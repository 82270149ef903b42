//! The config of a run that trains a diffusion model.

use dm_degrade::samplers::Variance;
use dm_degrade::{DegradationConfig, ParameterizationKind, SamplerKind, Sampling};
use dm_nn::data::Dataset;
use dm_nn::image::ImageShape;
use dm_nn::nets::{BuildNetwork, NetworkConfig};
use dm_nn::rng::Seed;
use serde::{Deserialize, Serialize};

use super::checkpoints::DEFAULT_KEEP;
use super::data::{DataConfig, resolve_data};
use crate::diffusion_settings::DiffusionSettings;
use crate::error::{Error, Result};
use crate::optimizer::OptimizerConfig;
use crate::settings::{TrainingSettings, check_ranges, default_seed};
use crate::timestep_sampler::TimestepDistribution;
use crate::weighting::Weighting;

/// Image shape for which a config is checked before its data are known: that of MNIST. [`DiffusionConfig::resolve`] repeats the
/// checks for the shape of the data.
const UNRESOLVED_SHAPE: ImageShape = ImageShape::new(1, 28, 28);

/// Everything that determines the training of a diffusion model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffusionConfig {
    /// Name of the run and of the model.
    pub name: String,
    /// Root of all randomness.
    #[serde(default = "default_seed")]
    pub seed: Seed,
    /// Number of classes of the data set, 0 if it has no labels; filled in by [`Self::resolve`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_classes: Option<usize>,
    /// Shape of the images; filled in by [`Self::resolve`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageShape>,
    /// Where the images come from.
    #[serde(default)]
    pub data: DataConfig,
    /// The network.
    pub network: NetworkConfig,
    /// The degradation, that is, the forward process.
    pub degradation: DegradationConfig,
    /// What the network predicts, and which loss it is trained with.
    pub objective: ObjectiveConfig,
    /// The optimizer.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// The length of the training, and what is evaluated and written during it.
    #[serde(default)]
    pub training: DiffusionTrainingConfig,
    /// How images are sampled from the trained model.
    pub sampling: Sampling,
}

/// What the network predicts, and which loss it is trained with: the table `[objective]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveConfig {
    /// What the network predicts, which also determines the loss.
    pub parameterization: ParameterizationKind,
    /// Whether the last timestep T is trained on. The starter notebook's `randint(1, T)` leaves it out.
    #[serde(default = "default_include_last_timestep")]
    pub include_last_timestep: bool,
    /// How much the loss of each image counts in the objective.
    #[serde(default)]
    pub weighting: Weighting,
    /// The distribution of the timesteps of a batch.
    #[serde(default)]
    pub timestep_sampler: TimestepDistribution,
    /// Share of the training images whose class is hidden from the network, so that the network also learns to predict without
    /// the class. It has no effect if `network.num_classes` is 0.
    #[serde(default = "default_label_dropout")]
    pub label_dropout: f64,
}

fn default_include_last_timestep() -> bool {
    DiffusionSettings::default().include_last_timestep
}

fn default_label_dropout() -> f64 {
    DiffusionSettings::default().label_dropout
}

/// The length of the training, and what is evaluated and written during it: the table `[training]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiffusionTrainingConfig {
    /// Passes over the training set. The last batch of a pass is dropped if it is incomplete, as in the starter notebook.
    pub epochs: u64,
    /// Images per step.
    pub batch_size: usize,
    /// Number of micro-batches into which the images of a step are divided to save memory. Their gradients are added.
    pub gradient_accumulation: usize,
    /// Decay of the exponential moving average of the weights; 0 switches the average off.
    pub ema_decay: f64,
    /// Number of training images used, from the first on; 0 means all.
    pub max_images: usize,
    /// Number of test images whose loss is computed after each epoch, with fixed noise; 0 switches validation off.
    pub validation_images: usize,
    /// Number of steps between two `step` lines of metrics.jsonl.
    pub log_every: u64,
    /// Number of steps between two checkpoints. One more is written after each epoch.
    pub checkpoint_every: u64,
    /// Number of checkpoints that are kept, the newest ones. The one with the lowest Frechet distance is kept in addition.
    pub keep_checkpoints: u64,
    /// Number of samples in the picture after each epoch, always from the same seed; 0 switches the picture off.
    pub sample_count: usize,
    /// Largest number of network evaluations per sample of the picture; see [`DiffusionConfig::picture_sampling`]. 0 means the
    /// number in `[sampling]`.
    pub sample_nfe: usize,
    /// Number of epochs between two evaluations of samples against test images. The last epoch is always evaluated. 0 switches
    /// the evaluations off.
    pub eval_every: u64,
    /// Number of samples of each evaluation, always from the same seed. Scores of different numbers of samples cannot be
    /// compared.
    pub eval_images: usize,
}

impl Default for DiffusionTrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            batch_size: 128,
            gradient_accumulation: 1,
            ema_decay: 0.0,
            max_images: 0,
            validation_images: DiffusionSettings::default().validation_images,
            log_every: 20,
            checkpoint_every: 200,
            keep_checkpoints: DEFAULT_KEEP,
            sample_count: 40,
            sample_nfe: 0,
            eval_every: 0,
            eval_images: 1000,
        }
    }
}

impl ObjectiveConfig {
    /// The objective of `parameterization`, with every other key at its default.
    pub fn new(parameterization: ParameterizationKind) -> Self {
        Self {
            parameterization,
            include_last_timestep: default_include_last_timestep(),
            weighting: Weighting::default(),
            timestep_sampler: TimestepDistribution::default(),
            label_dropout: default_label_dropout(),
        }
    }
}

impl DiffusionConfig {
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

    /// The settings of the diffusion task.
    pub fn task_settings(&self) -> DiffusionSettings {
        let ObjectiveConfig { include_last_timestep, weighting, timestep_sampler, label_dropout, .. } =
            self.objective;
        let validation_images = self.training.validation_images;
        DiffusionSettings {
            include_last_timestep,
            weighting,
            timestep_sampler,
            label_dropout,
            validation_images,
        }
    }

    /// How the samples of the picture after each epoch are drawn: as in `[sampling]`, with at most `training.sample_nfe`
    /// evaluations if this number is not 0. The sampler `ddpm_notebook` always visits every timestep. Where the pictures need a
    /// shorter chain, it is replaced by `ancestral` with the variance `beta`, which is the same rule for any timesteps.
    pub fn picture_sampling(&self) -> Sampling {
        let (sampling, nfe) = (self.sampling, self.training.sample_nfe);
        if nfe == 0 || nfe >= sampling.nfe {
            return sampling;
        }
        match sampling.sampler {
            SamplerKind::DdpmNotebook => {
                Sampling { sampler: SamplerKind::Ancestral, variance: Variance::Beta, nfe, ..sampling }
            }
            _ => Sampling { nfe, ..sampling },
        }
    }

    /// Checks every field that can be checked without the data.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub(super) fn check(&self) -> Result<()> {
        self.check_shape(self.image.unwrap_or(UNRESOLVED_SHAPE))?;
        self.settings().check()?;
        let training = &self.training;
        check_ranges(&[
            ("validation_images", training.validation_images as u64, 0, 1_000_000),
            ("checkpoint_every", training.checkpoint_every, 1, 1_000_000),
            ("keep_checkpoints", training.keep_checkpoints, 1, 1_000),
            ("sample_count", training.sample_count as u64, 0, 10_000),
            ("eval_every", training.eval_every, 0, 1_000_000),
            // The covariance of fewer samples does not have full rank.
            ("eval_images", training.eval_images as u64, 100, 100_000),
        ])
    }

    /// Checks every field that may depend on the shape of the images.
    fn check_shape(&self, shape: ImageShape) -> Result<()> {
        self.network.check()?;
        let degradation = self.degradation.build_unfitted(shape)?;
        let parameterization = self.objective.parameterization.build();
        self.task_settings().check(&*parameterization, &*degradation)?;
        Ok(self.sampling.check(&*degradation)?)
    }

    /// Fills in the shape and the number of classes of `data`, and checks everything that depends on the data.
    ///
    /// # Errors
    /// If the config does not fit the data.
    pub fn resolve(mut self, data: &Dataset) -> Result<Self> {
        resolve_data(&mut self.image, &mut self.num_classes, data)?;
        self.check_shape(data.shape())?;
        self.network.check_shape(data.shape())?;
        check_num_classes(self.network.num_classes(), data)?;
        self.settings().used_images(&data.train)?;
        Ok(self)
    }
}

/// Checks that a network that takes `num_classes` classes can be trained on `data`.
///
/// # Errors
/// If the network takes classes, but not as many as the data have.
pub(crate) fn check_num_classes(num_classes: usize, data: &Dataset) -> Result<()> {
    if num_classes == 0 || num_classes == data.num_classes() {
        return Ok(());
    }
    let expected = format!("0 or the {} classes of the data", data.num_classes());
    Err(Error::invalid("network.num_classes", num_classes, expected))
}
