//! Downloading MNIST from the Hugging Face hub through candle-datasets (feature `hub`).
//!
//! The hub serves PNG images in parquet files. candle-datasets decodes them; this module writes them as the four IDX files
//! of [`FILES`](super::idx_files::FILES), compressed with gzip.

use std::io::Write;
use std::path::Path;

use candle_core::{DType, Tensor};

use super::idx_files::FILES;
use crate::error::{Error, Result};
use crate::image::{ImageShape, to_bytes};
use crate::params::file::write_atomic;

/// Downloads MNIST and writes it to `folder` as four IDX files with gzip.
///
/// # Errors
/// If the download or writing fails.
pub fn fetch(folder: &Path) -> Result<()> {
    /// The shape of MNIST's images.
    const SHAPE: ImageShape = ImageShape::new(1, 28, 28);
    let set = candle_datasets::vision::mnist::load()?;
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let parts = [&set.train_images, &set.train_labels, &set.test_images, &set.test_labels];
    for (name, tensor) in FILES.iter().zip(parts) {
        let path = folder.join(format!("{name}.gz"));
        write_atomic(&path, &to_idx(tensor, SHAPE).map_err(|e| Error::io(&path, e))?)?;
    }
    Ok(())
}

/// A tensor of pixels in [0, 1] (images of `shape`) or of labels as an IDX file with gzip.
fn to_idx(tensor: &Tensor, shape: ImageShape) -> std::io::Result<Vec<u8>> {
    let other = std::io::Error::other;
    let count = tensor.dims().first().copied().unwrap_or(0);
    let mut raw = vec![0, 0, 8];
    let (dimensions, items) = if tensor.dtype() == DType::F32 {
        let pixels = tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(other)?;
        (vec![count, shape.height, shape.width], to_bytes(&pixels).collect())
    } else {
        (vec![count], tensor.to_dtype(DType::U8).and_then(|t| t.to_vec1::<u8>()).map_err(other)?)
    };
    raw.push(dimensions.len() as u8);
    dimensions.iter().for_each(|&d| raw.extend((d as u32).to_be_bytes()));
    raw.extend(items);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&raw)?;
    gzip.finish()
}
