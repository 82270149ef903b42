//! PyTorch checkpoints (zip archives with a pickled state_dict) as tensor files.
//!
//! Nothing in a checkpoint is executed. Floating-point tensors of any type and any strides are converted to contiguous f32.

use std::io::Read;
use std::path::Path;

use candle_core::DType;

use super::file::{TensorFile, check_finite};
use super::floats::to_f32;
use super::pickle::{Id, Pickle};
use super::pickled::{ItemType, TensorPlace, named_entries};
use crate::archive::Archive;
use crate::error::{Error, Result};

/// The largest pickled part that is read: 16 MiB.
const MAX_PICKLE: u64 = 16 << 20;
/// The most values that the tensors of a checkpoint may have together, and the most that a storage may have: 256 MiB in f32.
const MAX_VALUES: usize = 1 << 26;
/// The most bytes that are unpacked altogether. Tensors may share a storage, which is unpacked again for each of them unless
/// they follow each other.
const MAX_UNPACKED: u64 = 8 << 30;
/// The deepest nesting of dictionaries that is searched for state_dicts.
const MAX_DEPTH: usize = 3;
/// The largest number of names that an error lists.
const MAX_LISTED: usize = 5;
/// The most dictionary entries that are searched for state_dicts.
const MAX_ENTRIES: usize = 1_000_000;
/// Description of the expected file, for error messages.
const EXPECTED: &str = "a zip file written by torch.save(state_dict)";

/// A checkpoint that has been read.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The tensors of the state_dict, in f32.
    pub tensors: TensorFile,
    /// The part of the key that does not name a dictionary: what the names of the chosen tensors begin with.
    pub prefix: String,
    /// One line for each tensor that was converted or ignored.
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
/// one; in a nested dictionary, keys are joined by dots. What is left of the key after the name of a dictionary must be the
/// beginning of some tensors' names; it is returned as [`Checkpoint::prefix`]. Tensors of integers are ignored, and
/// [`Checkpoint::notes`] says so.
///
/// # Errors
/// If reading fails, the file is not a checkpoint, there is no state_dict or there are several and no key, or a tensor is
/// truncated or not finite.
pub fn read_checkpoint(path: &Path, key: Option<&str>) -> Result<Checkpoint> {
    let mut file = CheckpointFile::open(path)?;
    let bytes = file.member("data.pkl", MAX_PICKLE)?;
    let bad = |found: String| Error::format(path, "data.pkl", found, "a pickled state_dict");
    let pickle = Pickle::parse(&bytes).map_err(bad)?;
    let mut search = Search { pickle: &pickle, entries_left: MAX_ENTRIES, found: Vec::new() };
    search
        .state_dicts(pickle.root(), "", 0)
        .ok_or_else(|| bad(format!("more than {MAX_ENTRIES} entries of dictionaries")))?;
    let mut found = search.found;
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let (chosen, prefix) = choose(path, &found, key)?;
    file.tensors(chosen, prefix)
}

/// The state_dict that `key` names, and what is left of the key: what the names of its tensors begin with.
fn choose<'f, 'p>(
    path: &Path,
    found: &'f [(String, Places<'p>)],
    key: Option<&str>,
) -> Result<(&'f Places<'p>, String)> {
    let Some(key) = key else {
        return match found {
            [(_, only)] => Ok((only, String::new())),
            [] => Err(Error::format(path, "state_dict", "no tensors", "a state_dict of tensors")),
            _ => {
                let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
                let found = format!("several: {}", names.join(", "));
                Err(Error::format(path, "state_dict", found, "one, or a key that chooses one"))
            }
        };
    };
    if let Some((_, places)) = found.iter().find(|(name, _)| name == key) {
        return Ok((places, String::new()));
    }
    let within = |(name, places): &'f (String, Places<'p>)| {
        let rest = if name.is_empty() { key } else { key.strip_prefix(name.as_str())?.strip_prefix('.')? };
        let prefix = format!("{rest}.");
        places.iter().any(|(name, _)| name.starts_with(&prefix)).then_some((places, prefix))
    };
    let dictionaries = found.iter().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty());
    let tensors = found.iter().flat_map(|(_, places)| places.iter().map(|(name, _)| *name));
    found.iter().find_map(within).ok_or_else(|| missing_key(path, key, dictionaries.chain(tensors)))
}

/// The error about a key that names nothing; `names` are the names that there are.
pub(super) fn missing_key<'a>(path: &Path, key: &str, names: impl Iterator<Item = &'a str>) -> Error {
    let names: Vec<&str> = names.take(MAX_LISTED).collect();
    let expected = format!("a dictionary of tensors, or what names begin with, among {}", names.join(", "));
    Error::format(path, format!("key `{key}`"), "no tensors", expected)
}

/// Names and places of the tensors of a state_dict.
type Places<'p> = Vec<(&'p str, TensorPlace)>;

/// The search for state_dicts in a pickle.
struct Search<'p> {
    pickle: &'p Pickle<'p>,
    entries_left: usize,
    /// The state_dicts found so far: their keys, and the names and places of their tensors.
    found: Vec<(String, Places<'p>)>,
}

impl Search<'_> {
    /// Collects the state_dicts in the object `id`: dictionaries with at least one float tensor. `None` if there are too
    /// many entries to search.
    fn state_dicts(&mut self, id: Id, key: &str, depth: usize) -> Option<()> {
        let Some(entries) = named_entries(self.pickle, id) else { return Some(()) };
        self.entries_left = self.entries_left.checked_sub(entries.len())?;
        if depth < MAX_DEPTH {
            for &(name, value) in &entries {
                let key = if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
                self.state_dicts(value, &key, depth + 1)?;
            }
        }
        let place = |&(name, value): &(_, Id)| Some((name, TensorPlace::of(self.pickle, value)?));
        let tensors: Vec<_> = entries.iter().filter_map(place).collect();
        // The dictionary around a state_dict may have tensors of its own, such as a loss.
        let is_outermost = key.is_empty() && !self.found.is_empty();
        if !is_outermost && tensors.iter().any(|(_, place)| matches!(place.item, ItemType::Float(_))) {
            self.found.push((key.to_owned(), tensors));
        }
        Some(())
    }
}

/// An open checkpoint.
struct CheckpointFile<'a> {
    path: &'a Path,
    archive: Archive<'a>,
    /// Name of the folder in the archive, with a slash at the end if it is not empty.
    folder: String,
    unpacked_left: u64,
    /// The storage that was read last: its name, the type of its items, and its values in f32.
    last: Option<(String, DType, Vec<f32>)>,
}

impl<'a> CheckpointFile<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let archive = Archive::open(path, EXPECTED, old_format)?;
        let pickle = archive.names().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
        let folder = pickle.map(|name| name.trim_end_matches("data.pkl").to_owned());
        let folder = folder.ok_or_else(|| Error::format(path, "archive", "no data.pkl", EXPECTED))?;
        let mut file = Self { path, archive, folder, unpacked_left: MAX_UNPACKED, last: None };
        if file.archive.names().any(|name| name.strip_prefix(&file.folder) == Some("byteorder")) {
            let order = file.member("byteorder", 64)?;
            if order.trim_ascii() != b"little" {
                let found = String::from_utf8_lossy(order.trim_ascii()).into_owned();
                let expected = "little (save the checkpoint again on a little-endian machine)";
                return Err(Error::format(path, "byteorder", found, expected));
            }
        }
        Ok(file)
    }

    /// The content of the member `name`, at most `limit` bytes.
    fn member(&mut self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let full = format!("{}{name}", self.folder);
        let bad = |found: String, expected: &str| Error::format(self.path, &full, found, expected);
        let limit = limit.min(self.unpacked_left);
        let mut bytes = Vec::new();
        let read = self.archive.member(&full)?.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|e| bad(e.to_string(), "a complete member"))?;
        if bytes.len() as u64 > limit {
            return Err(bad(format!("more than {limit} bytes"), "a smaller member"));
        }
        self.unpacked_left -= bytes.len() as u64;
        Ok(bytes)
    }

    /// The checkpoint of the tensors at the given places.
    fn tensors(&mut self, places: &Places<'_>, prefix: String) -> Result<Checkpoint> {
        let path = self.path;
        let mut tensors = TensorFile::new(path);
        let (mut notes, mut left) = (Vec::new(), MAX_VALUES);
        for (name, place) in places {
            let item = match &place.item {
                ItemType::Float(item) => *item,
                ItemType::Other(storage) => {
                    notes.push(format!("{name}: ignored, because it holds no floats ({storage})"));
                    continue;
                }
            };
            let count = place.count().filter(|&count| count <= left).ok_or_else(|| {
                let expected = format!("tensors of at most {MAX_VALUES} values");
                Error::format(path, *name, format!("shape {:?}", place.shape), expected)
            })?;
            left -= count;
            let storage = self.storage(name, &place.storage, item)?;
            if count > 0 && place.last().is_none_or(|last| last >= storage.len()) {
                let found = format!("{} values in its storage", storage.len());
                return Err(Error::format(path, *name, found, format!("enough for {:?}", place.shape)));
            }
            let values = place.gather(storage);
            check_finite(path, name, &values)?;
            if item != DType::F32 {
                notes.push(format!("{name}: converted from {} to f32", item.as_str()));
            }
            tensors.insert_values(*name, place.shape.clone(), values);
        }
        Ok(Checkpoint { tensors, prefix, notes })
    }

    /// The values of a storage in f32; `name` is the tensor that needs it.
    fn storage(&mut self, name: &str, storage: &str, item: DType) -> Result<&[f32]> {
        let is_last = matches!(&self.last, Some((last, of, _)) if last == storage && *of == item);
        if !is_last {
            self.last = None;
            let size = item.size_in_bytes();
            let bytes = self.member(&format!("data/{storage}"), (MAX_VALUES * size) as u64)?;
            let values = to_f32(&bytes, item);
            let values =
                values.map_err(|found| Error::format(self.path, name, found, "a complete tensor"))?;
            self.last = Some((storage.to_owned(), item, values));
        }
        Ok(self.last.as_ref().map_or(&[], |(_, _, values)| values))
    }
}

/// Recognizes PyTorch's format before the zip archive.
fn old_format(start: &[u8]) -> Option<&'static str> {
    // A pickle of protocol 2 that starts with the magic number 0x1950a86a20f9469cfc6c.
    let legacy = start.starts_with(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19");
    legacy.then_some(
        "the format of PyTorch before version 1.6; convert it in Python with torch.save(torch.load(OLD), NEW)",
    )
}
