//! PyTorch checkpoints (zip archives of a pickled state_dict) as tensor files.
//!
//! candle's pickle reader is a small stack machine that only recognises tensors: nothing in the file is executed. What
//! it does not check is checked here.

use std::path::Path;

use candle_core::{DType, pickle};

use super::file::TensorFile;
use crate::error::{Error, Result};

/// Checkpoints larger than this are refused before they are opened.
const MAX_BYTES: u64 = 1 << 30;

/// Reads every f32 tensor of the state_dict at `path`.
///
/// # Errors
/// A file that is no zip, holds no state_dict, or holds a tensor that is cut, not f32 or not finite.
pub fn read(path: &Path) -> Result<TensorFile> {
    let size = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
    if size > MAX_BYTES {
        return Err(Error::format(path, "size", size, format!("at most {MAX_BYTES} bytes")));
    }
    let broken = |e: candle_core::Error| {
        Error::format(path, "archive", first_line(&e), "a zip file written by torch.save(state_dict)")
    };
    let archive = pickle::PthTensors::new(path, None).map_err(broken)?;
    if archive.tensor_infos().is_empty() {
        return Err(Error::format(path, "state_dict", "no tensors", "a state_dict of tensors"));
    }
    let mut file = TensorFile::new(path);
    for (name, info) in archive.tensor_infos() {
        if info.dtype != DType::F32 {
            return Err(Error::format(path, name, format!("{:?}", info.dtype), "dtype F32"));
        }
        let items = info.layout.shape().elem_count() as u64 * 4;
        if items > size {
            return Err(Error::format(path, name, format!("{items} bytes"), "no more than the file holds"));
        }
        let cut = |e: candle_core::Error| Error::format(path, name, first_line(&e), "a whole tensor");
        let tensor = archive.get(name).map_err(cut)?;
        let tensor = tensor.ok_or_else(|| Error::format(path, name, "none", "a tensor"))?;
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::format(path, format!("{name}, element {i}"), values[i], "a finite number"));
        }
        file.insert_values(name.clone(), tensor.dims().to_vec(), values);
    }
    Ok(file)
}

/// The first line of an error: candle appends a backtrace.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
