//! The trait [`Task`] of what a run trains. The trainer defines the loop; a task defines the network, the loss and the model file.

use std::path::Path;

use candle_core::Device;
use candle_core::backprop::GradStore;
use dm_nn::data::{Dataset, Images};
use dm_nn::params::file::TensorFile;
use dm_nn::params::{self, Params};
use dm_nn::rng::Seed;
use dm_nn::storage::Storage;

use crate::error::Result;
use crate::gradients::Pass;
use crate::loss_by_timestep::LossByTimestep;

/// Something that a run can train: a diffusion model, a classifier, or something of your own.
pub trait Task {
    /// The network that is trained.
    type Network: Send + Sync;

    /// Checks that the task can be trained on `data` and computes what it needs to know about the training images. Called
    /// once, before the network is built.
    ///
    /// # Errors
    /// If the data do not fit the task; the error states what was found and what was expected.
    fn prepare(&mut self, data: &Dataset) -> Result<()>;

    /// Builds the network with its parameters from `path`. Called twice: for the weights that are trained, and for those
    /// that are evaluated.
    ///
    /// # Errors
    /// If the network's configuration is invalid.
    fn build_network(&self, path: params::Path<'_>) -> Result<Self::Network>;

    /// Computes the objective on one batch and its gradients. Everything random comes from streams of `batch.seed` with the
    /// index `batch.step`, so that a resumed run gives the same numbers as an uninterrupted one.
    ///
    /// # Errors
    /// If the network fails, or `batch.pass` is abandoned. The task is then as it was before.
    fn gradients(&mut self, network: &Self::Network, batch: &TrainingBatch<'_>) -> Result<BatchGradients>;

    /// Evaluates the network after an epoch. Returns the losses of the epoch and resets them for the next one. Returns `None`,
    /// and leaves the task as it is, if `stop` returns true meanwhile.
    ///
    /// # Errors
    /// If the network fails.
    fn end_epoch(
        &mut self,
        network: &Self::Network,
        test: &Images,
        device: &Device,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<EpochSummary>>;

    /// Writes everything that the task has accumulated during the run to a checkpoint, as metadata of `checkpoint`.
    ///
    /// # Errors
    /// If a value cannot be written as text.
    fn save(&self, checkpoint: &mut TensorFile) -> Result<()>;

    /// Restores what [`Self::save`] has written.
    ///
    /// # Errors
    /// If the metadata are missing or do not fit the task.
    fn restore(&mut self, checkpoint: &TensorFile) -> Result<()>;

    /// Writes the model file.
    ///
    /// # Errors
    /// If writing fails.
    fn write_model(&self, model: &ModelContents<'_>) -> Result<()>;
}

/// The images of one step.
pub struct TrainingBatch<'a> {
    /// The training set.
    pub images: &'a Images,
    /// Positions of the batch's images in the training set, `[B]`.
    pub indices: &'a [u32],
    /// Positions of the images of the next step, `[B]`, if that step is in the same epoch. A task may prepare the next batch while
    /// it computes this one.
    pub next: Option<&'a [u32]>,
    /// Root of all randomness.
    pub seed: Seed,
    /// Number of steps taken before this one.
    pub step: u64,
    /// How the gradients are computed.
    pub pass: Pass<'a>,
}

/// The objective of one batch and its gradients.
pub struct BatchGradients {
    /// The objective: the mean loss, weighted where the task weights losses.
    pub objective: f64,
    /// The gradients of the objective.
    pub store: GradStore,
}

/// Losses of an epoch. What a task does not compute is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpochSummary {
    /// Mean training loss.
    pub train_loss: Option<f64>,
    /// Training losses by timestep.
    pub train_by_timestep: Option<LossByTimestep>,
    /// Mean loss of the evaluated weights on test images.
    pub validation_loss: Option<f64>,
    /// Losses of the evaluated weights on test images by timestep.
    pub validation_by_timestep: Option<LossByTimestep>,
    /// Share of the test images that a classifier assigns to their class.
    pub test_accuracy: Option<f64>,
}

/// The contents of a model file, except what the task itself knows.
pub struct ModelContents<'a> {
    /// The file to write.
    pub path: &'a Path,
    /// Where it is written to.
    pub storage: &'a dyn Storage,
    /// The resolved config of the run, as TOML.
    pub config: &'a str,
    /// The weights that are evaluated.
    pub params: &'a Params,
    /// Number of steps taken.
    pub step: u64,
    /// Hash of the content of the data set; see [`Dataset::sha256`].
    pub data_sha256: &'a str,
    /// Names of the classes of the data set.
    pub class_names: &'a [String],
}
