//! The training loop, for every degradation and every prediction.
//!
//! Prince 2023, algorithm 18.1 in general form: draw images, levels and keys; degrade; let the network say what it sees;
//! count the miss; step. Everything random is keyed by (seed, step), so a resumed run continues exactly where it was.

use candle_core::{Device, Tensor};
use dm_degrade::degradation::{Degradation, Level};
use dm_degrade::restorer::inputs;
use dm_nn::data::{Dataset, Images, PIXELS, SIDE};
use dm_nn::nets::Network;
use dm_nn::params::Params;
use dm_nn::rng::{Seed, Stream};
use rayon::prelude::*;

use crate::config::Config;
use crate::ema;
use crate::error::{Error, Result};
use crate::event::{Event, Observer};
use crate::objective;
use crate::optimizer::Adam;
use crate::run::Standing;
use crate::totals::Totals;

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
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Hash of the data set.
    pub data_sha256: String,
    network: Box<dyn Network>,
    evaluation: Box<dyn Network>,
    device: Device,
}

/// A degraded batch on its way to the network.
struct Batch {
    x: Tensor,
    t: Tensor,
    target: Tensor,
    levels: Vec<Level>,
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
        Ok(Self {
            config: config.clone(),
            fitted,
            degradation,
            params,
            average,
            optimizer,
            step: 0,
            totals: Totals::default(),
            steps_per_epoch,
            data_sha256: data.sha256.clone(),
            network,
            evaluation,
            device: device.clone(),
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

    /// Degrades `count` images; image `i` is `image(i)` at `level(i)` with the key of stream (`stream`, `index`, i).
    fn batch<'a>(
        &self,
        count: usize,
        image: impl Fn(usize) -> &'a [u8] + Sync,
        levels: Vec<Level>,
        key: impl Fn(usize) -> dm_nn::rng::Rng + Sync,
    ) -> Result<Batch> {
        let (process, prediction) = (&*self.degradation, self.config.objective.prediction);
        let mut states = vec![0.0; count * PIXELS];
        let mut targets = vec![0.0; count * PIXELS];
        let slots = states.par_chunks_mut(PIXELS).zip(targets.par_chunks_mut(PIXELS)).zip(&levels);
        slots.enumerate().for_each(|(i, ((state, target), &level))| {
            let pixels: Vec<f32> = image(i).iter().map(|&p| f32::from(p) / 255.0).collect();
            let x0 = process.to_state(&pixels);
            let key = process.draw(&mut key(i));
            state.copy_from_slice(&process.apply(&x0, level, &key));
            target.copy_from_slice(&objective::target(prediction, process, &x0, level, &key));
        });
        let (x, t) = inputs(process, &states, &levels, &self.device)?;
        let target = Tensor::from_vec(targets, (count, 1, SIDE, SIDE), &self.device)?;
        Ok(Batch { x, t, target, levels })
    }

    /// The training batch of step `self.step`; `order` is the epoch's order of images.
    fn training_batch(&self, images: &Images, order: &[u32]) -> Result<Batch> {
        let (seed, step, count) = (self.config.seed, self.step, self.config.training.batch);
        let start = (step % self.steps_per_epoch) as usize * count;
        let last = self.degradation.steps() - usize::from(!self.config.objective.last_level);
        let mut draw = seed.stream(Stream::Level, step, 0);
        let levels = (0..count).map(|_| Level(1 + draw.below(last as u64) as usize)).collect();
        let image = |i: usize| images.image(order[start + i] as usize);
        self.batch(count, image, levels, |i| seed.stream(Stream::Degrade, step, i as u64))
    }

    /// Losses of the evaluation network on the first test images, at fixed levels with fixed keys.
    fn validate(&self, test: &Images) -> Result<Totals> {
        let mut totals = Totals::default();
        let (steps, count) =
            (self.degradation.steps(), self.config.training.validation_images.min(test.len()));
        for start in (0..count).step_by(256) {
            let n = 256.min(count - start);
            // Levels spread evenly over 1..=T by the golden ratio, whatever the number of images.
            let level = |i: usize| Level(1 + ((i as f64 * 0.618_033_988_75).fract() * steps as f64) as usize);
            let levels = (start..start + n).map(level).collect();
            let key = |i: usize| Seed(0).stream(Stream::Validate, (start + i) as u64, 0);
            let batch = self.batch(n, |i| test.image(start + i), levels, key)?;
            let output = self.evaluation.forward(&batch.x, &batch.t)?;
            let losses = objective::losses(self.config.objective.prediction, &output, &batch.target)?;
            gather(&mut totals, &batch.levels, steps, &losses)?;
        }
        Ok(totals)
    }
}

fn gather(totals: &mut Totals, levels: &[Level], steps: usize, losses: &Tensor) -> Result<()> {
    let losses = losses.to_vec1::<f32>()?;
    levels.iter().zip(losses).for_each(|(level, loss)| totals.add(level.0, steps, f64::from(loss)));
    Ok(())
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
        let output = state.network.forward(&batch.x, &batch.t)?;
        let losses = objective::losses(state.config.objective.prediction, &output, &batch.target)?;
        let loss = losses.mean_all()?;
        let grads = loss.backward()?;
        let grad_norm = state.optimizer.step(&grads, state.step)?;
        if let Some(average) = &state.average {
            ema::update(average, &state.params, state.config.training.ema_decay, state.step)?;
        }

        let loss = f64::from(loss.to_scalar::<f32>()?);
        if !loss.is_finite() || !grad_norm.is_finite() {
            return Err(Error::Diverged { step: state.step, loss });
        }
        gather(&mut state.totals, &batch.levels, steps, &losses)?;
        let learning_rate = state.optimizer.learning_rate(state.step);
        state.step += 1;
        let (step, epoch, images) = (state.step, epoch + 1, batch.levels.len());
        tell(&Event::Step { step, epoch, loss, learning_rate, grad_norm, images, state })?;
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
