//! The judge at work: u8 images become features and class probabilities, in batches on the engine.
//!
//! A judge is one safetensors file written by `dm train`: its tensors are the network's parameters, its metadata the sizes.
//! Training it is left out.

use std::path::Path;

use candle_core::{Device, Tensor};
use dm_nn::data::{CLASSES, PIXELS, SIDE, sha256_hex};
use dm_nn::nets::judge::{JudgeConfig, JudgeNet};
use dm_nn::params::Params;
use dm_nn::params::file::TensorFile;
use dm_nn::rng::Seed;

use crate::error::{EvalError, Result};
use crate::features::Features;

/// Images per batch. Part of no result beyond rounding.
const BATCH: usize = 256;

/// Version of the layout of judge files.
const SCHEMA: &str = "1";

/// A trained judge.
pub struct Judge {
    /// Name it was trained under.
    pub name: String,
    /// SHA-256 of its file: which judge it is.
    pub sha256: String,
    /// Share of the test images it classified rightly after training.
    pub test_accuracy: f64,
    net: JudgeNet,
    device: Device,
}

/// What the judge says of a set of images.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// [n, 64] features before the last activation.
    pub features: Features,
    /// [n, 10] values before the softmax.
    pub logits: Features,
}

impl Judge {
    /// Reads the judge at `path`.
    ///
    /// # Errors
    /// A missing or damaged file, or tensors that are not exactly a judge's.
    pub fn read(path: &Path, device: &Device) -> Result<Self> {
        let file = TensorFile::read(path)?;
        let bad = |field: &str, found: &str, expected: &str| {
            EvalError::Network(dm_nn::Error::format(path, field, found, expected))
        };
        if !file.has_metadata("judge") {
            return Err(bad("metadata `judge`", "none", "a judge written by `dm train`"));
        }
        let schema = file.metadata("schema")?;
        if schema != SCHEMA {
            return Err(bad("schema", schema, SCHEMA));
        }
        let sizes = file.metadata("judge")?;
        let sizes: JudgeConfig =
            serde_json::from_str(sizes).map_err(|_| bad("judge", sizes, "the sizes of a judge"))?;
        let accuracy = file.metadata("test_accuracy")?;
        let test_accuracy = accuracy.parse().map_err(|_| bad("test_accuracy", accuracy, "a number"))?;
        let mut params = Params::new(Seed(0), device);
        let net = sizes.build(params.frozen())?;
        params.load(&file, "")?;
        let bytes = std::fs::read(path).map_err(|e| dm_nn::Error::io(path, e))?;
        let name = file.metadata("name")?.to_owned();
        Ok(Self { name, sha256: sha256_hex(&bytes), test_accuracy, net, device: device.clone() })
    }

    /// Judges `pixels` [n, 784]; `tick` hears how many images are done.
    ///
    /// # Errors
    /// No images; a judge whose values are not finite.
    pub fn look(&self, pixels: &[u8], tick: &mut dyn FnMut(usize)) -> Result<Judged> {
        let n = pixels.len() / PIXELS;
        let (mut features, mut logits) = (Vec::new(), Vec::new());
        for batch in pixels.chunks(BATCH * PIXELS) {
            let count = batch.len() / PIXELS;
            let ink: Vec<f32> = batch.iter().map(|&p| f32::from(p) / 255.0).collect();
            let verdict = self.net.forward(&Tensor::from_vec(ink, (count, 1, SIDE, SIDE), &self.device)?)?;
            features.extend(verdict.features.flatten_all()?.to_vec1::<f32>()?);
            logits.extend(verdict.logits.flatten_all()?.to_vec1::<f32>()?);
            tick(logits.len() / CLASSES);
        }
        Judged::new(n, &features, &logits)
    }
}

impl Judged {
    /// Takes the values of `n` images, row-major.
    ///
    /// # Errors
    /// As [`Features::new`].
    pub fn new(n: usize, features: &[f32], logits: &[f32]) -> Result<Self> {
        let dim = features.len() / n.max(1);
        Ok(Self {
            features: Features::from_f32("judge's features", n, dim, features)?,
            logits: Features::from_f32("judge's logits", n, CLASSES, logits)?,
        })
    }

    /// Number of images.
    pub fn n(&self) -> usize {
        self.features.n()
    }

    /// The images named by `rows`.
    ///
    /// # Errors
    /// No row named, or one that does not exist.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        Ok(Self { features: self.features.select(rows)?, logits: self.logits.select(rows)? })
    }

    /// What is said of several sets, one after another.
    ///
    /// # Errors
    /// No sets, or such of different width.
    pub fn join(parts: &[&Self]) -> Result<Self> {
        let all =
            |of: fn(&Self) -> &Features| Features::join(&parts.iter().map(|p| of(p)).collect::<Vec<_>>());
        Ok(Self { features: all(|part| &part.features)?, logits: all(|part| &part.logits)? })
    }

    /// Class of every image: that of the largest logit, the first of equals.
    pub fn labels(&self) -> Vec<u8> {
        self.logits.rows().map(|row| order(row)[0] as u8).collect()
    }

    /// Of every image the most likely class, the next one, and the probability of the first.
    pub fn guesses(&self) -> Vec<Guess> {
        let guess = |row: &[f64]| {
            let order = order(row);
            let sum: f64 = row.iter().map(|v| (v - row[order[0]]).exp()).sum();
            Guess { class: order[0] as u8, next: order[1] as u8, confidence: 1.0 / sum }
        };
        self.logits.rows().map(guess).collect()
    }
}

/// What the judge takes an image for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// The most likely class.
    pub class: u8,
    /// The next most likely.
    pub next: u8,
    /// Probability of the most likely.
    pub confidence: f64,
}

/// Classes by falling logit.
fn order(row: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
    order
}
