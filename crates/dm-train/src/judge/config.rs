//! The config of a judge: as that of a diffusion model, with a table `[judge]` in the place of network, degradation,
//! objective and sampling.

use std::path::Path;

use dm_nn::data::Images;
use dm_nn::nets::judge::JudgeConfig;
use dm_nn::rng::Seed;
use serde::{Deserialize, Serialize};

use crate::config::{DataConfig, Decay, OptimizerConfig, check_identity, first_seed, one_line, read_table};
use crate::error::{Error, Result};

/// Everything that decides a judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the run and of the judge.
    pub name: String,
    /// Root of all randomness.
    #[serde(default = "first_seed")]
    pub seed: Seed,
    /// Where the images come from.
    #[serde(default)]
    pub data: DataConfig,
    /// The network.
    pub judge: JudgeConfig,
    /// How it is learned.
    #[serde(default = "optimizer")]
    pub optimizer: OptimizerConfig,
    /// For how long.
    #[serde(default)]
    pub training: TrainingConfig,
}

/// AdamW with warm-up and half a cosine.
fn optimizer() -> OptimizerConfig {
    OptimizerConfig {
        learning_rate: 2e-3,
        weight_decay: 0.05,
        warmup_steps: 100,
        decay: Decay::Cosine,
        ..OptimizerConfig::default()
    }
}

/// For how long, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Passes over the training set.
    pub epochs: u64,
    /// Images per step. The last batch of a pass is dropped when it is short.
    pub batch: usize,
    /// Decay of the exponential moving average of the weights; 0 switches it off.
    pub ema_decay: f64,
    /// Training images used, from the first on; 0 means all.
    pub images: usize,
    /// Largest random shift of a training image, in pixels each way; 0 switches it off.
    pub shift: usize,
    /// Steps between two `step` lines of metrics.jsonl.
    pub log_every: u64,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self { epochs: 8, batch: 128, ema_decay: 0.99, images: 0, shift: 2, log_every: 50 }
    }
}

impl Config {
    /// A judge with every default.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            seed: first_seed(),
            data: DataConfig::default(),
            judge: JudgeConfig::default(),
            optimizer: optimizer(),
            training: TrainingConfig::default(),
        }
    }

    /// Whether the config file at `path` describes a judge: whether it has a table `[judge]`.
    ///
    /// # Errors
    /// An unreadable file or bad TOML.
    pub fn is_at(path: &Path) -> Result<bool> {
        Ok(read_table(path, &[])?.contains_key("judge"))
    }

    /// Reads the TOML file at `path`, applies `overrides` (each `key.path=value`), and checks every field.
    ///
    /// # Errors
    /// An unreadable file, bad TOML, an unknown key, or a value outside its domain.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let table = read_table(path, overrides)?;
        let config: Self = table.try_into().map_err(|e| Error::config(path, one_line(&e)))?;
        config.check().map_err(|e| Error::config(path, e))?;
        Ok(config)
    }

    /// The config as TOML, every default written out.
    ///
    /// # Errors
    /// If a value has no TOML form.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::invalid("config", e, "values that TOML can hold"))
    }

    /// Checks every field that can be checked without the data.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn check(&self) -> Result<()> {
        check_identity(&self.name, self.seed)?;
        self.judge.check()?;
        self.optimizer.check()?;
        let TrainingConfig { epochs, batch, ema_decay, shift, log_every, .. } = self.training;
        let ranges = [
            ("epochs", epochs, 1, 1_000_000),
            ("batch", batch as u64, 1, 65_536),
            ("shift", shift as u64, 0, 27),
            ("log_every", log_every, 1, 1_000_000),
        ];
        for (field, found, min, max) in ranges {
            if !(min..=max).contains(&found) {
                return Err(Error::invalid(format!("training.{field}"), found, format!("{min} to {max}")));
            }
        }
        if !(0.0..1.0).contains(&ema_decay) {
            return Err(Error::invalid("training.ema_decay", ema_decay, "0 to below 1"));
        }
        Ok(())
    }

    /// Checks the fields that depend on the training images; returns how many of them are used.
    ///
    /// # Errors
    /// More images than there are, or fewer than a batch.
    pub fn check_data(&self, train: &Images) -> Result<usize> {
        let TrainingConfig { images, batch, .. } = self.training;
        let used = if images == 0 { train.len() } else { images };
        if used > train.len() {
            return Err(Error::invalid("training.images", images, format!("at most {}", train.len())));
        }
        if used < batch {
            return Err(Error::invalid("training.batch", batch, format!("at most {used} images")));
        }
        Ok(used)
    }
}
