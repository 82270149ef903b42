//! Data sets in a .npz archive of NumPy arrays, with the names that Keras or MedMNIST use.

use std::path::Path;

use super::dataset::{DataFile, DataSource, Dataset, Images, ReadOptions, numbered_classes};
use super::npy::{Item, Npy, Problem};
use super::sample_file::{IMAGES, LABELS};
use crate::archive::Archive;
use crate::error::{Error, Result};
use crate::hash::sha256_file;
use crate::image::ImageShape;

/// The accepted names of training images, training labels, test images and test labels.
const KEYS: [[&str; 4]; 2] = [
    ["x_train", "y_train", "x_test", "y_test"],
    ["train_images", "train_labels", "test_images", "test_labels"],
];
/// Description of the expected file, for error messages.
const EXPECTED: &str = "a .npz archive as numpy.savez writes it";
/// The largest number of array names that an error lists.
const MAX_LISTED: usize = 12;

/// A .npz file with the arrays `x_train`, `y_train`, `x_test` and `y_test` (Keras) or `train_images`, `train_labels`,
/// `test_images` and `test_labels` (MedMNIST).
///
/// Images are uint8 arrays [n, H, W] or [n, H, W, C] with 1 or 3 channels; labels are integer arrays `[n]` or [n, 1] with
/// values 0 to 255. The number of classes is the largest label plus one. Other arrays, such as MedMNIST's validation
/// images, are not read. The hash of the data set is the SHA-256 of the file.
pub struct Npz;

impl DataSource for Npz {
    fn name(&self) -> &'static str {
        "NumPy archive"
    }

    fn description(&self) -> &'static str {
        "a .npz file with the arrays x_train, y_train, x_test and y_test"
    }

    fn recognizes(&self, path: &Path) -> bool {
        path.is_file() && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"))
    }

    fn read(&self, path: &Path, options: &ReadOptions) -> Result<Dataset> {
        options.refuse_size(self.name())?;
        let mut archive = Arrays(Archive::open(path, EXPECTED, |_| None)?);
        let [x_train, y_train, x_test, y_test] = archive.keys()?;
        let (train_shape, train_pixels) = archive.images(x_train)?;
        let train_labels = archive.labels(y_train, train_pixels.len() / train_shape.len())?;
        let (test_shape, test_pixels) = archive.images(x_test)?;
        let test_labels = archive.labels(y_test, test_pixels.len() / test_shape.len())?;
        if test_shape != train_shape {
            let expected = format!("{train_shape} as in `{x_train}`");
            return Err(Error::format(path, format!("`{x_test}`: image shape"), test_shape, expected));
        }
        let largest = train_labels.iter().chain(&test_labels).max();
        let num_classes = largest.map_or(0, |&label| usize::from(label) + 1);
        let images = |pixels, labels| Images { shape: train_shape, num_classes, pixels, labels };
        let sha256 = sha256_file(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Dataset {
            train: images(train_pixels, train_labels),
            test: images(test_pixels, test_labels),
            files: vec![DataFile { name, sha256: sha256.clone() }],
            sha256,
            format: self.name(),
            class_names: numbered_classes(num_classes),
        })
    }
}

/// Shape of an image, pixels [n, C, H, W], and labels `[n]`.
type ReadImages = (ImageShape, Vec<u8>, Option<Vec<u8>>);

/// Reads the images in the array `images` of the .npz file at `path`, or in its only array, and the labels in the array
/// `labels`, if there is one.
///
/// # Errors
/// If reading fails, there is no such array, or it does not hold images of a supported shape.
pub(super) fn read_images(path: &Path) -> Result<ReadImages> {
    let mut archive = Arrays(Archive::open(path, EXPECTED, |_| None)?);
    let names = archive.found();
    let name = match names.as_slice() {
        [only] => only.clone(),
        several if several.iter().any(|name| name == IMAGES) => IMAGES.to_owned(),
        _ => return Err(archive.missing("an array `images`, or a single array of images".to_owned())),
    };
    let (shape, pixels) = archive.images(&name)?;
    let has_labels = name != LABELS && names.iter().any(|name| name == LABELS);
    let labels = has_labels.then(|| archive.labels(LABELS, pixels.len() / shape.len())).transpose()?;
    Ok((shape, pixels, labels))
}

/// The arrays of an open archive.
struct Arrays<'a>(Archive<'a>);

impl Arrays<'_> {
    /// The names of the four arrays.
    fn keys(&self) -> Result<[&'static str; 4]> {
        let found = self.found();
        let complete = |keys: &&[&str; 4]| keys.iter().all(|key| found.iter().any(|name| name == key));
        let expected = || KEYS.map(|keys| keys.join(", ")).join("; or ");
        KEYS.iter().find(complete).copied().ok_or_else(|| self.missing(expected()))
    }

    /// The names of all arrays.
    fn found(&self) -> Vec<String> {
        self.0.names().map(|name| name.strip_suffix(".npy").unwrap_or(name).to_owned()).collect()
    }

    /// The error that the archive has other arrays than the expected ones.
    fn missing(&self, expected: String) -> Error {
        let found = self.found();
        let more = found.len().saturating_sub(MAX_LISTED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let listed: Vec<&str> = found.iter().map(String::as_str).take(MAX_LISTED).collect();
        Error::format(self.0.path(), "arrays", format!("{}{more}", listed.join(", ")), expected)
    }

    /// Reads the array `key`. Also returns the result of `check`, which is called with type and shape before the items are
    /// read.
    fn array<T>(
        &mut self,
        key: &str,
        check: impl FnOnce(Item, &[usize]) -> std::result::Result<T, Problem>,
    ) -> Result<(T, Npy)> {
        let path = self.0.path();
        let error = |problem: Problem| {
            Error::format(path, format!("`{key}`: {}", problem.field), problem.found, problem.expected)
        };
        Npy::read(&mut self.0.member(&format!("{key}.npy"))?, check).map_err(error)
    }

    /// Reads the images of the array `key`: the shape of an image, and the pixels [n, C, H, W].
    fn images(&mut self, key: &str) -> Result<(ImageShape, Vec<u8>)> {
        let (shape, array) = self.array(key, image_shape)?;
        if shape.channels == 1 {
            return Ok((shape, array.items));
        }
        // The file stores the channels of a pixel next to each other. Here each channel is a plane of its own.
        let mut pixels = Vec::with_capacity(array.items.len());
        for image in array.items.chunks_exact(shape.len()) {
            for channel in 0..shape.channels {
                pixels.extend(image.iter().skip(channel).step_by(shape.channels));
            }
        }
        Ok((shape, pixels))
    }

    /// Reads the `count` labels of the array `key`.
    fn labels(&mut self, key: &str, count: usize) -> Result<Vec<u8>> {
        let ((), array) = self.array(key, |_, shape| {
            if shape == [count] || shape == [count, 1] {
                return Ok(());
            }
            let expected = format!("[{count}] or [{count}, 1], one class number per image");
            Err(Problem { field: "shape", found: format!("{shape:?}"), expected })
        })?;
        let label = |(i, label): (usize, i128)| {
            let field = || format!("`{key}`: label {i}");
            u8::try_from(label).map_err(|_| Error::format(self.0.path(), field(), label, "0 to 255"))
        };
        array.integers().enumerate().map(label).collect()
    }
}

/// Checks that an array with this item type and these dimensions holds images, and returns the shape of an image.
fn image_shape(item: Item, dimensions: &[usize]) -> std::result::Result<ImageShape, Problem> {
    if item.size != 1 || item.signed {
        let found = format!("integers of {} bytes", item.size);
        return Err(Problem {
            field: "dtype",
            found,
            expected: "uint8, 0 for black and 255 for white".to_owned(),
        });
    }
    let bad = |expected: String| Problem { field: "shape", found: format!("{dimensions:?}"), expected };
    let shape = match *dimensions {
        [count, height, width] if count > 0 => ImageShape::new(1, height, width),
        [count, height, width, channels @ (1 | 3)] if count > 0 => ImageShape::new(channels, height, width),
        _ => {
            let expected = "[n, height, width], [n, height, width, 1] or [n, height, width, 3] with n > 0";
            return Err(bad(expected.to_owned()));
        }
    };
    if shape.check("shape").is_err() { Err(bad(ImageShape::supported())) } else { Ok(shape) }
}
