//! Data sets in the four IDX files of MNIST, Fashion-MNIST, EMNIST and others.

use std::path::{Path, PathBuf};

use super::dataset::{DataFile, DataSource, Dataset, Images, ReadOptions, numbered_classes};
use super::idx::{self, Idx};
use crate::error::{Error, Result};
use crate::hash::sha256_hex;
use crate::image::ImageShape;

/// Names of the four files. Each may also be spelled with a dot instead of the hyphen before `idx`, and each may be
/// compressed with gzip and then carries `.gz`.
pub const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// A folder with the four files of [`FILES`]: grey images of any supported size and labels 0 to 255.
///
/// The number of classes is the largest label plus one. The hash of the data set is the SHA-256 over the concatenated
/// hexadecimal SHA-256 of the four decompressed files.
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
        FILES.iter().any(|name| find(path, name).is_some())
    }

    fn read(&self, path: &Path, options: &ReadOptions) -> Result<Dataset> {
        options.refuse_size(self.name())?;
        let file = |i: usize| {
            let found = find(path, FILES[i]);
            found.ok_or_else(|| {
                let expected = "this file, the same with .gz, or its spelling with `.idx`";
                Error::format(&path.join(FILES[i]), "file", "no such file", expected)
            })
        };
        let paths = [file(0)?, file(1)?, file(2)?, file(3)?];
        let (train_images, train_labels) = read_pair(&paths[0], &paths[1])?;
        let (test_images, test_labels) = read_pair(&paths[2], &paths[3])?;
        if train_images.shape[1..] != test_images.shape[1..] {
            let expected = format!("{:?} as in the training images", &train_images.shape[1..]);
            let found = format!("{:?}", &test_images.shape[1..]);
            return Err(Error::format(&paths[2], "height and width", found, expected));
        }
        let hashes = [&train_images, &train_labels, &test_images, &test_labels].map(|idx| &idx.raw_sha256);
        let sha256 = sha256_hex(hashes.map(String::as_str).concat().as_bytes());
        let name = |name: &str| name.to_owned();
        let files = FILES.iter().zip(hashes);
        let files = files.map(|(file, hash)| DataFile { name: name(file), sha256: hash.clone() }).collect();
        let largest = train_labels.items.iter().chain(&test_labels.items).max();
        let num_classes = largest.map_or(0, |&label| usize::from(label) + 1);
        let images = |images: Idx, labels: Idx| Images {
            shape: ImageShape::new(1, images.shape[1], images.shape[2]),
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

/// The file `name` in `folder`, in any of its four spellings.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let spellings = [name.to_owned(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")];
    spellings.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// A file of images `[n, H, W]` and a file of as many labels `[n]`.
fn read_pair(images_path: &Path, labels_path: &Path) -> Result<(Idx, Idx)> {
    let images = idx::read(images_path)?;
    let shape = match images.shape[..] {
        [count, height, width] if count > 0 => ImageShape::new(1, height, width),
        _ => {
            let found = format!("{:?}", images.shape);
            return Err(Error::format(images_path, "shape", found, "[n, height, width] with n > 0"));
        }
    };
    if shape.check("shape").is_err() {
        let found = format!("{:?}", images.shape);
        return Err(Error::format(images_path, "shape", found, ImageShape::supported()));
    }
    let labels = idx::read(labels_path)?;
    if labels.shape != images.shape[..1] {
        let expected = format!("[{}], one label per image", images.shape[0]);
        return Err(Error::format(labels_path, "shape", format!("{:?}", labels.shape), expected));
    }
    Ok((images, labels))
}
