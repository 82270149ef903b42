//! The part of a run's config that rebuilds a model.

#![warn(clippy::indexing_slicing)]

use std::path::Path;

use dm_nn::image::ImageShape;
use dm_nn::nets::NetworkConfig;
use dm_nn::rng::Seed;
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::degradations::DegradationConfig;
use crate::error::{Error, Result};
use crate::parameterization::ParameterizationKind;
use crate::samplers::Sampling;
use crate::schema1;

/// The version of the layout of model files and configs that this crate writes.
pub const SCHEMA: &str = "2";
/// The older version that this crate still reads; see [`crate::schema1`].
const OLD_SCHEMA: &str = "1";
/// The largest number of classes: labels are bytes.
const MAX_CLASSES: usize = 256;
/// The longest name of a model or run, in bytes.
const MAX_NAME: usize = 100;

/// The part of a run's resolved config that rebuilds a model. A run's config has further tables, which are ignored here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// Name of the model.
    pub name: String,
    /// Root of all randomness of the training run.
    #[serde(default = "default_seed")]
    pub seed: Seed,
    /// Number of classes of the data set; 0 if its labels are not known.
    pub num_classes: usize,
    /// The shape of the images.
    pub image: ImageShape,
    /// The network.
    pub network: NetworkConfig,
    /// The process.
    pub degradation: DegradationConfig,
    /// The objective that the network was trained with.
    pub objective: ModelObjective,
    /// The default sampling settings.
    pub sampling: Sampling,
}

/// The part of the table `[objective]` that a model needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelObjective {
    /// The meaning of the network's output.
    pub parameterization: ParameterizationKind,
}

fn default_seed() -> Seed {
    Seed(1)
}

impl ModelConfig {
    /// Reads the model's part of a config.
    ///
    /// # Errors
    /// If a key is missing or has a wrong value; the error names `path`.
    pub fn from_table(config: Table, path: &Path) -> Result<Self> {
        config.try_into().map_err(|e| Error::format(path, "config", toml_error(&e), "the config of a model"))
    }

    /// Checks the fields that are not parts of the process or the network.
    ///
    /// # Errors
    /// If one is outside its domain.
    pub(crate) fn check(&self) -> Result<()> {
        check_name(&self.name)?;
        self.image.check("image")?;
        if self.num_classes > MAX_CLASSES {
            return Err(Error::invalid("num_classes", self.num_classes, format!("0 to {MAX_CLASSES}")));
        }
        Ok(())
    }
}

/// Checks the name of a model or run. It becomes the name of a folder, so it must not lead elsewhere.
///
/// # Errors
/// If the name has other characters than letters, digits, `-`, `_` and `.`, begins with a dot, or is empty or long.
pub fn check_name(name: &str) -> Result<()> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=MAX_NAME).contains(&name.len()) && !name.starts_with('.') && name.chars().all(is_allowed) {
        return Ok(());
    }
    let expected = format!("1 to {MAX_NAME} letters, digits, - _ . and no dot at the beginning");
    Err(Error::invalid("name", format!("{name:?}"), expected))
}

/// Parses the config in a file of schema `schema`, and upgrades it to the current one.
///
/// # Errors
/// If the schema is not known or the text is not TOML; the error names `path`.
pub fn parse_config(text: &str, schema: &str, path: &Path) -> Result<Table> {
    if schema != SCHEMA && schema != OLD_SCHEMA {
        return Err(Error::format(path, "schema", schema, format!("{OLD_SCHEMA} or {SCHEMA}")));
    }
    let table = text.parse::<Table>();
    let table = table.map_err(|e| Error::format(path, "config", toml_error(&e), "TOML"))?;
    Ok(if schema == OLD_SCHEMA { schema1::upgrade(table) } else { table })
}

/// A TOML error in one line: its place in the text or its key, and what is wrong.
pub fn toml_error(error: &toml::de::Error) -> String {
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
