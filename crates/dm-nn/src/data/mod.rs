//! Data sets of 28x28 grey images with labels 0 to 9, in MNIST's four IDX files.
//!
//! Pixels stay u8 here (0 = paper, 255 = full ink); scaling is part of a degradation. What is absent: augmentation
//! (the reference trains without) and any network access, except behind the feature `hub`.

#[cfg(feature = "hub")]
pub mod hub;
pub mod idx;
pub mod sheet;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Height and width of every image of the project.
pub const SIDE: usize = 28;
/// Pixels of an image.
pub const PIXELS: usize = SIDE * SIDE;
/// Number of classes.
pub const CLASSES: usize = 10;

/// One half (train or test) of a data set.
#[derive(Clone, Debug)]
pub struct Images {
    /// Pixels, row-major [n, 28, 28].
    pub pixels: Vec<u8>,
    /// Labels in 0..10, `[n]`.
    pub labels: Vec<u8>,
}

/// A data set in memory with the hash of its files.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Images to train on.
    pub train: Images,
    /// Images to measure against; never trained on.
    pub test: Images,
    /// SHA-256 over the SHA-256 of the four unpacked files, in the order of [`FILES`].
    pub sha256: String,
    /// SHA-256 of each unpacked file, in the order of [`FILES`].
    pub file_sha256: [String; 4],
}

/// The four files of a data set; each may carry `.gz`.
pub const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// SHA-256 of MNIST's four unpacked files, in the order of [`FILES`].
pub const MNIST_SHA256: [&str; 4] = [
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
];

/// Hex SHA-256 of `bytes`.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        use std::fmt::Write;
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Pixels of image `i`, `[784]`.
    ///
    /// # Panics
    /// If `i` is not below [`Self::len`]; indices come from this set's own length.
    pub fn image(&self, i: usize) -> &[u8] {
        &self.pixels[i * PIXELS..(i + 1) * PIXELS]
    }

    /// Total ink of each image in units of full pixels: the sum of its pixels / 255.
    pub fn total_ink(&self) -> Vec<f32> {
        self.pixels
            .chunks_exact(PIXELS)
            .map(|image| image.iter().map(|&p| u32::from(p)).sum::<u32>() as f32 / 255.0)
            .collect()
    }

    fn read(images: &Path, labels: &Path) -> Result<(Self, [String; 2])> {
        let pixels = idx::read(images)?;
        if pixels.shape.len() != 3 || pixels.shape[1..] != [SIDE, SIDE] || pixels.shape[0] == 0 {
            let found = format!("{:?}", pixels.shape);
            return Err(Error::format(images, "shape", found, "[n, 28, 28] with n > 0"));
        }
        let names = idx::read(labels)?;
        if names.shape != pixels.shape[..1] {
            let expected = format!("[{}] as the images have", pixels.shape[0]);
            return Err(Error::format(labels, "shape", format!("{:?}", names.shape), expected));
        }
        if let Some(i) = names.items.iter().position(|&label| usize::from(label) >= CLASSES) {
            let field = format!("label {i}");
            return Err(Error::format(labels, field, names.items[i], "0 to 9"));
        }
        let hashes = [pixels.raw_sha256, names.raw_sha256];
        Ok((Self { pixels: pixels.items, labels: names.items }, hashes))
    }
}

impl Dataset {
    /// Reads the four files of [`FILES`] from `dir`, each plain or with `.gz`.
    ///
    /// # Errors
    /// A file that is missing or not what its name says.
    pub fn read(dir: &Path) -> Result<Self> {
        let paths: Vec<PathBuf> = FILES.iter().map(|name| find(dir, name)).collect::<Result<_>>()?;
        let (train, [train_images, train_labels]) = Images::read(&paths[0], &paths[1])?;
        let (test, [test_images, test_labels]) = Images::read(&paths[2], &paths[3])?;
        let file_sha256 = [train_images, train_labels, test_images, test_labels];
        let sha256 = sha256_hex(file_sha256.concat().as_bytes());
        Ok(Self { train, test, sha256, file_sha256 })
    }

    /// Whether these are MNIST's files, byte for byte.
    pub fn is_mnist(&self) -> bool {
        self.file_sha256.iter().zip(MNIST_SHA256).all(|(found, expected)| found == expected)
    }
}

fn find(dir: &Path, name: &str) -> Result<PathBuf> {
    let plain = dir.join(name);
    let packed = dir.join(format!("{name}.gz"));
    if plain.is_file() {
        Ok(plain)
    } else if packed.is_file() {
        Ok(packed)
    } else {
        let found = if dir.is_dir() { "no such file" } else { "no such folder" };
        Err(Error::format(&plain, "file", found, "this file or the same with .gz"))
    }
}
