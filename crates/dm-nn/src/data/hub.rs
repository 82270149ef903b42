//! Fetching MNIST from the Hugging Face hub through candle-datasets (feature `hub`).
//!
//! The hub serves PNG images in parquet files; what arrives is decoded by candle-datasets and written back as the four
//! IDX files of [`super::FILES`], gzip-compressed.

use std::io::Write;
use std::path::Path;

use candle_core::{DType, Tensor};

use super::{FILES, SIDE};
use crate::error::{Error, Result};
use crate::params::file::write_atomic;

/// Downloads MNIST into `dir` as four gzip IDX files.
///
/// # Errors
/// If the hub cannot be reached or the folder cannot be written.
pub fn fetch(dir: &Path) -> Result<()> {
    let set = candle_datasets::vision::mnist::load()?;
    std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    let parts = [&set.train_images, &set.train_labels, &set.test_images, &set.test_labels];
    for (name, tensor) in FILES.iter().zip(parts) {
        let path = dir.join(format!("{name}.gz"));
        write_atomic(&path, &pack(tensor).map_err(|e| Error::io(&path, e))?)?;
    }
    Ok(())
}

/// A tensor of pixels in [0, 1] or of labels as a gzip IDX file.
fn pack(tensor: &Tensor) -> std::io::Result<Vec<u8>> {
    let other = std::io::Error::other;
    let count = tensor.dims().first().copied().unwrap_or(0) as u32;
    let mut raw = vec![0, 0, 8];
    let items = if tensor.dtype() == DType::F32 {
        raw.push(3);
        [count, SIDE as u32, SIDE as u32].iter().for_each(|d| raw.extend(d.to_be_bytes()));
        let pixels = tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(other)?;
        pixels.iter().map(|p| (p * 255.0).round() as u8).collect()
    } else {
        raw.push(1);
        raw.extend(count.to_be_bytes());
        tensor.to_dtype(DType::U8).and_then(|t| t.to_vec1::<u8>()).map_err(other)?
    };
    raw.extend(items);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&raw)?;
    gzip.finish()
}
