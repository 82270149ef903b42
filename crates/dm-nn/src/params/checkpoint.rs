//! Checkpoints of other programs: PyTorch files and safetensors files whose tensors may be of any floating-point type.

use std::io::Read;
use std::path::Path;

use candle_core::DType;
use safetensors::tensor::Dtype;

use super::file::{TensorFile, check_finite, parse_safetensors, read_bounded};
use super::floats::to_f32;
use super::pth::{self, Checkpoint, missing_key};
use crate::error::{Error, Result};

/// Reads the state_dict in the checkpoint at `path`: a file that `torch.save` has written (.pth, .pt, .bin, .ckpt) or a
/// safetensors file. The content decides which of them it is, not the name.
///
/// The state_dict may be the whole checkpoint or an entry of a dictionary. `key` chooses one of several, with dots between
/// the keys of nested dictionaries; what is left of the key must be the beginning of some tensors' names. Tensors of
/// integers are ignored, and [`Checkpoint::notes`] says so.
///
/// # Errors
/// If reading fails, the file is not a checkpoint, there is no state_dict or there are several and no key, or a tensor is
/// truncated or not finite.
pub fn read(path: &Path, key: Option<&str>) -> Result<Checkpoint> {
    if is_safetensors(path)? { read_safetensors(path, key) } else { pth::read_checkpoint(path, key) }
}

/// Whether the file at `path` begins like a safetensors file: a length and a JSON object.
fn is_safetensors(path: &Path) -> Result<bool> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    file.take(9).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
    Ok(start.get(8) == Some(&b'{') && !start.starts_with(b"PK"))
}

fn read_safetensors(path: &Path, key: Option<&str>) -> Result<Checkpoint> {
    let bytes = read_bounded(path)?;
    let (_, views) = parse_safetensors(path, &bytes)?;
    let mut tensors = TensorFile::new(path);
    let mut notes = Vec::new();
    for (name, view) in views.iter() {
        let item = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F64 => DType::F64,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                notes.push(format!("{name}: ignored, because it holds no floats ({other:?})"));
                continue;
            }
        };
        let values = to_f32(view.data(), item);
        let values = values.map_err(|found| Error::format(path, name, found, "a complete tensor"))?;
        check_finite(path, name, &values)?;
        if item != DType::F32 {
            notes.push(format!("{name}: converted from {} to f32", item.as_str()));
        }
        tensors.insert_values(name, view.shape().to_vec(), values);
    }
    if tensors.names().next().is_none() {
        return Err(Error::format(path, "state_dict", "no tensors of floats", "a state_dict of tensors"));
    }
    let prefix = key.map_or(String::new(), |key| format!("{key}."));
    if !tensors.names().any(|name| name.starts_with(&prefix)) {
        return Err(missing_key(path, key.unwrap_or_default(), tensors.names()));
    }
    Ok(Checkpoint { tensors, prefix, notes })
}
