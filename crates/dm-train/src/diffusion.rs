//! Training a diffusion model, for every degradation and every parameterization.
//!
//! One step is a general form of algorithm 18.1 of Prince 2023: draw images, timesteps and noise, degrade the images, let the
//! network predict, and compute the loss.

use std::panic::resume_unwind;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use dm_degrade::denoiser::{NetworkDenoiser, inputs};
use dm_degrade::model::{self, Description};
use dm_degrade::parameterization::Parameterization;
use dm_degrade::streams::DEGRADE;
use dm_degrade::{Degradation, Timestep};
use dm_nn::data::{Dataset, Images};
use dm_nn::image::{ImageShape, to_unit};
use dm_nn::nets::{BuildNetwork, Network};
use dm_nn::params::Path;
use dm_nn::params::file::TensorFile;
use dm_nn::rng::{Rng, Seed};
use rayon::prelude::*;

use crate::config::{DiffusionConfig, check_num_classes};
use crate::degraded_batch::DegradedBatch;
use crate::diffusion_settings::DiffusionSettings;
use crate::error::{Error, Result};
use crate::json;
use crate::loss_by_timestep::LossByTimestep;
use crate::state::TrainingState;
use crate::streams::{DROPOUT, TIMESTEP, VALIDATE};
use crate::task::{BatchGradients, EpochSummary, ModelContents, Task, TrainingBatch};
use crate::timestep_sampler::TimestepSampler;

/// Number of validation images in a batch.
const VALIDATION_BATCH: usize = 256;

/// Trains a network to undo a degradation.
pub struct DiffusionTask {
    degradation: Box<dyn Degradation>,
    network: Box<dyn BuildNetwork>,
    parameterization: Arc<dyn Parameterization>,
    settings: DiffusionSettings,
    /// The statistics of the training images that the degradation was fitted to. They are written to the model file.
    fitted: Vec<f32>,
    /// Draws the timesteps; with importance sampling it adapts to their losses.
    timestep_sampler: TimestepSampler,
    /// Losses of the current epoch.
    losses: LossByTimestep,
    /// Mean total intensity of a training image, in pixels of value 1.
    mean_intensity: f64,
    /// Whether the next batch is prepared while the network computes. `None` means: only on devices other than the CPU.
    prepares_ahead: Option<bool>,
    /// The batch of the next step, if it has been prepared.
    prepared: Option<PreparedBatch>,
}

/// A batch in the memory of the CPU, prepared before its step.
struct PreparedBatch {
    seed: Seed,
    step: u64,
    batch: DegradedBatch,
}

/// The images of a batch that is to be degraded.
struct Selection<'a, F: Fn(usize) -> usize> {
    images: &'a Images,
    /// Maps a position in the batch to the position of the image in `images`.
    index: F,
    /// Timestep of each image of the batch, with the weight that corrects for the distribution it was drawn from.
    timesteps: Vec<(Timestep, f64)>,
}

impl DiffusionTask {
    /// A task that trains `network` to undo `degradation`, where `parameterization` defines what the network's output
    /// means. Each of the three may be an implementation of your own.
    ///
    /// # Errors
    /// If the three do not fit each other, or a setting is outside its domain.
    pub fn new(
        degradation: Box<dyn Degradation>,
        network: Box<dyn BuildNetwork>,
        parameterization: Arc<dyn Parameterization>,
        settings: DiffusionSettings,
    ) -> Result<Self> {
        network.check()?;
        network.check_shape(degradation.shape())?;
        settings.check(&*parameterization, &*degradation)?;
        let last = settings.last_timestep(&*degradation);
        let timestep_sampler = TimestepSampler::new(settings.timestep_sampler, last);
        Ok(Self {
            degradation,
            network,
            parameterization,
            settings,
            fitted: Vec::new(),
            timestep_sampler,
            losses: LossByTimestep::default(),
            mean_intensity: 1.0,
            prepares_ahead: None,
            prepared: None,
        })
    }

    /// The task of `config`, with the degradation fitted to the training images of `data`.
    ///
    /// # Errors
    /// If the config does not fit the data.
    pub fn from_config(config: &DiffusionConfig, data: &Dataset) -> Result<Self> {
        let fitted = config.degradation.fit(&data.train);
        let degradation = config.degradation.build(data.shape(), &fitted)?;
        let network = Box::new(config.network.clone());
        let parameterization = config.objective.parameterization.build();
        let task = Self::new(degradation, network, parameterization, config.task_settings())?;
        Ok(Self { fitted, ..task })
    }

    /// Sets whether the batch of the next step is prepared while the network computes. By default it is, except on the CPU: other
    /// devices would wait for the batch. The setting does not change the results of the run.
    #[must_use]
    pub fn preparing_ahead(self, prepares_ahead: bool) -> Self {
        Self { prepares_ahead: Some(prepares_ahead), ..self }
    }

    /// The forward process.
    pub fn degradation(&self) -> &dyn Degradation {
        &*self.degradation
    }

    /// What the network's output means.
    pub fn parameterization(&self) -> &dyn Parameterization {
        &*self.parameterization
    }

    /// Number of classes that the network takes; 0 if it takes none.
    pub fn num_classes(&self) -> usize {
        self.network.num_classes()
    }

    /// The degraded images of a step, counted from 0.
    fn batch(
        &self,
        images: &Images,
        indices: &[u32],
        seed: Seed,
        step: u64,
        device: &Device,
    ) -> Result<DegradedBatch> {
        let timesteps = self.timestep_sampler.sample(indices.len(), &mut seed.stream(TIMESTEP, step, 0));
        let selection = Selection { images, index: |i: usize| indices[i] as usize, timesteps };
        self.degrade(selection, |i| seed.stream(DEGRADE, step, i as u64), device)
    }

    /// Degrades the images of `selection`. The noise of image i of the batch comes from `rng(i)`.
    fn degrade(
        &self,
        selection: Selection<'_, impl Fn(usize) -> usize + Sync>,
        rng: impl Fn(usize) -> Rng + Sync,
        device: &Device,
    ) -> Result<DegradedBatch> {
        let Selection { images, index, timesteps } = selection;
        let (degradation, parameterization) = (&*self.degradation, &*self.parameterization);
        let (shape, count) = (degradation.shape(), timesteps.len());
        let len = shape.len();
        let mut states = vec![0.0; count * len];
        let mut targets = vec![0.0; count * len];
        let mut weights = vec![1.0; count];
        let places = states.par_chunks_mut(len).zip(targets.par_chunks_mut(len)).zip(&mut weights);
        let buffers = || (vec![0.0; len], vec![0.0; len]);
        places.zip(&timesteps).enumerate().try_for_each_init(
            buffers,
            |(pixels, x0), (i, (((state, target), weight), &(t, _)))| {
                to_unit(images.image(index(i)), pixels);
                let intensity = f64::from(pixels.iter().sum::<f32>()) / self.mean_intensity;
                degradation.codec().encode_image(pixels, x0);
                let noise = degradation.sample_noise(&mut rng(i));
                degradation.degrade(x0, t, &noise, state);
                *weight = self.settings.weighting.weight(parameterization, degradation, t, intensity);
                parameterization.target(degradation, x0, t, &noise, target)
            },
        )?;
        let only_timesteps: Vec<Timestep> = timesteps.iter().map(|&(t, _)| t).collect();
        let (x, times) = inputs(degradation, &states, &only_timesteps, device)?;
        let labels = || (0..count).map(|i| images.labels[index(i)]).collect();
        let classes = (self.num_classes() > 0).then(labels);
        let target = Tensor::from_vec(targets, shape.dims(count), device)?;
        Ok(DegradedBatch { x, times, classes, target, timesteps, weights })
    }

    /// Losses of `network` on the first test images, at fixed timesteps with fixed noise; `None` if `stop` returns true
    /// meanwhile.
    fn validate(
        &self,
        network: &dyn Network,
        images: &Images,
        device: &Device,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<LossByTimestep>> {
        let mut losses = LossByTimestep::default();
        let last = self.degradation.timesteps();
        let count = self.settings.validation_images.min(images.len());
        for start in (0..count).step_by(VALIDATION_BATCH) {
            if stop() {
                return Ok(None);
            }
            let n = VALIDATION_BATCH.min(count - start);
            // The golden ratio spreads the timesteps evenly over 1..=T, whatever the number of images.
            let timestep =
                |i: usize| Timestep(1 + ((i as f64 * 0.618_033_988_75).fract() * last as f64) as usize);
            let timesteps = (start..start + n).map(|i| (timestep(i), 1.0)).collect();
            let rng = |i: usize| Seed(0).stream(VALIDATE, (start + i) as u64, 0);
            let selection = Selection { images, index: |i: usize| start + i, timesteps };
            let batch = self.degrade(selection, rng, device)?;
            batch.add_losses(&batch.losses(network, &self.parameterization)?, last, &mut losses);
        }
        Ok(Some(losses))
    }
}

impl Task for DiffusionTask {
    type Network = Box<dyn Network>;

    fn prepare(&mut self, data: &Dataset) -> Result<()> {
        let (shape, expected) = (data.shape(), self.degradation.shape());
        if shape != expected {
            let expected = format!("{expected}, the shape of the degradation");
            return Err(Error::invalid("data: shape of the images", shape, expected));
        }
        check_num_classes(self.num_classes(), data)?;
        let total: f64 = data.train.total_intensity().iter().map(|&total| f64::from(total)).sum();
        self.mean_intensity = (total / data.train.len() as f64).max(f64::MIN_POSITIVE);
        Ok(())
    }

    fn build_network(&self, path: Path<'_>) -> Result<Box<dyn Network>> {
        let shape: ImageShape = self.degradation.shape();
        let input = shape.with_channels(self.degradation.codec().input_channels());
        Ok(self.network.build(input, shape.channels, path)?)
    }

    fn gradients(&mut self, network: &Box<dyn Network>, batch: &TrainingBatch<'_>) -> Result<BatchGradients> {
        let TrainingBatch { images, indices, next, seed, step, pass } = *batch;
        let mut degraded = match self.prepared.take() {
            Some(found) if (found.seed, found.step) == (seed, step) => found.batch.on_device(pass.device)?,
            _ => self.batch(images, indices, seed, step, pass.device)?,
        };
        degraded.check_finite(step)?;
        let mut dropout = seed.stream(DROPOUT, step, 0);
        for class in degraded.classes.iter_mut().flatten() {
            if dropout.uniform_f64() < self.settings.label_dropout {
                // The class number after the last one means that the class is not given.
                *class = self.network.num_classes() as u8;
            }
        }

        // With importance sampling, the timesteps of the next batch depend on the losses of this one.
        let prepares =
            self.prepares_ahead.unwrap_or(!pass.device.is_cpu()) && !self.timestep_sampler.learns();
        let (gradients, prepared) = std::thread::scope(|scope| {
            let task = &*self;
            let prepare = |next| scope.spawn(move || task.batch(images, next, seed, step + 1, &Device::Cpu));
            let prepared = next.filter(|_| prepares).map(prepare);
            let gradients = degraded.gradients(&**network, &task.parameterization, pass);
            let batch = prepared.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            (gradients, batch)
        });
        let gradients = gradients?;
        self.prepared = prepared.transpose()?.map(|batch| PreparedBatch { seed, step: step + 1, batch });
        degraded.add_losses(&gradients.losses, self.degradation.timesteps(), &mut self.losses);
        let weighted = gradients.losses.iter().zip(&degraded.weights);
        let weighted = weighted.map(|(&loss, weight)| weight * f64::from(loss));
        self.timestep_sampler.learn(degraded.timesteps.iter().map(|&(t, _)| t).zip(weighted));
        Ok(BatchGradients { objective: gradients.objective, store: gradients.store })
    }

    fn end_epoch(
        &mut self,
        network: &Box<dyn Network>,
        test: &Images,
        device: &Device,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<EpochSummary>> {
        let Some(validation) = self.validate(&**network, test, device, stop)? else { return Ok(None) };
        let train = std::mem::take(&mut self.losses);
        Ok(Some(EpochSummary {
            train_loss: train.mean(),
            train_by_timestep: Some(train),
            validation_loss: validation.mean(),
            validation_by_timestep: Some(validation),
            test_accuracy: None,
        }))
    }

    fn save(&self, checkpoint: &mut TensorFile) -> Result<()> {
        checkpoint.set_metadata("loss_by_timestep", json::write("loss_by_timestep", &self.losses)?);
        if self.timestep_sampler.learns() {
            let sampler = json::write("timestep_sampler", &self.timestep_sampler)?;
            checkpoint.set_metadata("timestep_sampler", sampler);
        }
        Ok(())
    }

    fn restore(&mut self, checkpoint: &TensorFile) -> Result<()> {
        self.losses = json::read(checkpoint, "loss_by_timestep", "sums of losses")?;
        if self.timestep_sampler.learns() {
            let expected = "the losses by timestep of this run";
            let sampler: TimestepSampler = json::read(checkpoint, "timestep_sampler", expected)?;
            if !self.timestep_sampler.is_compatible(&sampler) {
                let found = checkpoint.metadata("timestep_sampler")?;
                return Err(Error::format(checkpoint.path(), "timestep_sampler", found, expected));
            }
            self.timestep_sampler = sampler;
        }
        Ok(())
    }

    fn write_model(&self, contents: &ModelContents<'_>) -> Result<()> {
        let description = Description {
            config: contents.config,
            fitted: &self.fitted,
            class_names: contents.class_names,
            step: contents.step,
            data_sha256: contents.data_sha256,
        };
        Ok(model::write_to(contents.storage, contents.path, &description, contents.params)?)
    }
}

impl TrainingState<DiffusionTask> {
    /// The evaluated network as an unconditional denoiser.
    pub fn denoiser(&self) -> NetworkDenoiser<'_> {
        NetworkDenoiser {
            network: &**self.evaluated_network(),
            parameterization: self.task.parameterization(),
            degradation: self.task.degradation(),
            device: &self.device,
            condition: None,
            weak: None,
        }
    }
}
