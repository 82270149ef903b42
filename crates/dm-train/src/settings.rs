//! The settings that every run has, whatever it trains: seed, length, batches and optimizer.

use dm_degrade::model_config::check_name;
use dm_nn::data::Images;
use dm_nn::rng::Seed;

use crate::error::{Error, Result};
use crate::optimizer::OptimizerConfig;

/// Settings of a run that do not depend on the task.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingSettings {
    /// Name of the run and of the model: 1 to 100 letters, digits, `-`, `_` and `.`, and no dot at the beginning.
    pub name: String,
    /// Root of all randomness.
    pub seed: Seed,
    /// Passes over the training set. The last batch of a pass is dropped if it is incomplete, as in the starter notebook.
    pub epochs: u64,
    /// Images per step.
    pub batch_size: usize,
    /// Number of micro-batches into which the images of a step are divided. Their gradients are added. With more micro-batches
    /// a step takes less memory; the results change by rounding errors only.
    pub gradient_accumulation: usize,
    /// Number of training images used, from the first on; 0 means all.
    pub max_images: usize,
    /// Decay of the exponential moving average of the weights; 0 switches the average off.
    pub ema_decay: f64,
    /// Number of steps between two reports of the mean loss.
    pub log_every: u64,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
}

/// The seed of a config that does not state one.
pub(crate) fn default_seed() -> Seed {
    Seed(1)
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            name: "model".into(),
            seed: default_seed(),
            epochs: 1,
            batch_size: 128,
            gradient_accumulation: 1,
            max_images: 0,
            ema_decay: 0.0,
            log_every: 20,
            optimizer: OptimizerConfig::default(),
        }
    }
}

impl TrainingSettings {
    /// Checks every field. Errors name the fields by their keys in a config.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn check(&self) -> Result<()> {
        check_name(&self.name)?;
        // A config stores the seed as a number of TOML, which is signed.
        if i64::try_from(self.seed.0).is_err() {
            return Err(Error::invalid("seed", self.seed.0, format!("0 to {}", i64::MAX)));
        }
        check_ranges(&[
            ("epochs", self.epochs, 1, 1_000_000),
            ("batch_size", self.batch_size as u64, 1, 65_536),
            ("gradient_accumulation", self.gradient_accumulation as u64, 1, self.batch_size as u64),
            ("log_every", self.log_every, 1, 1_000_000),
        ])?;
        if !(0.0..1.0).contains(&self.ema_decay) {
            return Err(Error::invalid("training.ema_decay", self.ema_decay, "0 to below 1"));
        }
        self.optimizer.check()
    }

    /// Number of images of `train` that the run uses.
    ///
    /// # Errors
    /// If `max_images` is larger than the training set, or a batch needs more images than the run uses.
    pub fn used_images(&self, train: &Images) -> Result<usize> {
        let used = if self.max_images == 0 { train.len() } else { self.max_images };
        if used > train.len() {
            return Err(Error::invalid(
                "training.max_images",
                used,
                format!("at most {}, or 0 for all images", train.len()),
            ));
        }
        if used < self.batch_size {
            return Err(Error::invalid(
                "training.batch_size",
                self.batch_size,
                format!("at most {used} images, those of the run; `--set training.batch_size=` changes it"),
            ));
        }
        Ok(used)
    }
}

/// Checks keys of the table `[training]`: each key with its value, its smallest and its largest allowed value.
pub(crate) fn check_ranges(ranges: &[(&str, u64, u64, u64)]) -> Result<()> {
    match ranges.iter().find(|(_, found, min, max)| !(min..=max).contains(&found)) {
        None => Ok(()),
        Some((key, found, min, max)) => {
            Err(Error::invalid(format!("training.{key}"), found, format!("{min} to {max}")))
        }
    }
}
