//! The training loop, for every degradation and every prediction.
//!
//! Prince 2023, algorithm 18.1 in general form: draw images, levels and keys; degrade; let the network say what it sees;
//! count the miss; step. Everything random is keyed by (seed, step), so a resumed run continues exactly where it was.

use candle_core::{Device, Tensor};
use dm_degrade::degradation::{Degradation, Level};
use dm_degrade::restorer::{NetworkRestorer, inputs};
use dm_nn::data::{Dataset, Images, PIXELS, SIDE};
use dm_nn::nets::Network;
use dm_nn::params::Params;
use dm_nn::rng::{Rng, Seed, Stream};
use rayon::prelude::*;

use crate::batch::Batch;
use crate::config::Config;
use crate::ema;
use crate::error::{Error, Result};
use crate::event::{Event, Observer};
use crate::levels::Levels;
use crate::objective;
use crate::optimizer::Adam;
use crate::run::Standing;
use crate::totals::{Recent, Totals};

/// Everything a run has learned so far.
pub struct State {
    /// The resolved config.
    pub config: Config,
    /// What the degradation knows of the training set.
    pub fitted: Vec<f32>,
    /// The degradation, built.
    pub degradation: Box<dyn Degradation>,
    /// Weights being trained.
    pub params: Params,
    /// Averaged weights; `None` if the average is off.
    pub average: Option<Params>,
    /// Optimiser with its moments.
    pub optimizer: Adam,
    /// Steps taken.
    pub step: u64,
    /// Losses of the epoch under way.
    pub totals: Totals,
    /// Losses since the last line of the metrics.
    pub recent: Recent,
    /// What is known of the losses of the levels.
    pub levels: Levels,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Hash of the data set.
    pub data_sha256: String,
    network: Box<dyn Network>,
    evaluation: Box<dyn Network>,
    device: Device,
    /// Mean total ink of a training image, in full pixels.
    mean_ink: f64,
}

/// Images on their way into a batch: image and label of place i, and the levels.
struct Examples<'a, F: Fn(usize) -> usize> {
    images: &'a Images,
    /// Number of the image in place i.
    at: F,
    /// Level of each place, and the weight that makes up for how it was drawn.
    levels: Vec<(Level, f64)>,
}

impl State {
    /// A run that has not begun.
    ///
    /// # Errors
    /// A config that does not fit the data, or a failure of the tensor library.
    pub fn new(config: &Config, data: &Dataset, device: &Device) -> Result<Self> {
        config.check()?;
        let fitted = config.degradation.fit(&data.train);
        let degradation = config.degradation.build(&fitted)?;
        let mut params = Params::new(config.seed, device);
        let inputs = degradation.channels();
        let network = config.network.build(inputs, 1, params.trainable())?;
        let mut average = (config.training.ema_decay > 0.0).then(|| params.deep_copy()).transpose()?;
        let evaluation = config.network.build(inputs, 1, average.as_mut().unwrap_or(&mut params).frozen())?;
        let images = config.check_data(&data.train)?;
        let steps_per_epoch = (images / config.training.batch) as u64;
        let optimizer = Adam::new(&config.optimizer, steps_per_epoch * config.training.epochs, &params)?;
        let last = degradation.steps() - usize::from(!config.objective.last_level);
        let ink: f64 = data.train.total_ink().iter().map(|&ink| f64::from(ink)).sum();
        Ok(Self {
            config: config.clone(),
            fitted,
            degradation,
            params,
            average,
            optimizer,
            step: 0,
            totals: Totals::default(),
            recent: Recent::default(),
            levels: Levels::new(config.objective.levels, last),
            steps_per_epoch,
            data_sha256: data.sha256.clone(),
            network,
            evaluation,
            device: device.clone(),
            mean_ink: (ink / data.train.len() as f64).max(f64::MIN_POSITIVE),
        })
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.steps_per_epoch * self.config.training.epochs
    }

    /// The network that is evaluated and shipped: averaged weights where there are any.
    pub fn evaluation(&self) -> &dyn Network {
        &*self.evaluation
    }

    /// The weights of [`Self::evaluation`].
    pub fn evaluation_params(&self) -> &Params {
        self.average.as_ref().unwrap_or(&self.params)
    }

    /// Where the run computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The network that is evaluated as a restorer, not told any class.
    pub fn restorer(&self) -> NetworkRestorer<'_> {
        NetworkRestorer {
            network: &*self.evaluation,
            prediction: self.config.objective.prediction,
            degradation: &*self.degradation,
            device: &self.device,
            condition: None,
        }
    }

    /// How far the run has come, for its manifest.
    pub fn standing<'a>(&'a self, status: &'a str, wall_s: f64) -> Standing<'a> {
        Standing {
            status,
            name: &self.config.name,
            seed: self.config.seed.0,
            data_sha256: &self.data_sha256,
            parameters: self.params.count(),
            steps_total: self.total_steps(),
            steps_done: self.step,
            epochs: self.config.training.epochs,
            wall_s,
        }
    }

    /// Degrades `examples`, the image of place i with the key of `key(i)`.
    fn batch(
        &self,
        examples: Examples<'_, impl Fn(usize) -> usize + Sync>,
        key: impl Fn(usize) -> Rng + Sync,
    ) -> Result<Batch> {
        let Examples { images, at, levels } = examples;
        let (process, objective, count) = (&*self.degradation, &self.config.objective, levels.len());
        let mut states = vec![0.0; count * PIXELS];
        let mut targets = vec![0.0; count * PIXELS];
        let mut weights = vec![1.0; count];
        let slots = states.par_chunks_mut(PIXELS).zip(targets.par_chunks_mut(PIXELS)).zip(&mut weights);
        slots.zip(&levels).enumerate().for_each(|(i, (((state, target), weight), &(level, _)))| {
            let pixels: Vec<f32> = images.image(at(i)).iter().map(|&p| f32::from(p) / 255.0).collect();
            let ink = f64::from(pixels.iter().sum::<f32>()) / self.mean_ink;
            let x0 = process.to_state(&pixels);
            let key = process.draw(&mut key(i));
            state.copy_from_slice(&process.apply(&x0, level, &key));
            target.copy_from_slice(&objective::target(objective.prediction, process, &x0, level, &key));
            *weight = objective.weighting.weight(objective.prediction, process, level, ink);
        });
        let at_levels: Vec<Level> = levels.iter().map(|&(level, _)| level).collect();
        let (x, t) = inputs(process, &states, &at_levels, &self.device)?;
        let labels = || (0..count).map(|i| images.labels[at(i)]).collect();
        let classes = (self.config.network.classes() > 0).then(labels);
        let target = Tensor::from_vec(targets, (count, 1, SIDE, SIDE), &self.device)?;
        Ok(Batch { x, t, classes, target, levels, weights })
    }

    /// The training batch of step `self.step`; `order` is the epoch's order of images.
    fn training_batch(&self, images: &Images, order: &[u32]) -> Result<Batch> {
        let (seed, step, count) = (self.config.seed, self.step, self.config.training.batch);
        let start = (step % self.steps_per_epoch) as usize * count;
        let levels = self.levels.draw(count, &mut seed.stream(Stream::Level, step, 0));
        let examples = Examples { images, at: |i: usize| order[start + i] as usize, levels };
        let mut batch = self.batch(examples, |i| seed.stream(Stream::Degrade, step, i as u64))?;
        let mut hide = seed.stream(Stream::Dropout, step, 0);
        for class in batch.classes.iter_mut().flatten() {
            if hide.uniform_f64() < self.config.objective.label_dropout {
                *class = self.config.network.classes() as u8;
            }
        }
        Ok(batch)
    }

    /// Losses of the evaluation network on the first test images, at fixed levels with fixed keys.
    fn validate(&self, images: &Images) -> Result<Totals> {
        let mut totals = Totals::default();
        let (steps, count) =
            (self.degradation.steps(), self.config.training.validation_images.min(images.len()));
        for start in (0..count).step_by(256) {
            let n = 256.min(count - start);
            // Levels spread evenly over 1..=T by the golden ratio, whatever the number of images.
            let level = |i: usize| Level(1 + ((i as f64 * 0.618_033_988_75).fract() * steps as f64) as usize);
            let levels = (start..start + n).map(|i| (level(i), 1.0)).collect();
            let key = |i: usize| Seed(0).stream(Stream::Validate, (start + i) as u64, 0);
            let batch = self.batch(Examples { images, at: |i: usize| start + i, levels }, key)?;
            let losses = batch.losses(&*self.evaluation, self.config.objective.prediction)?;
            batch.gather(&losses, steps, &mut totals);
        }
        Ok(totals)
    }
}

/// Trains `state` to its end, telling `observers` everything; stops early after the step during which `stop` turns true.
/// Returns whether the run is complete.
///
/// # Errors
/// A diverged loss, or whatever an observer or the tensor library reports.
pub fn train(
    state: &mut State,
    data: &Dataset,
    observers: &mut [Box<dyn Observer + '_>],
    stop: &dyn Fn() -> bool,
) -> Result<bool> {
    let mut tell = |event: &Event<'_>| observers.iter_mut().try_for_each(|o| o.observe(event));
    let (total, steps) = (state.total_steps(), state.degradation.steps());
    let images = state.config.check_data(&data.train)?;
    let mut order = (u64::MAX, Vec::new());
    tell(&Event::Start { state })?;
    while state.step < total {
        let epoch = state.step / state.steps_per_epoch;
        if order.0 != epoch {
            order = (epoch, state.config.seed.stream(Stream::Shuffle, epoch, 0).permutation(images));
        }

        let batch = state.training_batch(&data.train, &order.1)?;
        let learned = batch.gradients(&*state.network, state.config.objective.prediction)?;
        let (losses, loss) = (&learned.losses, learned.objective);
        let grad_norm = state.optimizer.step(&learned.store, state.step)?;
        if let Some(average) = &state.average {
            ema::update(average, &state.params, state.config.training.ema_decay, state.step)?;
        }

        if !loss.is_finite() || !grad_norm.is_finite() {
            return Err(Error::Diverged { step: state.step, loss });
        }
        batch.gather(losses, steps, &mut state.totals);
        let weighted = losses.iter().zip(&batch.weights).map(|(&loss, weight)| weight * f64::from(loss));
        state.levels.learn(batch.levels.iter().map(|&(level, _)| level).zip(weighted));
        let learning_rate = state.optimizer.learning_rate(state.step);
        state.step += 1;
        state.recent.add(loss);
        let (step, epoch, images) = (state.step, epoch + 1, batch.levels.len());
        let report = step.is_multiple_of(state.config.training.log_every);
        let recent = if report { std::mem::take(&mut state.recent).mean() } else { None };
        tell(&Event::Step { step, epoch, loss, recent, learning_rate, grad_norm, images, state })?;
        if state.step.is_multiple_of(state.steps_per_epoch) {
            let validation = state.validate(&data.test)?;
            let train = std::mem::take(&mut state.totals);
            tell(&Event::Epoch { epoch, train: &train, validation: &validation, state })?;
        }
        if state.step < total && stop() {
            tell(&Event::Interrupted { state })?;
            return Ok(false);
        }
    }
    tell(&Event::Complete { state })?;
    Ok(true)
}
