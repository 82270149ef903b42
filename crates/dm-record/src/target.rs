//! What was evaluated: samples of a model, with everything needed to draw them again, or images from files.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::schema;
use crate::value::Value;

/// The images that were evaluated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Name of the model that the images were sampled from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Hash of the model's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Optimizer steps the model was trained for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// The table `degradation` of the model's config.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub degradation: BTreeMap<String, Value>,
    /// Name of the sampler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampler: Option<String>,
    /// Variance of the ancestral sampler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance: Option<String>,
    /// Network evaluations per image.
    #[serde(default, alias = "steps", skip_serializing_if = "Option::is_none")]
    pub nfe: Option<usize>,
    /// Share of fresh noise of the DDIM sampler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<f64>,
    /// Name of the spacing of the timesteps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing: Option<String>,
    /// Generation seeds, one for each set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// Files of the images, if they were not sampled for this evaluation.
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Shape of one image; absent in files of schema 1, where it is 1 x 28 x 28.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSize>,
    /// Number of images in each set, or in the whole pooled set.
    pub n: usize,
    /// Number of sets.
    #[serde(default)]
    pub sets: usize,
    /// Whether the sets are parts of one set.
    #[serde(default)]
    pub pooled: bool,
    /// Hash of the pixels of each set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets_sha256: Vec<String>,
    /// Time of sampling in seconds, if every image was sampled for this evaluation.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// Everything else that the metadata of a sample set states.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The shape of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSize {
    /// Colour channels.
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

impl Default for ImageSize {
    /// The shape of MNIST, which every file of schema 1 assumes.
    fn default() -> Self {
        Self { channels: 1, height: 28, width: 28 }
    }
}

impl Target {
    /// Translates the names of schema 1. It must be called once only: schema 1 used the current name `ancestral` for another
    /// sampler.
    pub fn upgrade(&mut self) {
        if self.sampler.as_deref() == Some("ancestral") {
            self.variance = Some("beta".into());
        }
        self.sampler = self.sampler.take().map(|name| schema::sampler(&name).to_owned());
        self.spacing = self.spacing.take().map(|name| schema::spacing(&name).to_owned());
        if let Some(steps) = self.degradation.remove("steps") {
            self.degradation.insert("timesteps".into(), steps);
        }
    }
}

/// A list, or a single text as a list of one.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}
