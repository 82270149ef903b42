//! The classifier whose features the metrics compare: u8 images become features and logits, batch by batch.
//!
//! A classifier is a safetensors file written by `dm train`. Its tensors are the network's parameters. Its metadata holds the
//! sizes of the network, the shape of the images, and the number of classes.

#![warn(clippy::indexing_slicing)]

use std::path::Path;

use candle_core::{Device, Tensor};
use dm_nn::hash::sha256_hex;
use dm_nn::image::{ImageShape, to_unit};
use dm_nn::nets::classifier::{ClassifierConfig, ClassifierNet};
use dm_nn::params::Params;
use dm_nn::params::file::{TensorFile, read_bounded};
use dm_nn::rng::Seed;
use serde::de::DeserializeOwned;

use crate::classifier_output::ClassifierOutput;
use crate::error::{Result, count_images};

/// Images per batch. The batch size changes results by rounding at most.
const BATCH: usize = 256;

/// Image shape and number of classes of all files of schema 1, which store neither.
const SCHEMA_1: (ImageShape, usize) = (ImageShape::new(1, 28, 28), 10);

/// A trained classifier.
pub struct Classifier {
    /// The name under which it was trained.
    pub name: String,
    /// SHA-256 of its file, in hexadecimal.
    pub sha256: String,
    /// Share of the test images that it assigned to their class after training.
    pub test_accuracy: f64,
    /// Shape of its images.
    pub shape: ImageShape,
    /// Number of classes.
    pub num_classes: usize,
    /// Number of features.
    pub features: usize,
    net: ClassifierNet,
    device: Device,
}

impl Classifier {
    /// Reads the classifier file at `path`, to compute on `device`. The file is read and hashed once. Files of schema 1 are
    /// read as well.
    ///
    /// # Errors
    /// If reading fails, the file is not a classifier's, or its tensors are not exactly the network's parameters.
    pub fn read(path: &Path, device: &Device) -> Result<Self> {
        Self::from_bytes(path, &read_bounded(path)?, device)
    }

    /// As [`Self::read`], from the content `bytes` of a classifier's file; `path` names it in errors.
    ///
    /// # Errors
    /// As [`Self::read`], except that nothing is read.
    pub fn from_bytes(path: &Path, bytes: &[u8], device: &Device) -> Result<Self> {
        let file = TensorFile::parse(path, bytes)?;
        let header = Header::read(&file)?;
        let mut params = Params::for_file(&file, Seed(0), device);
        let net = header.config.build(header.shape, header.num_classes, params.frozen())?;
        params.load(&file, "")?;
        Ok(Self {
            name: header.name,
            sha256: sha256_hex(bytes),
            test_accuracy: header.test_accuracy,
            shape: header.shape,
            num_classes: header.num_classes,
            features: header.config.features,
            net,
            device: device.clone(),
        })
    }

    /// The content of an ONNX file of the classifier in `file`: an input `x` [batch, C, H, W] in [0, 1], and the outputs
    /// `features` and `logits`; see [`ClassifierConfig::to_onnx`].
    ///
    /// # Errors
    /// If the file is not a classifier's.
    pub fn to_onnx(file: &TensorFile) -> Result<Vec<u8>> {
        let Header { config, name, shape, num_classes, test_accuracy } = Header::read(file)?;
        let accuracy = test_accuracy.to_string();
        let metadata = [("name", name.as_str()), ("test_accuracy", &accuracy)];
        Ok(config.to_onnx(shape, num_classes, file, &metadata)?)
    }

    /// Checks that the classifier takes images of `shape`; `field` names them in the error.
    ///
    /// # Errors
    /// If the classifier was trained with images of another shape.
    pub fn check_shape(&self, shape: ImageShape, field: &str) -> Result<()> {
        if shape == self.shape {
            return Ok(());
        }
        let expected = format!("{} as for the classifier `{}`", self.shape, self.name);
        Err(dm_nn::Error::invalid(format!("{field}: shape of the images"), shape, expected).into())
    }

    /// Features and logits of the images `pixels` [n, C, H, W]. After each batch `progress` receives the number of images done.
    ///
    /// # Errors
    /// If `pixels` are not whole images, there are none, or the network returns values that are not finite.
    pub fn extract_features(
        &self,
        pixels: &[u8],
        progress: &mut dyn FnMut(usize),
    ) -> Result<ClassifierOutput> {
        let len = self.shape.len();
        let n = count_images("images to classify", pixels.len(), len)?;
        let (mut features, mut logits, mut done) = (Vec::new(), Vec::new(), 0);
        for batch in pixels.chunks(BATCH * len) {
            let mut values = vec![0.0; batch.len()];
            to_unit(batch, &mut values);
            let count = batch.len() / len;
            let output =
                self.net.forward(&Tensor::from_vec(values, self.shape.dims(count), &self.device)?)?;
            features.extend(output.features.flatten_all()?.to_vec1::<f32>()?);
            logits.extend(output.logits.flatten_all()?.to_vec1::<f32>()?);
            done += count;
            progress(done);
        }
        ClassifierOutput::new(n, &features, &logits)
    }
}

/// The metadata of a classifier's file.
struct Header {
    config: ClassifierConfig,
    name: String,
    shape: ImageShape,
    num_classes: usize,
    test_accuracy: f64,
}

impl Header {
    fn read(file: &TensorFile) -> Result<Self> {
        let refused = |field: &str, found: &str, expected: &str| {
            Err(dm_nn::Error::format(file.path(), field, found, expected).into())
        };
        let Some(sizes) = ["classifier", "judge"].into_iter().find(|name| file.has_metadata(name)) else {
            return refused("metadata `classifier`", "none", "a classifier written by `dm train`");
        };
        let config: ClassifierConfig = entry(file, sizes, "the sizes of a classifier")?;
        let schema = file.metadata("schema")?;
        let (shape, num_classes) = match schema {
            "1" => SCHEMA_1,
            dm_degrade::SCHEMA => {
                let shape: ImageShape = entry(file, "image", "an image shape")?;
                shape.check("metadata `image`")?;
                (shape, entry(file, "num_classes", "a number of classes")?)
            }
            _ => return refused("schema", schema, &format!("1 or {}", dm_degrade::SCHEMA)),
        };
        let name = file.metadata("name")?;
        // The program of schema 1 called its classifiers judges.
        let name = match name.strip_prefix("judge") {
            Some(rest) if schema == "1" => format!("classifier{rest}"),
            _ => name.to_owned(),
        };
        Ok(Self {
            config,
            name,
            shape,
            num_classes,
            test_accuracy: entry(file, "test_accuracy", "a number")?,
        })
    }
}

/// The metadata entry `name` of `file`, read as JSON.
fn entry<T: DeserializeOwned>(file: &TensorFile, name: &str, expected: &str) -> Result<T> {
    let text = file.metadata(name)?;
    let invalid = |_| dm_nn::Error::format(file.path(), format!("metadata `{name}`"), text, expected).into();
    serde_json::from_str(text).map_err(invalid)
}
