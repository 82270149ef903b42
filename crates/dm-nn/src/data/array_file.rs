//! Arrays of numbers in files, for data that are not images of bytes: photon counts, kernels, and results in floats.
//!
//! | extension | content |
//! |---|---|
//! | `.npy` | a NumPy array of integers |
//! | `.png` | a grey picture of 8 or 16 bits: the value of a pixel is the number |
//! | any other | text: one row per line, numbers separated by spaces, tabs, commas or semicolons; `#` begins a comment |

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, ImageReader, Limits};

use super::npy::{self, Npy};
use crate::error::{Error, Result};
use crate::params::file::{read_at_most, write_atomic};

/// The largest file that is read: 1 GiB.
const MAX_FILE: u64 = 1 << 30;
/// The largest number of numbers of an array.
const MAX_NUMBERS: usize = 1 << 27;
/// The most memory that decoding a picture may take: 512 MiB.
const MAX_MEMORY: u64 = 512 << 20;

/// An array of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberArray {
    /// Sizes of the dimensions, the slowest first.
    pub shape: Vec<usize>,
    /// The numbers in row-major order.
    pub values: Vec<f32>,
}

impl NumberArray {
    /// Reads the array in the file at `path`. Text and pictures are arrays of two dimensions.
    ///
    /// # Errors
    /// If reading fails, or the file does not follow its format.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_at_most(path, MAX_FILE)?;
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "npy" => from_npy(path, &bytes),
            "png" => from_png(path, &bytes),
            _ => from_text(path, &bytes),
        }
    }

    /// Writes the array to `path` as a NumPy array of 32-bit floats, atomically.
    ///
    /// # Errors
    /// If writing fails.
    pub fn write_npy(&self, path: &Path) -> Result<()> {
        let mut bytes = npy::header("<f4", &self.shape);
        bytes.extend(self.values.iter().flat_map(|value| value.to_le_bytes()));
        write_atomic(path, &bytes)
    }
}

fn from_npy(path: &Path, mut bytes: &[u8]) -> Result<NumberArray> {
    let read = Npy::read(&mut bytes, |_, _| Ok(()));
    let ((), array) = read.map_err(|problem| {
        let expected = match problem.field {
            "dtype" => "integers, for example `numpy.save(FILE, counts.astype('uint16'))`",
            _ => &problem.expected,
        };
        Error::format(path, problem.field, &problem.found, expected)
    })?;
    check_length(
        path,
        array.shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size)).unwrap_or(usize::MAX),
    )?;
    let values = array.integers().map(|value| value as f32).collect();
    Ok(NumberArray { shape: array.shape, values })
}

fn from_png(path: &Path, bytes: &[u8]) -> Result<NumberArray> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let picture = reader.decode().map_err(|e| Error::format(path, "picture", e, "a PNG file"))?;
    let shape = vec![picture.height() as usize, picture.width() as usize];
    let values = match picture {
        DynamicImage::ImageLuma8(picture) => picture.into_raw().into_iter().map(f32::from).collect(),
        DynamicImage::ImageLuma16(picture) => picture.into_raw().into_iter().map(f32::from).collect(),
        other => {
            let found = format!("{:?}", other.color());
            return Err(Error::format(path, "picture", found, "grey values of 8 or 16 bits"));
        }
    };
    Ok(NumberArray { shape, values })
}

fn from_text(path: &Path, bytes: &[u8]) -> Result<NumberArray> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Error::format(path, "text", e, "numbers as text, or a file that ends in .npy or .png")
    })?;
    let (mut values, mut rows, mut width) = (Vec::new(), 0, 0);
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let before = values.len();
        let words = line.split(|c: char| c.is_whitespace() || c == ',' || c == ';');
        for word in words.filter(|word| !word.is_empty()) {
            let value: Option<f32> = word.parse().ok().filter(|value: &f32| value.is_finite());
            values.push(value.ok_or_else(|| {
                Error::format(path, format!("line {}", number + 1), format!("{word:?}"), "a number")
            })?);
        }
        let found = values.len() - before;
        if found == 0 {
            continue;
        }
        if rows > 0 && found != width {
            let expected = format!("{width} as in the lines before");
            return Err(Error::format(
                path,
                format!("line {}", number + 1),
                format!("{found} numbers"),
                expected,
            ));
        }
        (rows, width) = (rows + 1, found);
    }
    check_length(path, values.len())?;
    Ok(NumberArray { shape: vec![rows, width], values })
}

/// Checks that there are numbers, and not too many.
fn check_length(path: &Path, count: usize) -> Result<()> {
    if (1..=MAX_NUMBERS).contains(&count) {
        return Ok(());
    }
    Err(Error::format(path, "numbers", count, format!("1 to {MAX_NUMBERS}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn read(name: &str, bytes: &[u8]) -> Result<NumberArray> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        NumberArray::read(&path)
    }

    #[test]
    fn text_in_every_notation_is_the_same_array() {
        let expected = NumberArray { shape: vec![2, 3], values: vec![0.0, 1.5, 2.0, 3.0, 4.0, 50.0] };
        for text in ["0 1.5 2\n3 4 50\n", "# a kernel\n0,1.5,2\r\n3,4,5e1", "0;1.5;2;\n\n3;\t4; 50 # end"] {
            assert_eq!(read("a.txt", text.as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn bad_text_is_refused_by_line() {
        for (text, message) in [
            ("1 2\n3", "line 2: found 1 numbers, expected 2 as in the lines before"),
            ("1 two", "line 1: found \"two\", expected a number"),
            ("1\nnan", "line 2: found \"nan\", expected a number"),
            ("# nothing", "numbers: found 0, expected 1 to 134217728"),
        ] {
            let error = read("a.csv", text.as_bytes()).unwrap_err().to_string();
            assert!(error.ends_with(message), "{error}");
        }
        assert!(read("a.txt", b"\xff\xfe").unwrap_err().to_string().contains("text: found"));
    }

    #[test]
    fn grey_pictures_of_both_depths_are_counts() {
        for (deep, largest) in [(false, 255u16), (true, 4321)] {
            let mut png = Cursor::new(Vec::new());
            let values = [0, 7, largest, 1, 2, 3];
            if deep {
                let picture =
                    image::ImageBuffer::<image::Luma<u16>, _>::from_raw(3, 2, values.to_vec()).unwrap();
                DynamicImage::ImageLuma16(picture).write_to(&mut png, ImageFormat::Png).unwrap();
            } else {
                let bytes = values.map(|value| value as u8).to_vec();
                let picture = image::GrayImage::from_raw(3, 2, bytes).unwrap();
                DynamicImage::ImageLuma8(picture).write_to(&mut png, ImageFormat::Png).unwrap();
            }
            let array = read("a.png", png.get_ref()).unwrap();
            assert_eq!(array, NumberArray { shape: vec![2, 3], values: values.map(f32::from).to_vec() });
        }
        assert!(read("a.png", b"no picture").unwrap_err().to_string().contains("picture: found"));
    }

    #[test]
    fn integers_of_numpy_are_counts_and_floats_are_refused() {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        let header = "{'descr': '<u2', 'fortran_order': False, 'shape': (1, 2, 2), }\n";
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend([0, 0, 1, 0, 2, 0, 0, 1]);
        let array = read("a.npy", &bytes).unwrap();
        assert_eq!(array, NumberArray { shape: vec![1, 2, 2], values: vec![0.0, 1.0, 2.0, 256.0] });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.npy");
        array.write_npy(&path).unwrap();
        let written = std::fs::read(&path).unwrap();
        assert_eq!(written.len() % 64, 16);
        assert_eq!(&written[written.len() - 4..], 256f32.to_le_bytes());
        let error = NumberArray::read(&path).unwrap_err().to_string();
        assert!(error.contains("dtype: found floats (<f4), expected integers"), "{error}");
    }
}
