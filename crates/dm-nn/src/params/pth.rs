//! PyTorch checkpoints (zip archives with a pickled state_dict) as tensor files.
//!
//! Nothing in a checkpoint is executed. Floating-point tensors of any type and any strides are converted to contiguous f32.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use candle_core::pickle::{Object, Stack};
use candle_core::{DType, Device, Tensor};
use zip::ZipArchive;

use super::file::TensorFile;
use super::pickled::{ItemType, TensorPlace, dictionary};
use crate::error::{Error, Result};
use crate::file_kind::mistaken_kind;

/// Checkpoints larger than 1 GiB are refused, and so are checkpoints whose tensors take more than that.
const MAX_BYTES: u64 = 1 << 30;
/// The largest pickled part that is read: 16 MiB.
const MAX_PICKLE: u64 = 16 << 20;
/// How deep dictionaries with state_dicts may be nested.
const MAX_DEPTH: usize = 3;
/// What is expected of the whole file, for error messages.
const EXPECTED: &str = "a zip file written by torch.save(state_dict)";

/// A checkpoint that has been read.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The tensors of the state_dict, in f32.
    pub tensors: TensorFile,
    /// What was converted or ignored, one line each.
    pub notes: Vec<String>,
}

/// Reads the state_dict in the checkpoint at `path`; see [`read_checkpoint`].
///
/// # Errors
/// As [`read_checkpoint`].
pub fn read(path: &Path) -> Result<TensorFile> {
    Ok(read_checkpoint(path, None)?.tensors)
}

/// Reads the state_dict in the checkpoint at `path`.
///
/// The state_dict may be the whole checkpoint or an entry of a dictionary. If there are several candidates, `key` chooses
/// one; in a nested dictionary, keys are joined by dots. Tensors of integers are ignored, which is noted.
///
/// # Errors
/// If reading fails, the file is not a checkpoint, there is no state_dict or there are several and no key, or a tensor is
/// truncated or not finite.
pub fn read_checkpoint(path: &Path, key: Option<&str>) -> Result<Checkpoint> {
    let mut archive = Archive::open(path)?;
    let object = archive.unpickle()?;
    let mut found = Vec::new();
    state_dicts(&object, "", 0, &mut found);
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let names = || found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let chosen = match (key, found.as_slice()) {
        (Some(key), _) => found.iter().find(|(name, _)| name == key).ok_or_else(|| {
            Error::format(path, format!("key `{key}`"), "no state_dict", format!("one of: {}", names()))
        })?,
        (None, [only]) => only,
        (None, []) => {
            return Err(Error::format(path, "state_dict", "no tensors", "a state_dict of tensors"));
        }
        (None, _) => {
            let found = format!("several: {}", names());
            return Err(Error::format(path, "state_dict", found, "one, or a key that chooses one"));
        }
    };
    archive.tensors(&chosen.1)
}

/// Collects the state_dicts in `object`, with their keys: dictionaries with at least one float tensor.
fn state_dicts<'a>(
    object: &'a Object,
    key: &str,
    depth: usize,
    found: &mut Vec<(String, Vec<(&'a str, TensorPlace)>)>,
) {
    let Some(entries) = dictionary(object) else { return };
    let named = || {
        entries.iter().filter_map(|(name, value)| match name {
            Object::Unicode(name) => Some((name.as_str(), value)),
            _ => None,
        })
    };
    if depth < MAX_DEPTH {
        for (name, value) in named() {
            let key = if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
            state_dicts(value, &key, depth + 1, found);
        }
    }
    let tensors: Vec<_> = named().filter_map(|(name, value)| Some((name, TensorPlace::of(value)?))).collect();
    // The dictionary around a state_dict may have tensors of its own, such as a loss.
    let is_outermost = key.is_empty() && !found.is_empty();
    if !is_outermost && tensors.iter().any(|(_, place)| matches!(place.item, ItemType::Float(_))) {
        found.push((key.to_owned(), tensors));
    }
}

/// An open checkpoint.
struct Archive<'a> {
    path: &'a Path,
    zip: ZipArchive<BufReader<File>>,
    /// Name of the folder in the archive, with a slash at the end if it is not empty.
    folder: String,
}

impl<'a> Archive<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let io = |e| Error::io(path, e);
        let size = std::fs::metadata(path).map_err(io)?.len();
        if size > MAX_BYTES {
            return Err(Error::format(path, "size", size, format!("at most {MAX_BYTES} bytes")));
        }
        let mut file = File::open(path).map_err(io)?;
        let mut start = Vec::new();
        file.by_ref().take(512).read_to_end(&mut start).map_err(io)?;
        if let Some(kind) = mistaken_kind(&start).or_else(|| old_format(&start)) {
            return Err(Error::format(path, "format", kind, EXPECTED));
        }
        // The archive seeks from the end of the file; where the file stands now does not matter.
        let zip = ZipArchive::new(BufReader::new(file));
        let zip = zip.map_err(|e| Error::format(path, "archive", first_line(&e), EXPECTED))?;
        let pickle =
            zip.file_names().flatten().find(|name| name == "data.pkl" || name.ends_with("/data.pkl"));
        let folder = pickle.map(|name| name.trim_end_matches("data.pkl").to_owned());
        let folder = folder.ok_or_else(|| Error::format(path, "archive", "no data.pkl", EXPECTED))?;
        let mut archive = Self { path, zip, folder };
        if let Ok(order) = archive.member("byteorder", 64)
            && order.trim_ascii() != b"little"
        {
            let found = String::from_utf8_lossy(order.trim_ascii()).into_owned();
            let expected = "little (save the checkpoint again on a little-endian machine)";
            return Err(Error::format(path, "byteorder", found, expected));
        }
        Ok(archive)
    }

    /// The content of the member `name`, at most `limit` bytes.
    fn member(&mut self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let full = format!("{}{name}", self.folder);
        let bad = |found: String, expected: &str| Error::format(self.path, &full, found, expected);
        let member = self.zip.by_name(&full).map_err(|e| bad(first_line(&e), "a complete member"))?;
        let mut bytes = Vec::new();
        let read = member.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|e| bad(first_line(&e), "a complete member"))?;
        if bytes.len() as u64 > limit {
            return Err(bad(format!("more than {limit} bytes"), "a smaller member"));
        }
        Ok(bytes)
    }

    fn unpickle(&mut self) -> Result<Object> {
        let bytes = self.member("data.pkl", MAX_PICKLE)?;
        let mut stack = Stack::empty();
        let object = stack.read_loop(&mut bytes.as_slice()).and_then(|()| stack.finalize());
        object.map_err(|e| Error::format(self.path, "data.pkl", first_line(&e), "a pickled state_dict"))
    }

    /// The tensors at the given places.
    fn tensors(&mut self, places: &[(&str, TensorPlace)]) -> Result<Checkpoint> {
        let mut tensors = TensorFile::new(self.path);
        let (mut notes, mut left) = (Vec::new(), MAX_BYTES as usize / 4);
        for (name, place) in places {
            let item = match &place.item {
                ItemType::Float(item) => *item,
                ItemType::Other(storage) => {
                    notes.push(format!("{name}: ignored, because it holds no floats ({storage})"));
                    continue;
                }
            };
            let count = place.count().filter(|&count| count <= left).ok_or_else(|| {
                let expected = format!("tensors of at most {MAX_BYTES} bytes");
                Error::format(self.path, *name, format!("shape {:?}", place.shape), expected)
            })?;
            left -= count;
            let storage = self.storage(name, &place.storage, item)?;
            if count > 0 && place.last().is_none_or(|last| last >= storage.len()) {
                let found = format!("{} values in its storage", storage.len());
                return Err(Error::format(self.path, *name, found, format!("enough for {:?}", place.shape)));
            }
            let values = place.gather(&storage);
            if let Some(i) = values.iter().position(|v| !v.is_finite()) {
                let field = format!("{name}, element {i}");
                return Err(Error::format(self.path, field, values[i], "a finite number"));
            }
            if item != DType::F32 {
                notes.push(format!("{name}: converted from {} to f32", item.as_str()));
            }
            tensors.insert_values(*name, place.shape.clone(), values);
        }
        Ok(Checkpoint { tensors, notes })
    }

    /// The values of a storage in f32; `name` is the tensor that needs it.
    fn storage(&mut self, name: &str, storage: &str, item: DType) -> Result<Vec<f32>> {
        let bytes = self.member(&format!("data/{storage}"), MAX_BYTES)?;
        let count = bytes.len() / item.size_in_bytes();
        if count == 0 {
            return Ok(Vec::new());
        }
        let bytes = &bytes[..count * item.size_in_bytes()];
        let values = Tensor::from_raw_buffer(bytes, item, &[count], &Device::Cpu)
            .and_then(|values| values.to_dtype(DType::F32)?.to_vec1::<f32>());
        values.map_err(|e| Error::format(self.path, name, first_line(&e), "a complete tensor"))
    }
}

/// Formats of PyTorch that came before the zip archive.
fn old_format(start: &[u8]) -> Option<&'static str> {
    // A pickle of protocol 2 that starts with the magic number 0x1950a86a20f9469cfc6c.
    let legacy = start.starts_with(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19");
    legacy.then_some(
        "the format of PyTorch before version 1.6; convert it in Python with torch.save(torch.load(OLD), NEW)",
    )
}

/// The first line of an error: candle appends a backtrace.
fn first_line(error: &impl ToString) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
