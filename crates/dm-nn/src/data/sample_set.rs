//! Sample sets: images in a safetensors file, with their labels and with a description of their origin.
//!
//! The file holds a u8 tensor `images` [n, C, H, W], optionally a u8 tensor `labels` `[n]`, and string metadata.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use super::sample_file::{IMAGES, LABELS, SampleHeader, write_parts};
use crate::error::{Error, Result};
use crate::image::ImageShape;
use crate::params::file::{parse_safetensors, read_bounded};

/// Images of one shape, as a sampler draws them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleSet {
    /// Shape of every image.
    pub shape: ImageShape,
    /// Pixels [n, C, H, W]; 0 is black and 255 is white.
    pub pixels: Vec<u8>,
    /// The class of each image, `[n]`, if the images were drawn by class.
    pub labels: Option<Vec<u8>>,
    /// The origin of the images: model, sampler, seed and so on.
    pub metadata: BTreeMap<String, String>,
}

impl SampleSet {
    /// The images `pixels` [n, C, H, W] without labels and metadata.
    pub fn of(shape: ImageShape, pixels: Vec<u8>) -> Self {
        Self { shape, pixels, labels: None, metadata: BTreeMap::new() }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.shape.len().max(1)
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the sample set at `path`.
    ///
    /// # Errors
    /// If reading fails, or the file is not a sample set with at least one image.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_bounded(path)?;
        let (metadata, file) = parse_safetensors(path, &bytes)?;
        let view = file.tensor(IMAGES).map_err(|_| {
            let mut names = file.names();
            names.sort_unstable();
            let found = format!("only the tensors {names:?}");
            Error::format(path, "tensor `images`", found, "a u8 tensor [n, C, H, W]")
        })?;
        let wrong = |name: &str, view: &TensorView<'_>, expected: String| {
            Error::format(path, name, format!("{:?} {:?}", view.dtype(), view.shape()), expected)
        };
        let expected = "U8 [n, C, H, W]: images are bytes, 0 for black and 255 for white";
        let (Dtype::U8, &[count, channels, height, width]) = (view.dtype(), view.shape()) else {
            return Err(wrong(IMAGES, &view, expected.to_owned()));
        };
        let shape = ImageShape::new(channels, height, width);
        if count == 0 {
            return Err(Error::format(path, IMAGES, "no images", "at least one image"));
        }
        if shape.check(IMAGES).is_err() {
            return Err(wrong(IMAGES, &view, ImageShape::supported()));
        }
        let labels = match file.tensor(LABELS) {
            Err(_) => None,
            Ok(labels) if (labels.dtype(), labels.shape()) == (Dtype::U8, &[count]) => {
                Some(labels.data().to_vec())
            }
            Ok(labels) => return Err(wrong(LABELS, &labels, format!("U8 [{count}]"))),
        };
        Ok(Self { shape, pixels: view.data().to_vec(), labels, metadata })
    }

    /// The content of the file that [`Self::write`] writes.
    ///
    /// # Errors
    /// If the pixels are not whole images with one label each.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let Self { shape, ref pixels, ref labels, ref metadata } = *self;
        let labels = labels.as_deref();
        let header = SampleHeader { shape, count: self.len(), has_labels: labels.is_some(), metadata };
        let is_whole =
            pixels.len() == self.len() * shape.len() && labels.is_none_or(|of| of.len() == self.len());
        if !is_whole {
            let found = format!("{} bytes", pixels.len());
            return Err(Error::invalid(IMAGES, found, format!("complete images of {shape}, one label each")));
        }
        let header = header.to_bytes().map_err(|e| Error::invalid(IMAGES, e, "a sample set"))?;
        Ok([&header[..], pixels, labels.unwrap_or_default()].concat())
    }

    /// Writes the sample set to `path`, atomically.
    ///
    /// # Errors
    /// If writing fails, or the pixels are not whole images with one label each.
    pub fn write(&self, path: &Path) -> Result<()> {
        let Self { shape, ref pixels, ref labels, ref metadata } = *self;
        let labels = labels.as_deref();
        let header = SampleHeader { shape, count: self.len(), has_labels: labels.is_some(), metadata };
        write_parts(path, header, &mut |write| {
            write(pixels)?;
            write(labels.unwrap_or_default())
        })
    }
}
