//! Data sets in a .npz archive of NumPy arrays, with the names that Keras or MedMNIST use.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::dataset::{DataFile, DataSource, Dataset, Images, ReadOptions, numbered_classes};
use super::npy::{Npy, Problem};
use crate::error::{Error, Result};
use crate::hash::sha256_file;
use crate::image::ImageShape;

/// The accepted names of training images, training labels, test images and test labels.
const KEYS: [[&str; 4]; 2] = [
    ["x_train", "y_train", "x_test", "y_test"],
    ["train_images", "train_labels", "test_images", "test_labels"],
];
/// Arrays that take more than 4 GiB are refused.
const MAX_ARRAY: u64 = 4 << 30;

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
        let mut archive = Archive::open(path)?;
        let keys = archive.keys()?;
        let (train_shape, train_pixels) = archive.images(keys[0])?;
        let train_labels = archive.labels(keys[1], train_pixels.len() / train_shape.len())?;
        let (test_shape, test_pixels) = archive.images(keys[2])?;
        let test_labels = archive.labels(keys[3], test_pixels.len() / test_shape.len())?;
        if test_shape != train_shape {
            let expected = format!("{train_shape} as in `{}`", keys[0]);
            return Err(Error::format(path, format!("`{}`: image shape", keys[2]), test_shape, expected));
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

/// An open archive.
struct Archive<'a> {
    path: &'a Path,
    zip: ZipArchive<BufReader<File>>,
}

impl<'a> Archive<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
        let mut start = Vec::new();
        file.by_ref().take(512).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
        let expected = "a .npz archive as numpy.savez writes it";
        if let Some(kind) = crate::file_kind::mistaken_kind(&start) {
            return Err(Error::format(path, "format", kind, expected));
        }
        // The archive seeks from the end of the file; where the file stands now does not matter.
        let zip = ZipArchive::new(BufReader::new(file));
        Ok(Self { path, zip: zip.map_err(|e| Error::format(path, "archive", e, expected))? })
    }

    /// The names of the four arrays.
    fn keys(&self) -> Result<[&'static str; 4]> {
        let names = self.zip.file_names().flatten();
        let mut found: Vec<String> =
            names.map(|name| name.strip_suffix(".npy").unwrap_or(&name).to_owned()).collect();
        found.sort_unstable();
        let complete = |keys: &&[&str; 4]| keys.iter().all(|key| found.iter().any(|name| name == key));
        KEYS.iter().find(complete).copied().ok_or_else(|| {
            let more =
                if found.len() > 12 { format!(" and {} more", found.len() - 12) } else { String::new() };
            found.truncate(12);
            let expected = KEYS.map(|keys| keys.join(", ")).join("; or ");
            Error::format(self.path, "arrays", format!("{}{more}", found.join(", ")), expected)
        })
    }

    /// The content of the member `key`.npy.
    fn member(&mut self, key: &str) -> Result<Vec<u8>> {
        let field = format!("`{key}`");
        let bad = |found: String, expected: &str| Error::format(self.path, &field, found, expected);
        let member = self.zip.by_name(&format!("{key}.npy"));
        let member = member.map_err(|e| bad(e.to_string(), "an array that can be decompressed"))?;
        let mut bytes = Vec::new();
        let read = member.take(MAX_ARRAY + 1).read_to_end(&mut bytes);
        read.map_err(|e| bad(e.to_string(), "an array that can be decompressed"))?;
        if bytes.len() as u64 > MAX_ARRAY {
            return Err(bad(format!("more than {MAX_ARRAY} bytes"), "a smaller array"));
        }
        Ok(bytes)
    }

    fn error(&self, key: &str, problem: Problem) -> Error {
        Error::format(self.path, format!("`{key}`: {}", problem.field), problem.found, problem.expected)
    }

    /// The shape of the images `key`, and their pixels [n, C, H, W].
    fn images(&mut self, key: &str) -> Result<(ImageShape, Vec<u8>)> {
        let bytes = self.member(key)?;
        let array = Npy::parse(&bytes).map_err(|problem| self.error(key, problem))?;
        let bad = |field: &str, found: String, expected: String| {
            Error::format(self.path, format!("`{key}`: {field}"), found, expected)
        };
        if array.item.size != 1 || array.item.signed {
            let found = format!("integers of {} bytes", array.item.size);
            return Err(bad("dtype", found, "uint8, 0 for black and 255 for white".to_owned()));
        }
        let shape = match array.shape[..] {
            [count, height, width] if count > 0 => ImageShape::new(1, height, width),
            [count, height, width, channels @ (1 | 3)] if count > 0 => {
                ImageShape::new(channels, height, width)
            }
            _ => {
                let expected =
                    "[n, height, width], [n, height, width, 1] or [n, height, width, 3] with n > 0";
                return Err(bad("shape", format!("{:?}", array.shape), expected.to_owned()));
            }
        };
        if shape.check(key).is_err() {
            return Err(bad("shape", format!("{:?}", array.shape), ImageShape::supported()));
        }
        if shape.channels == 1 {
            return Ok((shape, array.items.to_vec()));
        }
        // The channels of a pixel lie side by side in the file; here they lie in planes.
        let image = |image: &[u8]| {
            let plane = |c: usize| image.iter().skip(c).step_by(shape.channels).copied().collect::<Vec<_>>();
            (0..shape.channels).flat_map(plane).collect::<Vec<_>>()
        };
        Ok((shape, array.items.chunks_exact(shape.len()).flat_map(image).collect()))
    }

    /// The `count` labels `key`.
    fn labels(&mut self, key: &str, count: usize) -> Result<Vec<u8>> {
        let bytes = self.member(key)?;
        let array = Npy::parse(&bytes).map_err(|problem| self.error(key, problem))?;
        if array.shape != [count] && array.shape != [count, 1] {
            let expected = format!("[{count}] or [{count}, 1], one class number per image");
            let field = format!("`{key}`: shape");
            return Err(Error::format(self.path, field, format!("{:?}", array.shape), expected));
        }
        let label = |(i, label): (usize, i128)| {
            let field = || format!("`{key}`: label {i}");
            u8::try_from(label).map_err(|_| Error::format(self.path, field(), label, "0 to 255"))
        };
        array.integers().enumerate().map(label).collect()
    }
}
