//! A set of images with its features, and the nearest training image of each of its images.

use dm_nn::hash::sha256_hex;
use dm_nn::image::ImageShape;

use super::settings::{ProgressObserver, SEED};
use crate::authenticity::Authenticity;
use crate::cache::Cache;
use crate::classifier::Classifier;
use crate::classifier_output::ClassifierOutput;
use crate::error::{EvalError, Result, count_images};
use crate::features::Features;
use crate::streams::METRIC;

/// A set of images with its features and logits.
#[derive(Clone, Debug)]
pub struct ImageSet {
    /// Name of the set in errors and tables.
    pub name: String,
    /// Shape of every image.
    pub shape: ImageShape,
    /// Pixels [n, C, H, W].
    pub pixels: Vec<u8>,
    /// SHA-256 of the pixels, in hexadecimal.
    pub sha256: String,
    /// Features and logits of the images.
    pub output: ClassifierOutput,
    /// The nearest training images, once they have been searched for.
    pub nearest: Option<NearestTraining>,
}

/// The nearest training image of each image of a set, by two distances.
#[derive(Clone, Debug)]
pub struct NearestTraining {
    /// By the distance between pixels in [0, 1].
    pub pixels: Authenticity,
    /// By the distance between the classifier's features.
    pub features: Authenticity,
}

impl ImageSet {
    /// The set `name` of the images `pixels` [n, C, H, W], which have the shape of `classifier`'s images. Their features come
    /// from `cache` if they have been computed before.
    ///
    /// # Errors
    /// If `pixels` are not whole images, there are none, or the classifier fails.
    pub fn new(
        name: &str,
        pixels: Vec<u8>,
        classifier: &Classifier,
        cache: Option<&Cache>,
        observer: &mut ProgressObserver<'_>,
    ) -> Result<Self> {
        let n = count_images(name, pixels.len(), classifier.shape.len())?;
        let stage = format!("features of {name}");
        let mut progress = |done| observer(&stage, done, n);
        let output = match cache {
            Some(cache) => cache.features(classifier, &pixels, &mut progress)?,
            None => classifier.extract_features(&pixels, &mut progress)?,
        };
        let (name, sha256) = (name.to_owned(), sha256_hex(&pixels));
        Ok(Self { name, shape: classifier.shape, sha256, pixels, output, nearest: None })
    }

    /// Number of images.
    pub fn n(&self) -> usize {
        self.output.n()
    }

    /// The images with the indices `first..end` as the set `name`.
    ///
    /// # Errors
    /// If the range is empty, or an image does not exist.
    pub fn part(&self, name: &str, first: usize, end: usize) -> Result<Self> {
        self.select(name, &(first..end).collect::<Vec<_>>())
    }

    /// The images with the indices `rows` as the set `name`.
    ///
    /// # Errors
    /// If no index is given, or an image does not exist.
    pub fn select(&self, name: &str, rows: &[usize]) -> Result<Self> {
        let output = self.output.select(rows)?;
        let pixels = select(&self.pixels, self.shape.len(), rows);
        let nearest = self.nearest.as_ref().map(|nearest| NearestTraining {
            pixels: nearest.pixels.select(rows),
            features: nearest.features.select(rows),
        });
        let name = name.to_owned();
        Ok(Self { name, shape: self.shape, sha256: sha256_hex(&pixels), pixels, output, nearest })
    }

    /// The images of `parts`, one part after another, as the set `name`. Nothing is computed again.
    ///
    /// # Errors
    /// If there are no parts, or they differ in the shape of their images or in the sizes of their classifiers.
    pub fn join(name: &str, parts: &[&Self]) -> Result<Self> {
        let Some(shape) = parts.first().map(|part| part.shape) else {
            return Err(EvalError::Empty { set: name.to_owned(), n: 0, dim: 0 });
        };
        if let Some(other) = parts.iter().find(|part| part.shape != shape) {
            return Err(EvalError::Argument {
                metric: "joined sets",
                argument: "image shape",
                expected: shape.to_string(),
                found: other.shape.to_string(),
            });
        }
        let output = ClassifierOutput::join(&parts.iter().map(|part| &part.output).collect::<Vec<_>>())?;
        let pixels: Vec<u8> = parts.iter().flat_map(|part| &part.pixels).copied().collect();
        let nearest: Option<Vec<&NearestTraining>> = parts.iter().map(|part| part.nearest.as_ref()).collect();
        let all = |of: fn(&NearestTraining) -> &Authenticity, parts: &[&NearestTraining]| {
            Authenticity::join(&parts.iter().map(|part| of(part)).collect::<Vec<_>>())
        };
        let nearest = nearest.map(|parts| NearestTraining {
            pixels: all(|part| &part.pixels, &parts),
            features: all(|part| &part.features, &parts),
        });
        Ok(Self { name: name.to_owned(), shape, sha256: sha256_hex(&pixels), pixels, output, nearest })
    }

    /// The pixels as values in [0, 1], one row of C * H * W values per image.
    ///
    /// # Errors
    /// None for a set that [`Self::new`] returned.
    pub fn unit_values(&self) -> Result<Features> {
        Features::from_pixels(&self.name, self.shape, &self.pixels)
    }

    /// As [`Self::unit_values`], for at most `count` images at a time, because the values take eight times as much memory as
    /// the pixels.
    ///
    /// # Panics
    /// If `count` is 0.
    pub fn unit_values_in_parts(&self, count: usize) -> impl Iterator<Item = Result<Features>> + '_ {
        let parts = self.pixels.chunks(count * self.shape.len());
        parts.map(|pixels| Features::from_pixels(&self.name, self.shape, pixels))
    }
}

/// The images with the indices `rows` out of `pixels` [n, C, H, W], where an image has `len` values.
///
/// # Panics
/// If an index is not below n.
pub fn select(pixels: &[u8], len: usize, rows: &[usize]) -> Vec<u8> {
    rows.iter().flat_map(|&row| &pixels[row * len..(row + 1) * len]).copied().collect()
}

/// `count` of the indices 0..n in random order, or all if there are fewer; the same ones at every call. Data sets often store
/// similar images next to each other (digits by one writer), so that consecutive images are less varied than random ones.
pub fn shuffled(n: usize, count: usize) -> Vec<usize> {
    let order = SEED.stream(METRIC, 0, 2).permutation(n);
    order.into_iter().take(count).map(|row| row as usize).collect()
}
