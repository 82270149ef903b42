//! Parameters of any network, for which a config is given.

use std::path::Path;

use candle_core::Device;
use dm_degrade::degradations::DegradationConfig;
use dm_degrade::model::{self, Description};
use dm_degrade::model_config::{ModelConfig, SCHEMA, parse_config};
use dm_nn::nets::BuildNetwork;
use dm_nn::params::Params;
use dm_nn::params::file::TensorFile;

use super::{names, schedule};
use crate::config::RunConfig;
use crate::error::{Error, Result};

/// The text of the config at `path` of a diffusion model, complete as [`convert_with`] needs it.
///
/// # Errors
/// If it is not the config of a diffusion model, or does not state the shape of the images.
pub fn read_config(path: &Path) -> Result<String> {
    let RunConfig::Diffusion(mut config) = RunConfig::read(path, &[])? else {
        return Err(Error::config(
            path,
            "found the config of a classifier, expected that of a diffusion model",
        ));
    };
    if config.image.is_none() {
        let message = "image: found none, expected the shape of the images: a table [image] with channels, height and width";
        return Err(Error::config(path, message));
    }
    config.num_classes.get_or_insert(config.network.num_classes());
    RunConfig::Diffusion(config).to_toml()
}

/// Converts the parameters in `file` to a model file at `to`, with the config and the other content of `description`. If the file
/// holds several networks, `prefix` chooses the one whose parameters have names that begin with it. Classes without names are
/// numbered. Returns a note about tensors that were ignored, if there are any.
///
/// # Errors
/// If the parameters are not exactly those of the network in the config, the config needs numbers that are fitted to a training
/// set and `description` has none, or the file states another schedule. Nothing is then written.
pub fn convert_with(
    file: &TensorFile,
    prefix: &str,
    description: &Description<'_>,
    to: &Path,
) -> Result<Option<String>> {
    let path = file.path();
    let config = ModelConfig::from_table(parse_config(description.config, SCHEMA, path)?, path)?;
    let degradation = config.degradation.build(config.image, description.fitted).map_err(|e| {
        let found = format!("none that fits ({e})");
        let expected = "numbers fitted to a training set: give a model instead of a config";
        Error::format(path, "fitted numbers of the degradation", found, expected)
    })?;
    let mut params = Params::for_file(file, config.seed, &Device::Cpu);
    let input = config.image.with_channels(degradation.codec().input_channels());
    config.network.build(input, config.image.channels, params.frozen())?;
    let first = params.iter().next().map(|(name, _)| name.to_owned()).unwrap_or_default();
    let split = names::split(file, prefix, &first)?;
    if let DegradationConfig::Gaussian(process) = &config.degradation {
        schedule::check(&split.tables, process.timesteps, &process.schedule)?;
    }
    params.load(&split.weights, "")?;
    let numbered: Vec<String> = (0..config.num_classes).map(|class| class.to_string()).collect();
    let class_names = if description.class_names.is_empty() { &numbered } else { description.class_names };
    model::write(to, &Description { class_names, ..*description }, &params)?;
    Ok(split.note)
}
