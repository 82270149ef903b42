//! The state of a run: weights, their moving average, optimizer and step count. The training loop changes the state, checkpoints
//! store it, and the manifest summarizes it.

use candle_core::Device;
use dm_nn::data::Dataset;
use dm_nn::params::Params;

use crate::error::Result;
use crate::optimizer::Adam;
use crate::running_mean::RunningMean;
use crate::settings::TrainingSettings;
use crate::task::Task;

/// Everything that a run has computed so far.
pub struct TrainingState<T: Task> {
    /// The task, which defines what is trained.
    pub task: T,
    /// The settings of the run.
    pub settings: TrainingSettings,
    /// The weights that are trained.
    pub params: Params,
    /// Exponential moving average of the weights; `None` if it is switched off.
    pub ema: Option<Params>,
    /// The optimizer with its moments.
    pub optimizer: Adam,
    /// Number of steps taken.
    pub step: u64,
    /// Number of epochs that have ended and whose losses have been reported.
    pub reported_epochs: u64,
    /// Objective of the first step, with which the following ones are compared.
    pub first_loss: Option<f64>,
    /// Mean objective since the last report.
    pub recent_loss: RunningMean,
    /// Number of training images used.
    pub images: usize,
    /// Hash of the content of the data set; see [`Dataset::sha256`].
    pub data_sha256: String,
    /// Names of the classes of the data set.
    pub class_names: Vec<String>,
    /// The device on which the run computes.
    pub device: Device,
    /// The network with the weights that are trained.
    pub(crate) network: T::Network,
    /// The network with the moving average of the weights, or with the trained weights if the average is switched off.
    pub(crate) evaluated_network: T::Network,
}

impl<T: Task> TrainingState<T> {
    /// The state before the first step.
    ///
    /// # Errors
    /// If a setting is outside its domain, the data do not fit the task, or the tensor library fails.
    pub fn new(mut task: T, settings: &TrainingSettings, data: &Dataset, device: &Device) -> Result<Self> {
        settings.check()?;
        let images = settings.used_images(&data.train)?;
        task.prepare(data)?;
        let mut params = Params::new(settings.seed, device);
        let network = task.build_network(params.trainable())?;
        let mut ema = (settings.ema_decay > 0.0).then(|| params.deep_copy()).transpose()?;
        let evaluated_network = task.build_network(ema.as_mut().unwrap_or(&mut params).frozen())?;
        let total_steps = (images / settings.batch_size) as u64 * settings.epochs;
        let optimizer = Adam::new(&settings.optimizer, total_steps, &params)?;
        Ok(Self {
            task,
            settings: settings.clone(),
            params,
            ema,
            optimizer,
            step: 0,
            reported_epochs: 0,
            first_loss: None,
            recent_loss: RunningMean::default(),
            images,
            data_sha256: data.sha256.clone(),
            class_names: data.class_names.clone(),
            device: device.clone(),
            network,
            evaluated_network,
        })
    }

    /// Number of steps in an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.images / self.settings.batch_size) as u64
    }

    /// Number of steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.steps_per_epoch() * self.settings.epochs
    }

    /// The epoch that has just ended and been reported, counted from 1; `None` otherwise.
    pub fn ended_epoch(&self) -> Option<u64> {
        let ended = self.step > 0 && self.step.is_multiple_of(self.steps_per_epoch());
        ended.then_some(self.reported_epochs).filter(|_| self.unreported_epoch().is_none())
    }

    /// The epoch that has just ended and has yet to be reported, counted from 1; `None` otherwise.
    pub fn unreported_epoch(&self) -> Option<u64> {
        let ended = self.step / self.steps_per_epoch();
        (ended > self.reported_epochs).then_some(ended)
    }

    /// The network that is evaluated and shipped. It has the averaged weights unless the average is switched off.
    pub fn evaluated_network(&self) -> &T::Network {
        &self.evaluated_network
    }

    /// The weights of [`Self::evaluated_network`].
    pub fn evaluated_params(&self) -> &Params {
        self.ema.as_ref().unwrap_or(&self.params)
    }
}
