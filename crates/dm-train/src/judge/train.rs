//! The judge's training loop: draw images, shift them a little, classify, count the miss, step.
//!
//! Everything random is keyed by (seed, step), so the judge is a function of config and data.

use candle_core::{Device, Tensor};
use candle_nn::loss::cross_entropy;
use dm_nn::data::{Images, PIXELS, SIDE};
use dm_nn::nets::judge::JudgeNet;
use dm_nn::params::Params;
use dm_nn::rng::{Rng, Stream};

use super::config::Config;
use crate::ema;
use crate::error::{Error, Result};
use crate::optimizer::Adam;
use crate::run::Standing;

/// Everything a judge has learned so far.
pub struct State {
    /// The resolved config.
    pub config: Config,
    /// Weights being trained.
    pub params: Params,
    /// Averaged weights; `None` if the average is off.
    pub average: Option<Params>,
    /// Optimiser with its moments.
    pub optimizer: Adam,
    /// Steps taken.
    pub step: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Hash of the data set.
    pub data_sha256: String,
    network: JudgeNet,
    evaluation: JudgeNet,
    device: Device,
}

/// Something that happened in the training of a judge.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// One optimiser step was taken.
    Step {
        /// Epoch of this step, from 1.
        epoch: u64,
        /// Mean loss of its batch, in nats.
        loss: f64,
        /// Learning rate it used.
        learning_rate: f64,
    },
    /// An epoch was finished.
    Epoch {
        /// Which, from 1.
        epoch: u64,
        /// Mean training loss over it (over what is left of it in a resumed run), in nats.
        train_loss: f64,
        /// Share of test images classified rightly by the evaluation weights.
        test_accuracy: f64,
    },
}

impl State {
    /// A judge that has learned nothing; `data_sha256` names the data it will be trained on.
    ///
    /// # Errors
    /// A config that does not fit the data, or a failure of the tensor library.
    pub fn new(config: &Config, train: &Images, data_sha256: &str, device: &Device) -> Result<Self> {
        config.check()?;
        let images = config.check_data(train)?;
        let mut params = Params::new(config.seed, device);
        let network = config.judge.build(params.trainable())?;
        let mut average = (config.training.ema_decay > 0.0).then(|| params.deep_copy()).transpose()?;
        let evaluation = config.judge.build(average.as_mut().unwrap_or(&mut params).frozen())?;
        let steps_per_epoch = (images / config.training.batch) as u64;
        let optimizer = Adam::new(&config.optimizer, steps_per_epoch * config.training.epochs, &params)?;
        Ok(Self {
            config: config.clone(),
            params,
            average,
            optimizer,
            step: 0,
            steps_per_epoch,
            data_sha256: data_sha256.to_owned(),
            network,
            evaluation,
            device: device.clone(),
        })
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.steps_per_epoch * self.config.training.epochs
    }

    /// The weights that are evaluated and shipped: averaged where there is an average.
    pub fn evaluation_params(&self) -> &Params {
        self.average.as_ref().unwrap_or(&self.params)
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

    /// Images [B, 1, 28, 28] and labels `[B]` of step `self.step`; `order` is the epoch's order of images.
    fn batch(&self, images: &Images, order: &[u32]) -> Result<(Tensor, Tensor)> {
        let (seed, count) = (self.config.seed, self.config.training.batch);
        let start = (self.step % self.steps_per_epoch) as usize * count;
        let (mut pixels, mut labels) = (Vec::with_capacity(count * PIXELS), Vec::with_capacity(count));
        for (place, &i) in order[start..start + count].iter().enumerate() {
            let mut rng = seed.stream(Stream::Augment, self.step, place as u64);
            pixels.extend(shifted(images.image(i as usize), self.config.training.shift, &mut rng));
            labels.push(u32::from(images.labels[i as usize]));
        }
        let x = Tensor::from_vec(pixels, (count, 1, SIDE, SIDE), &self.device)?;
        Ok((x, Tensor::from_vec(labels, count, &self.device)?))
    }
}

/// Ink in [0, 1] of `image`, moved by up to `reach` pixels each way; paper comes in at the edges.
fn shifted(image: &[u8], reach: usize, rng: &mut Rng) -> Vec<f32> {
    let mut draw = || rng.below(2 * reach as u64 + 1).cast_signed() as isize - reach.cast_signed();
    let (down, right) = (draw(), draw());
    let side = SIDE.cast_signed();
    let pixel = |p: isize| {
        let (row, column) = (p / side - down, p % side - right);
        let inside = (0..side).contains(&row) && (0..side).contains(&column);
        if inside { f32::from(image[(row * side + column) as usize]) / 255.0 } else { 0.0 }
    };
    (0..PIXELS.cast_signed()).map(pixel).collect()
}

/// Share of `images` that `network` classifies as labelled.
///
/// # Errors
/// If the tensor library fails.
pub fn accuracy(network: &JudgeNet, images: &Images, device: &Device) -> Result<f64> {
    const BATCH: usize = 256;
    let mut right = 0;
    for (pixels, labels) in images.pixels.chunks(BATCH * PIXELS).zip(images.labels.chunks(BATCH)) {
        let pixels: Vec<f32> = pixels.iter().map(|&p| f32::from(p) / 255.0).collect();
        let x = Tensor::from_vec(pixels, (labels.len(), 1, SIDE, SIDE), device)?;
        let classes = network.forward(&x)?.logits.argmax(1)?.to_vec1::<u32>()?;
        right += classes.iter().zip(labels).filter(|&(&class, &label)| class == u32::from(label)).count();
    }
    Ok(right as f64 / images.len() as f64)
}

/// Trains `state` to its end, telling `tell` everything; stops early after the step during which `stop` turns true.
/// Returns whether the run is complete.
///
/// # Errors
/// A diverged loss, or whatever `tell` or the tensor library reports.
pub fn train(
    state: &mut State,
    images: &Images,
    test: &Images,
    tell: &mut dyn FnMut(&Event, &State) -> Result<()>,
    stop: &dyn Fn() -> bool,
) -> Result<bool> {
    let total = state.total_steps();
    let used = state.config.check_data(images)?;
    let mut order = (u64::MAX, Vec::new());
    let mut sum = (0.0, 0u64);
    while state.step < total {
        let epoch = state.step / state.steps_per_epoch;
        if order.0 != epoch {
            order = (epoch, state.config.seed.stream(Stream::Shuffle, epoch, 0).permutation(used));
            sum = (0.0, 0);
        }

        let (x, labels) = state.batch(images, &order.1)?;
        let loss = cross_entropy(&state.network.forward(&x)?.logits, &labels)?;
        let grad_norm = state.optimizer.step(&loss.backward()?, state.step)?;
        if let Some(average) = &state.average {
            ema::update(average, &state.params, state.config.training.ema_decay, state.step)?;
        }

        let loss = f64::from(loss.to_scalar::<f32>()?);
        if !loss.is_finite() || !grad_norm.is_finite() {
            return Err(Error::Diverged { step: state.step, loss });
        }
        sum = (sum.0 + loss, sum.1 + 1);
        let learning_rate = state.optimizer.learning_rate(state.step);
        state.step += 1;
        let epoch = epoch + 1;
        tell(&Event::Step { epoch, loss, learning_rate }, state)?;
        if state.step.is_multiple_of(state.steps_per_epoch) {
            let test_accuracy = accuracy(&state.evaluation, test, &state.device)?;
            let train_loss = sum.0 / sum.1 as f64;
            tell(&Event::Epoch { epoch, train_loss, test_accuracy }, state)?;
        }
        if state.step < total && stop() {
            return Ok(false);
        }
    }
    Ok(true)
}
