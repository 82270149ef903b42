//! The files inside the program: a model, its classifier, test images, and what evaluations need of all test images. With them
//! the program works in any folder, without another file.

use std::path::Path;

use anyhow::{Context, Result};
use dm_eval::protocol::ReferenceStatistics;
use dm_nn::data::{Dataset, Images, idx};
use dm_nn::hash::sha256_hex;
use dm_nn::image::ImageShape;

/// The file of a model or a classifier.
pub struct ModelFile {
    /// The name without the ending, which is the name of the model or classifier.
    pub name: &'static str,
    /// The content of the file.
    pub bytes: &'static [u8],
}

/// The files of models and classifiers.
pub const MODELS: [ModelFile; 2] = [
    ModelFile { name: "ink-unet", bytes: include_bytes!("../embedded/ink-unet.safetensors") },
    ModelFile { name: "classifier", bytes: include_bytes!("../embedded/classifier.safetensors") },
];
/// The first test images of MNIST, and their labels.
const IMAGES: &[u8] = include_bytes!("../embedded/test-images-idx3-ubyte");
const LABELS: &[u8] = include_bytes!("../embedded/test-labels-idx1-ubyte");
/// The statistics of all test images of MNIST in the features of the classifier.
const REFERENCE: &str = include_str!("../embedded/reference.json");

/// The file of the model or classifier `name`.
pub fn model_file(name: &str) -> Option<&'static ModelFile> {
    MODELS.iter().find(|file| file.name == name)
}

/// The test images as a data set. They take the place of training images too, which a degradation is fitted to.
///
/// # Errors
/// If a file inside the program is damaged.
pub fn test_data() -> Result<Dataset> {
    let images = idx::from_bytes(Path::new("test images inside the program"), IMAGES)?;
    let labels = idx::from_bytes(Path::new("test labels inside the program"), LABELS)?;
    let [_, height, width] = images.shape[..] else {
        anyhow::bail!("test images inside the program: shape: found {:?}, expected [n, H, W]", images.shape);
    };
    let sha256 = sha256_hex([images.raw_sha256, labels.raw_sha256].concat().as_bytes());
    let shape = ImageShape::new(1, height, width);
    let test = Images { shape, num_classes: 10, pixels: images.items, labels: labels.items };
    test.validate("test images inside the program")?;
    let data = Dataset::in_memory(test.clone(), test)?;
    Ok(Dataset { sha256, format: "test images inside the program", ..data })
}

/// The statistics of all test images of MNIST.
///
/// # Errors
/// If the file inside the program is damaged.
pub fn reference() -> Result<ReferenceStatistics> {
    serde_json::from_str(REFERENCE).context("statistics of the reference inside the program")
}
