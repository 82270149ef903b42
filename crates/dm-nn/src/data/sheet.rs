//! Sheets of images: a safetensors file with one u8 tensor `images` [n, 1, 28, 28], 255 = full ink.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::{PIXELS, SIDE};
use crate::error::{Error, Result};
use crate::params::file::{json_metadata, write_atomic};

/// Name of the tensor.
const NAME: &str = "images";

/// Writes `pixels` [n, 784] to `path`, atomically, with string metadata that says where they come from.
///
/// # Errors
/// If the disk says so.
pub fn write(path: &Path, pixels: &[u8], metadata: &BTreeMap<String, String>) -> Result<()> {
    let bad = |e| Error::format(path, NAME, e, "whole images of 784 bytes");
    let shape = vec![pixels.len() / PIXELS, 1, SIDE, SIDE];
    let view = TensorView::new(Dtype::U8, shape, pixels).map_err(bad)?;
    write_atomic(path, &safetensors::serialize([(NAME, view)], Some(json_metadata(metadata))).map_err(bad)?)
}

/// Reads the pixels [n, 784] of the sheet at `path`.
///
/// # Errors
/// A file that is no sheet.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let broken = |e| Error::format(path, "safetensors header", e, "a whole safetensors file");
    let file = SafeTensors::deserialize(&bytes).map_err(broken)?;
    let view = file.tensor(NAME).map_err(|_| Error::format(path, NAME, "none", "a tensor of this name"))?;
    let found = format!("{:?} {:?}", view.dtype(), view.shape());
    match (view.dtype(), view.shape()) {
        (Dtype::U8, [_, 1, SIDE, SIDE]) => Ok(view.data().to_vec()),
        _ => Err(Error::format(path, NAME, found, "U8 [n, 1, 28, 28]")),
    }
}
