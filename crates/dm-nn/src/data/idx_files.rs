//! Data sets in the four IDX files of MNIST, Fashion-MNIST, EMNIST, QMNIST and others.

use std::path::Path;

use super::dataset::{DataFile, DataSource, Dataset, Images, ReadOptions, numbered_classes};
use super::idx::{self, Idx};
pub use super::idx_names::FILES;
use super::idx_names::{find, has_any};
use crate::error::{Error, Result};
use crate::hash::sha256_hex;
use crate::image::ImageShape;

/// A folder with the four files of [`FILES`]: grey images of any supported size and labels 0 to 255.
///
/// Labels are bytes `[n]`, or integers of 32 bits `[n]` or [n, 8]; of the latter, QMNIST's format, the first column is the
/// class. The number of classes is the largest label plus one. Pixels are read in the order of the file; EMNIST's images
/// are transposed there. The hash of the data set is the SHA-256 over the concatenated hexadecimal SHA-256 of the four
/// decompressed files.
pub struct IdxFiles;

impl DataSource for IdxFiles {
    fn name(&self) -> &'static str {
        "IDX files"
    }

    fn description(&self) -> &'static str {
        "a folder with the four IDX files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte \
         and t10k-labels-idx1-ubyte, each plain or with .gz"
    }

    fn recognizes(&self, path: &Path) -> bool {
        has_any(path)
    }

    fn read(&self, path: &Path, options: &ReadOptions) -> Result<Dataset> {
        options.refuse_size(self.name())?;
        let paths = find(path)?;
        let [train_images_path, train_labels_path, test_images_path, test_labels_path] = &paths;
        let (train_shape, train_images, train_labels) = read_pair(train_images_path, train_labels_path)?;
        let (test_shape, test_images, test_labels) = read_pair(test_images_path, test_labels_path)?;
        if train_shape != test_shape {
            let sides = |shape: ImageShape| format!("{:?}", [shape.height, shape.width]);
            let expected = format!("{} as in the training images", sides(train_shape));
            return Err(Error::format(test_images_path, "height and width", sides(test_shape), expected));
        }
        let hashes = [&train_images, &train_labels, &test_images, &test_labels].map(|idx| &idx.raw_sha256);
        let sha256 = sha256_hex(hashes.map(String::as_str).concat().as_bytes());
        let files = paths.iter().zip(hashes);
        let files =
            files.map(|(path, hash)| DataFile { name: plain_name(path), sha256: hash.clone() }).collect();
        let largest = train_labels.items.iter().chain(&test_labels.items).max();
        let num_classes = largest.map_or(0, |&label| usize::from(label) + 1);
        let images = |images: Idx, labels: Idx| Images {
            shape: train_shape,
            num_classes,
            pixels: images.items,
            labels: labels.items,
        };
        Ok(Dataset {
            train: images(train_images, train_labels),
            test: images(test_images, test_labels),
            sha256,
            format: self.name(),
            class_names: numbered_classes(num_classes),
            files,
        })
    }
}

/// The name of the file at `path` without `.gz`, spelled with the hyphen before `idx`.
fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".gz").unwrap_or(&name).replace(".idx", "-idx")
}

/// Reads a file of images `[n, H, W]` and a file of labels `[n]`. Also returns the shape of an image.
fn read_pair(images_path: &Path, labels_path: &Path) -> Result<(ImageShape, Idx, Idx)> {
    let images = idx::read(images_path)?;
    let shape = idx::image_shape(images_path, &images.shape)?;
    let labels = read_labels(labels_path, images.items.len() / shape.len())?;
    Ok((shape, images, labels))
}

/// Reads a file of `count` labels, and converts the labels to bytes `[n]`.
fn read_labels(path: &Path, count: usize) -> Result<Idx> {
    let labels = idx::read_items(path, |item, shape| match (item.name, shape) {
        ("u8", &[n]) | ("i32", &[n] | &[n, 8]) if n == count => Ok(()),
        ("u8", _) | ("i32", &[_] | &[_, 8]) => {
            let expected = format!("[{count}], one label per image");
            Err(Error::format(path, "shape", format!("{shape:?}"), expected))
        }
        (item, _) => {
            let found = format!("{item} items of shape {shape:?}");
            Err(Error::format(path, "item type", found, "u8 items, or i32 items of shape [n] or [n, 8]"))
        }
    })?;
    // Bytes of a row. If there are several columns, the first one is the class.
    let row = labels.items.len() / count;
    if row == 1 {
        return Ok(labels);
    }
    let label = |(i, row): (usize, &[u8])| {
        let label = i32::from_be_bytes(row.first_chunk().copied().unwrap_or_default());
        u8::try_from(label).map_err(|_| Error::format(path, format!("label {i}"), label, "0 to 255"))
    };
    let items = labels.items.chunks_exact(row).enumerate().map(label).collect::<Result<_>>()?;
    Ok(Idx { shape: vec![count], items, raw_sha256: labels.raw_sha256 })
}
