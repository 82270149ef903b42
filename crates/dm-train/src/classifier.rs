//! Training a classifier. One step draws images, shifts each image by a few pixels, classifies them, and computes the
//! cross-entropy.
//!
//! The features of the classifier are what the metrics of `dm-eval` compare.

use candle_core::{Device, Tensor};
use candle_nn::loss::cross_entropy;
use dm_degrade::SCHEMA;
use dm_nn::data::{Dataset, Images};
use dm_nn::image::{ImageShape, to_unit};
use dm_nn::nets::classifier::{self, ClassifierNet};
use dm_nn::nets::rows;
use dm_nn::params::Path;
use dm_nn::params::file::TensorFile;
use dm_nn::rng::Rng;

use crate::config::{ClassifierConfig, check_max_shift};
use crate::error::{Error, Result};
use crate::gradients::{Gradients, micro_batches};
use crate::json;
use crate::running_mean::RunningMean;
use crate::streams::AUGMENT;
use crate::task::{BatchGradients, EpochSummary, ModelContents, Task, TrainingBatch};

/// Number of test images in a batch.
const TEST_BATCH: usize = 256;

/// The task of training a classifier.
pub struct ClassifierTask {
    name: String,
    config: classifier::ClassifierConfig,
    shape: ImageShape,
    num_classes: usize,
    max_shift: usize,
    /// Mean loss of the current epoch so far.
    losses: RunningMean,
    /// Accuracy on the test images after the last epoch.
    test_accuracy: Option<f64>,
}

impl ClassifierTask {
    /// A task that trains a classifier called `name` for images of `shape` and `num_classes` classes. Training images are
    /// shifted by up to `max_shift` pixels in each direction.
    ///
    /// # Errors
    /// If the config or the shape is not valid, or `max_shift` is not less than the height and the width.
    pub fn new(
        name: &str,
        config: &classifier::ClassifierConfig,
        shape: ImageShape,
        num_classes: usize,
        max_shift: usize,
    ) -> Result<Self> {
        config.check()?;
        shape.check("image")?;
        check_max_shift(max_shift, shape)?;
        Ok(Self {
            name: name.to_owned(),
            config: config.clone(),
            shape,
            num_classes,
            max_shift,
            losses: RunningMean::default(),
            test_accuracy: None,
        })
    }

    /// The task of `config` for the images of `data`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_config(config: &ClassifierConfig, data: &Dataset) -> Result<Self> {
        let max_shift = config.training.max_shift;
        Self::new(&config.name, &config.classifier, data.shape(), data.num_classes(), max_shift)
    }

    /// Accuracy on the test images after the last epoch; `None` before the first one.
    pub fn test_accuracy(&self) -> Option<f64> {
        self.test_accuracy
    }
}

impl Task for ClassifierTask {
    type Network = ClassifierNet;

    fn prepare(&mut self, data: &Dataset) -> Result<()> {
        if (data.shape(), data.num_classes()) != (self.shape, self.num_classes) {
            let text = |shape, classes| format!("{shape} with {classes} classes");
            let found = text(data.shape(), data.num_classes());
            return Err(Error::invalid("data", found, text(self.shape, self.num_classes)));
        }
        Ok(())
    }

    fn build_network(&self, path: Path<'_>) -> Result<ClassifierNet> {
        Ok(self.config.build(self.shape, self.num_classes, path)?)
    }

    fn gradients(&mut self, network: &ClassifierNet, batch: &TrainingBatch<'_>) -> Result<BatchGradients> {
        let TrainingBatch { images, indices, seed, step, pass, next: _ } = *batch;
        let device = pass.device;
        let count = indices.len();
        let mut pixels = vec![0.0; count * self.shape.len()];
        for (place, (pixels, &i)) in pixels.chunks_exact_mut(self.shape.len()).zip(indices).enumerate() {
            let mut rng = seed.stream(AUGMENT, step, place as u64);
            shift(self.shape, images.image(i as usize), self.max_shift, &mut rng, pixels);
        }
        let labels: Vec<u32> = indices.iter().map(|&i| u32::from(images.labels[i as usize])).collect();
        let x = Tensor::from_vec(pixels, self.shape.dims(count), device)?;
        let labels = Tensor::from_vec(labels, count, device)?;

        let mut gradients = Gradients::default();
        for part in micro_batches(count, pass.micro_batches) {
            pass.check()?;
            let mean = cross_entropy(&network.forward(&rows(&x, &part)?)?.logits, &rows(&labels, &part)?)?;
            // Without gradient accumulation the share is 1, and a product with 1 is exact.
            let share = part.len() as f64 / count as f64;
            gradients.add(&(&mean * share)?.backward()?)?;
            gradients.objective += share * f64::from(mean.to_scalar::<f32>()?);
        }
        self.losses.add(gradients.objective);
        Ok(BatchGradients { objective: gradients.objective, store: gradients.store })
    }

    fn end_epoch(
        &mut self,
        network: &ClassifierNet,
        test: &Images,
        device: &Device,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<EpochSummary>> {
        let Some(accuracy) = accuracy(network, test, device, stop)? else { return Ok(None) };
        self.test_accuracy = Some(accuracy);
        Ok(Some(EpochSummary {
            train_loss: self.losses.take(),
            test_accuracy: self.test_accuracy,
            ..EpochSummary::default()
        }))
    }

    fn save(&self, checkpoint: &mut TensorFile) -> Result<()> {
        checkpoint.set_metadata("epoch_loss", json::write("epoch_loss", &self.losses)?);
        checkpoint.set_metadata("test_accuracy", json::write("test_accuracy", &self.test_accuracy)?);
        Ok(())
    }

    fn restore(&mut self, checkpoint: &TensorFile) -> Result<()> {
        self.losses = json::read(checkpoint, "epoch_loss", "a sum of losses")?;
        self.test_accuracy = json::read(checkpoint, "test_accuracy", "a number or null")?;
        Ok(())
    }

    fn write_model(&self, contents: &ModelContents<'_>) -> Result<()> {
        let mut file = TensorFile::new(contents.path);
        for (name, var) in contents.params.iter() {
            file.insert(name, var)?;
        }
        file.set_metadata("schema", SCHEMA);
        file.set_metadata("name", self.name.clone());
        file.set_metadata("classifier", json::write("classifier", &self.config)?);
        file.set_metadata("image", json::write("image", &self.shape)?);
        file.set_metadata("num_classes", self.num_classes.to_string());
        file.set_metadata("class_names", json::write("class_names", &contents.class_names)?);
        file.set_metadata("test_accuracy", json::write("test_accuracy", &self.test_accuracy)?);
        file.set_metadata("config", contents.config);
        file.set_metadata("step", contents.step.to_string());
        file.set_metadata("data_sha256", contents.data_sha256);
        Ok(file.write_to(contents.storage)?)
    }
}

/// Shifts the bytes `image` `[C, H, W]` by a random number of pixels, at most `max_shift` vertically and horizontally, and writes
/// the result to `out` with values in [0, 1]. Pixels that enter at the edges are 0.
fn shift(shape: ImageShape, image: &[u8], max_shift: usize, rng: &mut Rng, out: &mut [f32]) {
    let mut draw = || rng.below(2 * max_shift as u64 + 1).cast_signed() as isize - max_shift.cast_signed();
    let (down, right) = (draw(), draw());
    let (width, mut values) = (shape.width, vec![0.0; image.len()]);
    to_unit(image, &mut values);
    let planes = out.chunks_exact_mut(shape.pixels()).zip(values.chunks_exact(shape.pixels()));
    for (out, plane) in planes {
        for (y, row) in out.chunks_exact_mut(width).enumerate() {
            let source = y.checked_add_signed(-down).and_then(|y| plane.chunks_exact(width).nth(y));
            for (x, value) in row.iter_mut().enumerate() {
                let x = x.checked_add_signed(-right);
                *value = source.zip(x).and_then(|(source, x)| source.get(x)).copied().unwrap_or(0.0);
            }
        }
    }
}

/// The share of `images` that `network` assigns to the class of their label; NaN if there are no images, and `None` if `stop`
/// returns true meanwhile.
///
/// # Errors
/// If the tensor library fails.
fn accuracy(
    network: &ClassifierNet,
    images: &Images,
    device: &Device,
    stop: &dyn Fn() -> bool,
) -> Result<Option<f64>> {
    let mut correct = 0;
    let batches = images.pixels.chunks(TEST_BATCH * images.shape.len());
    for (pixels, labels) in batches.zip(images.labels.chunks(TEST_BATCH)) {
        if stop() {
            return Ok(None);
        }
        let mut values = vec![0.0; pixels.len()];
        to_unit(pixels, &mut values);
        let x = Tensor::from_vec(values, images.shape.dims(labels.len()), device)?;
        let classes = network.forward(&x)?.logits.argmax(1)?.to_vec1::<u32>()?;
        correct += classes.iter().zip(labels).filter(|&(&class, &label)| class == u32::from(label)).count();
    }
    Ok(Some(correct as f64 / images.len() as f64))
}

#[cfg(test)]
mod tests {
    use dm_nn::rng::Seed;

    use super::*;

    /// Every shift up to the largest occurs in both directions, all channels shift alike, and nothing else changes.
    #[test]
    fn images_are_shifted_as_a_whole() {
        let shape = ImageShape::new(3, 9, 8);
        let mut image = vec![0; shape.len()];
        let marks = [(0, 4, 3, 255), (1, 5, 3, 51), (2, 4, 4, 102)];
        for (channel, y, x, value) in marks {
            image[channel * 72 + y * 8 + x] = value;
        }
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..400 {
            let mut out = vec![f32::NAN; shape.len()];
            shift(shape, &image, 2, &mut Seed(1).stream(AUGMENT, i, 0), &mut out);
            let at = out.iter().position(|&value| value == 1.0).map_or((9, 9), |p| (p / 8, p % 8));
            for (channel, y, x, value) in marks {
                let (y, x) = (at.0 + y - 4, at.1 + x - 3);
                assert_eq!(out[channel * 72 + y * 8 + x], f32::from(value) / 255.0);
            }
            assert_eq!(out.iter().filter(|&&value| value != 0.0).count(), 3);
            seen.insert(at);
        }
        let all = (2..=6).flat_map(|y| (1..=5).map(move |x| (y, x)));
        assert!(seen.into_iter().eq(all));
    }
}
