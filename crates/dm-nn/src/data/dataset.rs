//! Labelled images, data sets of them, and the trait of data set formats.

use std::path::Path;

use crate::error::{Error, Result};
use crate::hash::sha256_hex;
use crate::image::{ImageShape, total_intensity};

/// The largest number of classes: labels are bytes.
pub(super) const MAX_CLASSES: usize = 256;

/// Images of one shape with their labels: the training or the test set of a [`Dataset`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Shape of every image.
    pub shape: ImageShape,
    /// Number of classes, at most 256; 0 if the labels are not known. All labels are then 0.
    pub num_classes: usize,
    /// Pixels `[n, C, H, W]`; 0 is black and 255 is white.
    pub pixels: Vec<u8>,
    /// The class of each image, `[n]`.
    pub labels: Vec<u8>,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Pixels `[C, H, W]` of image `i`.
    ///
    /// # Panics
    /// If `i` is not below [`Self::len`].
    #[allow(clippy::indexing_slicing, reason = "documented")]
    pub fn image(&self, i: usize) -> &[u8] {
        let len = self.shape.len();
        &self.pixels[i * len..(i + 1) * len]
    }

    /// The total intensity of each image: the sum of its bytes, divided by 255.
    pub fn total_intensity(&self) -> Vec<f32> {
        self.pixels.chunks_exact(self.shape.len().max(1)).map(total_intensity).collect()
    }

    /// Number of images of each class, `[num_classes]`.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.num_classes];
        for &label in &self.labels {
            if let Some(count) = counts.get_mut(usize::from(label)) {
                *count += 1;
            }
        }
        counts
    }

    /// Checks that the shape is supported, that there is at least one image, that there is one label per image, and that
    /// every label is below the number of classes. `field` names these images in the error.
    ///
    /// # Errors
    /// If one of these conditions does not hold; the error describes the first one.
    pub fn validate(&self, field: &str) -> Result<()> {
        self.shape.check(&format!("{field}: shape"))?;
        let bytes = self.len() * self.shape.len();
        if self.is_empty() {
            return Err(Error::invalid(field, "no images", "at least one image"));
        }
        if self.pixels.len() != bytes {
            let expected = format!("{bytes} for {} labels and images of {}", self.len(), self.shape);
            return Err(Error::invalid(format!("{field}: bytes of pixels"), self.pixels.len(), expected));
        }
        if self.num_classes > MAX_CLASSES {
            let field = format!("{field}: number of classes");
            return Err(Error::invalid(field, self.num_classes, format!("at most {MAX_CLASSES}")));
        }
        let limit = self.num_classes.max(1);
        match self.labels.iter().enumerate().find(|&(_, &label)| usize::from(label) >= limit) {
            None => Ok(()),
            Some((i, label)) => {
                Err(Error::invalid(format!("{field}: label {i}"), label, format!("0 to {}", limit - 1)))
            }
        }
    }
}

/// A file of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Name of the file, without the folder and without `.gz`.
    pub name: String,
    /// SHA-256 of the file after decompression, in hexadecimal.
    pub sha256: String,
}

/// A data set in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Images to train on.
    pub train: Images,
    /// Images for evaluation. No model is trained on them.
    pub test: Images,
    /// A hash that identifies the content of the data set. Each format documents how the hash is computed.
    pub sha256: String,
    /// Name of the format that the data set was read from.
    pub format: &'static str,
    /// Name of each class: "0", "1", ... where the format stores no names.
    pub class_names: Vec<String>,
    /// The files of the data set; empty for a folder of images, whose files are covered by `sha256`.
    pub files: Vec<DataFile>,
}

/// SHA-256 of MNIST's four files after decompression: training images, training labels, test images, test labels.
pub const MNIST_SHA256: [&str; 4] = [
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
];

impl Dataset {
    /// A data set of images that are already in memory. Its hash is the SHA-256 over the shape and over the hashes of the
    /// pixels and labels of both sets.
    ///
    /// # Errors
    /// If a set is not valid, or the two sets differ in shape or in the number of classes.
    pub fn in_memory(train: Images, test: Images) -> Result<Self> {
        train.validate("training images")?;
        test.validate("test images")?;
        let kind = |images: &Images| format!("{} with {} classes", images.shape, images.num_classes);
        if kind(&train) != kind(&test) {
            return Err(Error::invalid("test images", kind(&test), kind(&train)));
        }
        let parts = [&train.pixels, &train.labels, &test.pixels, &test.labels];
        let hashes = parts.map(|part| sha256_hex(part)).concat();
        let sha256 = sha256_hex(format!("{}{hashes}", train.shape).as_bytes());
        let class_names = numbered_classes(train.num_classes);
        Ok(Self { train, test, sha256, format: "memory", class_names, files: Vec::new() })
    }

    /// Shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.train.shape
    }

    /// Number of classes; 0 if the labels are not known.
    pub fn num_classes(&self) -> usize {
        self.train.num_classes
    }

    /// Whether the files are MNIST's, byte for byte after decompression.
    pub fn is_mnist(&self) -> bool {
        self.files.iter().map(|file| file.sha256.as_str()).eq(MNIST_SHA256)
    }
}

/// The names "0", "1", ... of `count` classes.
pub(super) fn numbered_classes(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}

/// Options for reading a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Height and width in pixels to which every image is resized; `None` leaves the images as they are. Only folders of
    /// images can be resized.
    pub size: Option<(usize, usize)>,
}

impl ReadOptions {
    /// Refuses a size, for formats whose images are not resized.
    pub(super) fn refuse_size(&self, format: &str) -> Result<()> {
        match self.size {
            None => Ok(()),
            Some((height, width)) => Err(Error::invalid(
                "size",
                format!("{height}x{width} for {format}"),
                "no size: only folders of images are resized",
            )),
        }
    }
}

/// A format of data sets.
pub trait DataSource: Sync {
    /// Name of the format, for example "IDX files".
    fn name(&self) -> &'static str;

    /// Describes a path of this format, for error messages.
    fn description(&self) -> &'static str;

    /// Whether `path` looks like a data set of this format. Only file names and the first bytes of files are examined.
    fn recognizes(&self, path: &Path) -> bool;

    /// Reads the data set at `path`.
    ///
    /// # Errors
    /// If reading fails or a file does not follow the format.
    fn read(&self, path: &Path, options: &ReadOptions) -> Result<Dataset>;
}
