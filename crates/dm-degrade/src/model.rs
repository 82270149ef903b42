//! Model files: weights with the config that rebuilds network, degradation, parameterization and sampler from one file.
//!
//! A model file is a safetensors file. Its tensors are exactly the network's parameters under their own names; everything
//! else is metadata: `schema`, `config` (TOML), `fitted` (JSON), `class_names` (JSON), `step` and `data_sha256`.

#![warn(clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use dm_nn::hash::sha256_hex;
use dm_nn::image::ImageShape;
use dm_nn::nets::{BuildNetwork, Network};
use dm_nn::params::Params;
use dm_nn::params::file::{TensorFile, read_bounded};
use dm_nn::storage::{Disk, Storage};

use crate::degradation::Degradation;
use crate::denoiser::{NetworkDenoiser, WeakNetwork};
use crate::error::{Error, Result};
use crate::generate::{self, BatchObserver, Request};
use crate::model_config::{ModelConfig, SCHEMA, parse_config};
use crate::parameterization::Parameterization;
use crate::samplers::Sampling;

/// The name of the model file in a run folder.
pub const FILE: &str = "model.safetensors";

/// Metadata entries of the files of classifiers, of either schema, which are not models.
const CLASSIFIER_ENTRIES: [&str; 4] = ["judge", "judge_config", "classifier", "classifier_config"];

/// A trained model, ready to sample from.
pub struct Model {
    /// Name of the model.
    pub name: String,
    /// The shape of its images.
    pub shape: ImageShape,
    /// Number of classes of the data set; 0 if its labels are not known.
    pub num_classes: usize,
    /// The names of the classes, `num_classes` of them.
    pub class_names: Vec<String>,
    /// The process.
    pub degradation: Box<dyn Degradation>,
    /// The meaning of the network's output.
    pub parameterization: Arc<dyn Parameterization>,
    /// The default sampling settings.
    pub sampling: Sampling,
    /// Number of the network's parameters.
    pub parameters: usize,
    /// The config that rebuilds the model.
    pub config: ModelConfig,
    /// The numbers that the process was fitted to the training set with; see [`crate::DegradationConfig::fit`].
    pub fitted: Vec<f32>,
    /// The origin of the model.
    pub provenance: Provenance,
    network: Box<dyn Network>,
    device: Device,
}

/// The origin of a model: its file and its training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The model file.
    pub path: PathBuf,
    /// SHA-256 of the model file, in hexadecimal.
    pub sha256: String,
    /// Number of training steps.
    pub step: u64,
    /// SHA-256 of the training data, in hexadecimal; empty if it is not known.
    pub data_sha256: String,
    /// The whole config of the training run, as TOML in the current schema.
    pub config: String,
}

/// The content of a model file besides the weights.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a> {
    /// The config of the training run, as TOML in the current schema; a [`ModelConfig`] is part of it.
    pub config: &'a str,
    /// The numbers that the process was fitted to the training set with.
    pub fitted: &'a [f32],
    /// The names of the classes.
    pub class_names: &'a [String],
    /// Number of training steps.
    pub step: u64,
    /// SHA-256 of the training data, in hexadecimal; empty if it is not known.
    pub data_sha256: &'a str,
}

impl Model {
    /// Reads the model file at `path`, or the one in the run folder at `path`, to compute on `device`. The file is read and
    /// hashed once. Files of schema 1 are read as well.
    ///
    /// # Errors
    /// If reading fails, the file is not a model's, or its tensors are not exactly the network's parameters.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let path = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
        Self::from_bytes(&path, &read_bounded(&path)?, device)
    }

    /// As [`Self::open`], from the content `bytes` of a model file; `path` names it in errors and in the provenance.
    ///
    /// # Errors
    /// As [`Self::open`], except that nothing is read.
    pub fn from_bytes(path: &Path, bytes: &[u8], device: &Device) -> Result<Self> {
        let sha256 = sha256_hex(bytes);
        let file = TensorFile::parse(path, bytes)?;
        check_is_model(&file)?;
        let table = parse_config(file.metadata("config")?, file.metadata("schema")?, path)?;
        let provenance = Provenance {
            path: path.to_owned(),
            sha256,
            step: json_entry(&file, "step", "a number of steps")?,
            data_sha256: file.metadata("data_sha256")?.to_owned(),
            config: table.to_string(),
        };
        let config = ModelConfig::from_table(table, path)?;
        let invalid = |e: Error| Error::format(path, "config", e, "the config of a model");
        config.check().map_err(invalid)?;
        let fitted: Vec<f32> = json_entry(&file, "fitted", "a list of numbers")?;
        let class_names: Vec<String> = if file.has_metadata("class_names") {
            json_entry(&file, "class_names", "a list of names")?
        } else {
            (0..config.num_classes).map(|class| class.to_string()).collect()
        };
        if class_names.len() != config.num_classes {
            let found = format!("{} names", class_names.len());
            let expected = format!("{} as in the config", config.num_classes);
            return Err(Error::format(path, "metadata `class_names`", found, expected));
        }
        let degradation = config.degradation.build(config.image, &fitted).map_err(invalid)?;
        let parameterization = config.objective.parameterization.build();
        parameterization.check(&*degradation).map_err(invalid)?;
        config.sampling.check(&*degradation).map_err(invalid)?;
        let mut params = Params::for_file(&file, config.seed, device);
        let input = config.image.with_channels(degradation.codec().input_channels());
        let network = config.network.build(input, config.image.channels, params.frozen());
        let network = network.map_err(|e| invalid(e.into()))?;
        params.load(&file, "")?;
        Ok(Self {
            name: config.name.clone(),
            shape: config.image,
            num_classes: config.num_classes,
            class_names,
            degradation,
            parameterization,
            sampling: config.sampling,
            parameters: params.count(),
            config,
            fitted,
            provenance,
            network,
            device: device.clone(),
        })
    }

    /// The network as a denoiser, without a class.
    pub fn denoiser(&self) -> NetworkDenoiser<'_> {
        NetworkDenoiser {
            network: &*self.network,
            parameterization: &*self.parameterization,
            degradation: &*self.degradation,
            device: &self.device,
            condition: None,
            weak: None,
        }
    }

    /// The network as a denoiser that the weaker model `weak` guides with `weight`: autoguidance; see [`WeakNetwork`].
    ///
    /// # Errors
    /// If `weak` is a model of other images, of another process or parameterization, or takes other classes.
    pub fn denoiser_guided_by<'a>(&'a self, weak: &'a Self, weight: f32) -> Result<NetworkDenoiser<'a>> {
        weak.check_shape(self.shape, "weak model")?;
        let same = weak.config.degradation == self.config.degradation
            && weak.config.objective == self.config.objective
            && weak.conditional_classes() == self.conditional_classes();
        if !same {
            let expected = "a model of the same degradation, parameterization and classes";
            return Err(Error::invalid("weak model", format!("`{}`", weak.name), expected));
        }
        Ok(NetworkDenoiser { weak: Some(WeakNetwork { network: &*weak.network, weight }), ..self.denoiser() })
    }

    /// Samples images as u8 `[count, C, H, W]`; see [`generate::images`].
    ///
    /// # Errors
    /// As [`generate::images`].
    pub fn sample(&self, request: &Request<'_>, observer: &mut BatchObserver<'_>) -> Result<Vec<u8>> {
        generate::images(&self.denoiser(), request, observer)
    }

    /// Number of classes that the network can be conditioned on; 0 if it takes none.
    pub fn conditional_classes(&self) -> usize {
        self.config.network.num_classes()
    }

    /// The device that the model runs on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Checks that images of `shape`, which `what` names, can be given to this model.
    ///
    /// # Errors
    /// If the model was trained on another shape.
    pub fn check_shape(&self, shape: ImageShape, what: &str) -> Result<()> {
        if shape == self.shape {
            return Ok(());
        }
        let expected = format!("{}, the shape of the images that `{}` was trained on", self.shape, self.name);
        Err(Error::invalid(format!("{what}: shape of the images"), shape, expected))
    }
}

/// Writes a model file to `path`, atomically: the parameters of `params` and what `description` says.
///
/// # Errors
/// If reading or writing fails.
pub fn write(path: &Path, description: &Description<'_>, params: &Params) -> Result<()> {
    write_to(&Disk, path, description, params)
}

/// As [`write()`], through `storage`.
///
/// # Errors
/// As [`write()`].
pub fn write_to(
    storage: &dyn Storage,
    path: &Path,
    description: &Description<'_>,
    params: &Params,
) -> Result<()> {
    let mut file = TensorFile::new(path);
    for (name, var) in params.iter() {
        file.insert(name, var)?;
    }
    file.set_metadata("schema", SCHEMA);
    file.set_metadata("config", description.config);
    file.set_metadata("fitted", json("fitted", &description.fitted)?);
    file.set_metadata("class_names", json("class_names", &description.class_names)?);
    file.set_metadata("step", description.step.to_string());
    file.set_metadata("data_sha256", description.data_sha256);
    Ok(file.write_to(storage)?)
}

/// Checks that `file` is a model's, and not a classifier's or another tensor file.
fn check_is_model(file: &TensorFile) -> Result<()> {
    let refused = |found| Error::format(file.path(), "metadata `config`", found, "a diffusion model");
    if CLASSIFIER_ENTRIES.iter().any(|entry| file.has_metadata(entry)) {
        return Err(refused("a classifier, which is for `dm eval --classifier`"));
    }
    if !file.has_metadata("config") {
        return Err(refused("no entry; models are written by `dm train` and `dm import`"));
    }
    Ok(())
}

/// The metadata entry `name`, parsed as JSON.
fn json_entry<T: serde::de::DeserializeOwned>(file: &TensorFile, name: &str, expected: &str) -> Result<T> {
    let text = file.metadata(name)?;
    serde_json::from_str(text)
        .map_err(|_| Error::format(file.path(), format!("metadata `{name}`"), text, expected))
}

/// `value` as JSON.
fn json(field: &str, value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::invalid(field, e, "values that JSON can hold"))
}
