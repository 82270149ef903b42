//! Sheets of images: a safetensors file with a u8 tensor `images` [n, 1, 28, 28], 255 = full ink, and, where the images
//! were drawn by class, a u8 tensor `labels` `[n]`.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::{PIXELS, SIDE};
use crate::error::{Error, Result};
use crate::params::file::{json_metadata, read_metadata, write_atomic};

/// Name of the tensor of images.
const NAME: &str = "images";
/// Name of the tensor of labels.
const LABELS: &str = "labels";

/// Writes `pixels` [n, 784] and, where there are any, their `labels` `[n]` to `path`, atomically, with string metadata
/// that says where they come from.
///
/// # Errors
/// If the disk says so.
pub fn write(
    path: &Path,
    pixels: &[u8],
    labels: Option<&[u8]>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let bad = |e| Error::format(path, NAME, e, "whole images of 784 bytes, one label each");
    let count = pixels.len() / PIXELS;
    let images = TensorView::new(Dtype::U8, vec![count, 1, SIDE, SIDE], pixels).map_err(bad)?;
    let mut tensors = vec![(NAME, images)];
    if let Some(labels) = labels {
        tensors.push((LABELS, TensorView::new(Dtype::U8, vec![count], labels).map_err(bad)?));
    }
    write_atomic(path, &safetensors::serialize(tensors, Some(json_metadata(metadata))).map_err(bad)?)
}

/// A sheet that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Pixels [n, 784].
    pub pixels: Vec<u8>,
    /// Labels `[n]`, if the images were drawn by class.
    pub labels: Option<Vec<u8>>,
    /// Where they come from.
    pub metadata: BTreeMap<String, String>,
}

/// Reads the pixels [n, 784] of the sheet at `path`.
///
/// # Errors
/// A file that is no sheet.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_whole(path).map(|sheet| sheet.pixels)
}

/// Reads the sheet at `path` with all that is in it.
///
/// # Errors
/// A file that is no sheet.
pub fn read_whole(path: &Path) -> Result<Sheet> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let broken = |e| Error::format(path, "safetensors header", e, "a whole safetensors file");
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let file = SafeTensors::deserialize(&bytes).map_err(broken)?;
    let view = file.tensor(NAME).map_err(|_| Error::format(path, NAME, "none", "a tensor of this name"))?;
    let bad = |name: &str, view: &TensorView<'_>, expected: &str| {
        Error::format(path, name, format!("{:?} {:?}", view.dtype(), view.shape()), expected)
    };
    let (Dtype::U8, &[count, 1, SIDE, SIDE]) = (view.dtype(), view.shape()) else {
        return Err(bad(NAME, &view, "U8 [n, 1, 28, 28]"));
    };
    let labels = match file.tensor(LABELS) {
        Err(_) => None,
        Ok(labels) if (labels.dtype(), labels.shape()) == (Dtype::U8, &[count]) => {
            Some(labels.data().to_vec())
        }
        Ok(labels) => return Err(bad(LABELS, &labels, &format!("U8 [{count}]"))),
    };
    let metadata = read_metadata(path, &header)?;
    Ok(Sheet { pixels: view.data().to_vec(), labels, metadata })
}
