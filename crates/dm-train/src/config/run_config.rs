//! The config of a run of any kind.

use std::path::Path;

use dm_degrade::model_config::toml_error;
use dm_nn::data::Dataset;
use dm_nn::rng::Seed;
use serde::Serialize;

use super::checkpoints::CheckpointSettings;
use super::classifier::ClassifierConfig;
use super::data::DataConfig;
use super::diffusion::DiffusionConfig;
use super::table;
use crate::error::{Error, Result};
use crate::schema1;
use crate::settings::TrainingSettings;

/// Everything that determines a run, and therefore every number that the run produces.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "there are few configs, and they live long")]
pub enum RunConfig {
    /// A diffusion model is trained.
    Diffusion(DiffusionConfig),
    /// A classifier is trained: the config has a table `[classifier]`.
    Classifier(ClassifierConfig),
}

impl RunConfig {
    /// Reads the TOML file at `path`, applies `overrides` (each `key.path=value`), and checks every field that can be
    /// checked without the data. Files of schema 1 are read as well, but overrides use the current keys.
    ///
    /// # Errors
    /// If reading fails, the file is not TOML, a key is not known, or a value is outside its domain. The error names the
    /// override that causes it, if one does.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let mut table = schema1::upgrade_config(table::read(path)?);
        let mut parsed = Self::from_table(&table);
        for text in overrides {
            let was_valid = parsed.is_ok();
            table::set(&mut table, text)?;
            parsed = Self::from_table(&table)
                .map_err(|message| if was_valid { format!("with --set {text}: {message}") } else { message });
        }
        parsed.map_err(|message| Error::config(path, message))
    }

    /// Parses a config, for example that of a model file; `path` names it in errors.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let table = schema1::upgrade_config(table::parse(text, path)?);
        Self::from_table(&table).map_err(|message| Error::config(path, message))
    }

    fn from_table(table: &toml::Table) -> std::result::Result<Self, String> {
        let (is_classifier, table) = (table.contains_key("classifier"), table.clone());
        let config = if is_classifier {
            table.try_into().map(Self::Classifier)
        } else {
            table.try_into().map(Self::Diffusion)
        };
        let config = config.map_err(|e| toml_error(&e))?;
        match &config {
            Self::Diffusion(config) => config.check(),
            Self::Classifier(config) => config.check(),
        }
        .map_err(|e| e.to_string())?;
        Ok(config)
    }

    /// The config as TOML, with every default written out.
    ///
    /// # Errors
    /// If a value has no TOML form.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::invalid("config", e, "values that TOML can hold"))
    }

    /// Name of the run.
    pub fn name(&self) -> &str {
        match self {
            Self::Diffusion(config) => &config.name,
            Self::Classifier(config) => &config.name,
        }
    }

    /// The settings of the run that do not depend on what is trained.
    pub fn settings(&self) -> TrainingSettings {
        match self {
            Self::Diffusion(config) => config.settings(),
            Self::Classifier(config) => config.settings(),
        }
    }

    /// How often the run saves checkpoints, and how many it keeps.
    pub fn checkpoints(&self) -> CheckpointSettings {
        let (every, keep) = match self {
            Self::Diffusion(config) => (config.training.checkpoint_every, config.training.keep_checkpoints),
            Self::Classifier(config) => (config.training.checkpoint_every, config.training.keep_checkpoints),
        };
        CheckpointSettings { every, keep }
    }

    /// Sets the root of all randomness.
    pub fn set_seed(&mut self, seed: Seed) {
        match self {
            Self::Diffusion(config) => config.seed = seed,
            Self::Classifier(config) => config.seed = seed,
        }
    }

    /// Where the images come from.
    pub fn data(&self) -> &DataConfig {
        match self {
            Self::Diffusion(config) => &config.data,
            Self::Classifier(config) => &config.data,
        }
    }

    /// Fills in the shape and the number of classes of `data`, and checks everything that depends on the data.
    ///
    /// # Errors
    /// If the config does not fit the data.
    pub fn resolve(self, data: &Dataset) -> Result<Self> {
        Ok(match self {
            Self::Diffusion(config) => Self::Diffusion(config.resolve(data)?),
            Self::Classifier(config) => Self::Classifier(config.resolve(data)?),
        })
    }
}
