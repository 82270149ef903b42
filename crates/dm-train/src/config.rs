//! The config of a run: typed TOML, unknown keys refused, every default written here.
//!
//! A resolved config (all defaults filled in) is part of every run folder and of every model file; it rebuilds network,
//! degradation and sampler.

use std::path::{Path, PathBuf};

use dm_degrade::{Degradation, DegradationConfig, Prediction, SamplerKind, Sampling};
use dm_nn::data::Images;
use dm_nn::nets::NetworkConfig;
use dm_nn::rng::Seed;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::levels::LevelLaw;
use crate::objective::Weighting;

/// Everything that decides a training run, and with it every number it produces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the run and of the model.
    pub name: String,
    /// Root of all randomness.
    #[serde(default = "first_seed")]
    pub seed: Seed,
    /// Where the images come from.
    #[serde(default)]
    pub data: DataConfig,
    /// The network.
    pub network: NetworkConfig,
    /// The forward process.
    pub degradation: DegradationConfig,
    /// What is learned.
    pub objective: ObjectiveConfig,
    /// How it is learned.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// For how long.
    #[serde(default)]
    pub training: TrainingConfig,
    /// How images are drawn from the trained model.
    pub sampling: Sampling,
}

pub(crate) fn first_seed() -> Seed {
    Seed(1)
}

/// Where the images come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Folder with the four IDX files.
    pub dir: PathBuf,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { dir: PathBuf::from("data/mnist") }
    }
}

/// What is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveConfig {
    /// What the network predicts; decides the loss.
    pub prediction: Prediction,
    /// Whether level T is among the levels trained on. The notebook's `randint(1, T)` leaves it out.
    #[serde(default = "yes")]
    pub last_level: bool,
    /// How much each image counts.
    #[serde(default)]
    pub weighting: Weighting,
    /// How the levels of a batch are drawn.
    #[serde(default)]
    pub levels: LevelLaw,
    /// Share of training images whose class is hidden from the network, so that it also learns to do without; only if
    /// `network.classes` is not 0.
    #[serde(default = "tenth")]
    pub label_dropout: f64,
}

fn tenth() -> f64 {
    0.1
}

fn yes() -> bool {
    true
}

/// How the learning rate moves after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Not at all.
    Constant,
    /// Half a cosine down to 2 % of the learning rate.
    Cosine,
}

/// Adam and AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay; 0 is plain Adam.
    pub weight_decay: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// What follows the warm-up.
    pub decay: Decay,
    /// Largest norm of the whole gradient; 0 switches clipping off.
    pub clip: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            learning_rate: 2e-4,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            warmup_steps: 0,
            decay: Decay::Constant,
            clip: 0.0,
        }
    }
}

/// For how long, and what is written down on the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Passes over the training set. The last batch of a pass is dropped when it is short, as in the notebook.
    pub epochs: u64,
    /// Images per step.
    pub batch: usize,
    /// Decay of the exponential moving average of the weights; 0 switches it off.
    pub ema_decay: f64,
    /// Training images used, from the first on; 0 means all.
    pub images: usize,
    /// Test images whose loss is measured after each epoch, with fixed noise; 0 switches it off.
    pub validation_images: usize,
    /// Steps between two `step` lines of metrics.jsonl.
    pub log_every: u64,
    /// Steps between two checkpoints; one is also written after each epoch.
    pub checkpoint_every: u64,
    /// Samples drawn after each epoch, always from the same seeds; 0 switches it off.
    pub grid: usize,
    /// Network evaluations per sample of that grid, at most, see [`Config::grid_sampling`]; 0 means as in `sampling`.
    pub grid_steps: usize,
    /// Epochs between two measurements of samples against the test images, one more after the last epoch; 0 switches
    /// them off.
    pub eval_every: u64,
    /// Samples drawn for each of them, always from the same seeds. Values at different numbers do not compare.
    pub eval_images: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            batch: 128,
            ema_decay: 0.0,
            images: 0,
            validation_images: 1000,
            log_every: 20,
            checkpoint_every: 200,
            grid: 40,
            grid_steps: 0,
            eval_every: 0,
            eval_images: 1000,
        }
    }
}

impl Config {
    /// Reads the TOML file at `path`, applies `overrides` (each `key.path=value`), and checks every field.
    ///
    /// # Errors
    /// An unreadable file, bad TOML, an unknown key, or a value outside its domain.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let config: Self =
            read_table(path, overrides)?.try_into().map_err(|e| Error::config(path, one_line(&e)))?;
        config.check().map_err(|e| Error::config(path, e))?;
        Ok(config)
    }

    /// Parses a resolved config, for example from a model file; `origin` names it in errors.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, origin: &Path) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|e| Error::config(origin, one_line(&e)))?;
        config.check().map_err(|e| Error::config(origin, e))?;
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
        self.network.check()?;
        // Any fitted numbers will do to check the rest of the degradation.
        let degradation = self.degradation.build(&[1.0])?;
        self.objective.check(&*degradation)?;
        self.optimizer.check()?;
        self.training.check()?;
        self.sampling.check(&*degradation)?;
        check_identity(&self.name, self.seed)?;
        if !self.objective.last_level && degradation.steps() < 2 {
            return Err(Error::invalid(
                "objective.last_level",
                "false with one level",
                "at least two levels",
            ));
        }
        Ok(())
    }
}

impl Config {
    /// How the grid after each epoch is drawn: as in `sampling`, with at most `training.grid_steps` evaluations if they are
    /// set. The sampler `prince` knows the whole chain only; what it does there, `ancestral` does between any levels.
    pub fn grid_sampling(&self) -> Sampling {
        let (own, most) = (self.sampling, self.training.grid_steps);
        if most == 0 || most >= own.steps {
            return own;
        }
        let sampler = if own.sampler == SamplerKind::Prince { SamplerKind::Ancestral } else { own.sampler };
        Sampling { sampler, steps: most, ..own }
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

impl ObjectiveConfig {
    /// The objective of `prediction`, every other key at its default.
    pub fn new(prediction: Prediction) -> Self {
        let (weighting, levels) = (Weighting::default(), LevelLaw::default());
        Self { prediction, last_level: yes(), weighting, levels, label_dropout: tenth() }
    }

    fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        self.prediction.check(degradation)?;
        self.weighting.check(self.prediction, degradation)?;
        if !(0.0..1.0).contains(&self.label_dropout) {
            return Err(Error::invalid("objective.label_dropout", self.label_dropout, "0 to below 1"));
        }
        Ok(())
    }
}

/// Checks name and seed of a run: a file name, and a number that TOML can hold.
pub(crate) fn check_identity(name: &str, seed: Seed) -> Result<()> {
    let file_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(file_name) {
        return Err(Error::invalid("name", format!("{name:?}"), "letters, digits, - _ ."));
    }
    if i64::try_from(seed.0).is_err() {
        return Err(Error::invalid("seed", seed.0, "less than 2^63"));
    }
    Ok(())
}

impl OptimizerConfig {
    pub(crate) fn check(&self) -> Result<()> {
        let share = |v: f64| (0.0..1.0).contains(&v);
        let positive = |v: f64| v > 0.0 && v.is_finite();
        let not_negative = |v: f64| v >= 0.0 && v.is_finite();
        let rules = [
            ("learning_rate", self.learning_rate, positive(self.learning_rate), "above 0"),
            ("beta1", self.beta1, share(self.beta1), "0 to below 1"),
            ("beta2", self.beta2, share(self.beta2), "0 to below 1"),
            ("eps", self.eps, positive(self.eps), "above 0"),
            ("weight_decay", self.weight_decay, not_negative(self.weight_decay), "at least 0"),
            ("clip", self.clip, not_negative(self.clip), "at least 0"),
        ];
        match rules.iter().find(|rule| !rule.2) {
            Some((field, found, _, expected)) => {
                Err(Error::invalid(format!("optimizer.{field}"), found, expected))
            }
            None => Ok(()),
        }
    }
}

impl TrainingConfig {
    fn check(&self) -> Result<()> {
        let ranges = [
            ("epochs", self.epochs, 1, 1_000_000),
            ("batch", self.batch as u64, 1, 65_536),
            ("validation_images", self.validation_images as u64, 0, 1_000_000),
            ("log_every", self.log_every, 1, 1_000_000),
            ("checkpoint_every", self.checkpoint_every, 1, 1_000_000),
            ("grid", self.grid as u64, 0, 10_000),
            ("eval_every", self.eval_every, 0, 1_000_000),
            // Fewer have no covariance of full rank.
            ("eval_images", self.eval_images as u64, 100, 100_000),
        ];
        for (field, found, min, max) in ranges {
            if !(min..=max).contains(&found) {
                return Err(Error::invalid(format!("training.{field}"), found, format!("{min} to {max}")));
            }
        }
        if !(0.0..1.0).contains(&self.ema_decay) {
            return Err(Error::invalid("training.ema_decay", self.ema_decay, "0 to below 1"));
        }
        Ok(())
    }
}

/// The TOML file at `path` with `overrides` applied.
pub(crate) fn read_table(path: &Path, overrides: &[String]) -> Result<toml::Table> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let mut table: toml::Table = text.parse().map_err(|e| Error::config(path, one_line(&e)))?;
    overrides.iter().try_for_each(|o| apply_override(&mut table, o))?;
    Ok(table)
}

/// Sets `key.path=value` in `table`. The value is read as TOML where it is TOML, else as a string.
fn apply_override(table: &mut toml::Table, text: &str) -> Result<()> {
    let expected = "key.path=value";
    let (path, value) = text.split_once('=').ok_or_else(|| Error::invalid("--set", text, expected))?;
    let parsed: Option<toml::Value> =
        format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("v"));
    let value = parsed.unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    let last = keys.pop().unwrap_or_default();
    let mut place = table;
    for key in keys {
        let next = place.entry(key).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        place = next.as_table_mut().ok_or_else(|| {
            Error::invalid("--set", path, format!("a key below a table; `{key}` is a value"))
        })?;
    }
    if last.is_empty() {
        return Err(Error::invalid("--set", text, expected));
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

/// A TOML error without its drawing: the line where it is in a text, or the key.
pub(crate) fn one_line(error: &toml::de::Error) -> String {
    let message = error.message().lines().map(str::trim).collect::<Vec<_>>().join(", ");
    let drawing = error.to_string();
    if let Some(place) = drawing.lines().next().filter(|line| line.starts_with("TOML parse error")) {
        return format!("{place}: {message}");
    }
    match drawing.lines().last().and_then(|line| line.strip_prefix("in `")?.strip_suffix('`')) {
        Some(key) => format!("{key}: {message}"),
        None => message,
    }
}
