//! Tensor files: f32 tensors in the safetensors format, with string metadata.
//!
//! A file is written atomically: beside its target, flushed to the disk and renamed, and then the folder is flushed. The
//! reader checks the whole file before it returns any of it. The meaning of the metadata is up to the callers.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};

use crate::error::{Error, Result};
use crate::file_kind::mistaken_kind;
use crate::hash::{sha256_hex, sha256_of};
use crate::storage::{self, Disk, Storage};

/// The only metadata key of the safetensors header. Its value is a JSON object of all entries: several keys would be
/// written in random order, but equal content must give equal bytes.
pub(crate) const METADATA: &str = "dm";

/// Metadata entries that state how the file is hashed, and the hash in hexadecimal. There are two, so that damage to the
/// name of one of them is noticed. The hash is that of the whole file with 64 zeros in place of the hash.
const CHECKSUM: (&str, &str) = ("checksum", "sha256 with zeros here");
const CHECKSUM_VALUE: &str = "checksum_value";
/// Number of hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// Files larger than 1 GiB are refused. This project's files take a few megabytes.
const MAX_BYTES: u64 = 1 << 30;
/// Files with a longer header are refused: 16 MiB, enough for the places of 100,000 tensors.
pub(crate) const MAX_HEADER: u64 = 16 << 20;

/// A tensor file in memory.
#[derive(Clone, Debug)]
pub struct TensorFile {
    path: PathBuf,
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl TensorFile {
    /// An empty file in memory. [`Self::write`] writes it to `path`, and errors name `path`.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), metadata: BTreeMap::new(), tensors: BTreeMap::new() }
    }

    /// Reads the safetensors file at `path`.
    ///
    /// # Errors
    /// If reading fails, or the file is not a safetensors file of finite f32 tensors.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(path, &read_bounded(path)?)
    }

    /// Parses the content `bytes` of a safetensors file; `path` names it in errors.
    ///
    /// # Errors
    /// If the content is not that of a safetensors file of finite f32 tensors, or differs from what was written.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let (mut metadata, views) = parse_safetensors(path, bytes)?;
        verify(path, bytes, &mut metadata)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in views.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(Error::format(path, name, format!("{:?}", view.dtype()), "dtype F32"));
            }
            let (floats, _) = view.data().as_chunks::<4>();
            let values: Vec<f32> = floats.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            check_finite(path, name, &values)?;
            tensors.insert(name.to_owned(), (view.shape().to_vec(), values));
        }
        Ok(Self { path: path.to_owned(), metadata, tensors })
    }

    /// The path of this file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The metadata entry `key`.
    ///
    /// # Errors
    /// If there is no such entry.
    pub fn metadata(&self, key: &str) -> Result<&str> {
        let value = self.metadata.get(key).map(String::as_str);
        value.ok_or_else(|| Error::format(&self.path, format!("metadata `{key}`"), "none", "an entry"))
    }

    /// Whether there is a metadata entry `key`.
    pub fn has_metadata(&self, key: &str) -> bool {
        self.metadata.contains_key(key)
    }

    /// Sets the metadata entry `key`.
    pub fn set_metadata(&mut self, key: &str, value: impl Into<String>) {
        self.metadata.insert(key.to_owned(), value.into());
    }

    /// Shape and values of the tensor `name`.
    pub fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.tensors.get(name).map(|(shape, values)| (shape.as_slice(), values.as_slice()))
    }

    /// Values of the tensor `name`, which must have `shape`.
    ///
    /// # Errors
    /// If the tensor is missing or has another shape.
    pub fn expect(&self, name: &str, shape: &[usize]) -> Result<&[f32]> {
        let expected = format!("a tensor of shape {shape:?}");
        match self.get(name) {
            None => Err(Error::format(&self.path, name, "none", expected)),
            Some((found, values)) if found == shape => Ok(values),
            Some((found, _)) => Err(Error::format(&self.path, name, format!("shape {found:?}"), expected)),
        }
    }

    /// Number of values in all tensors together.
    pub fn count(&self) -> usize {
        self.tensors.values().map(|(_, values)| values.len()).sum()
    }

    /// Inserts the tensor `name`.
    ///
    /// # Errors
    /// If the tensor is not f32.
    pub fn insert(&mut self, name: impl Into<String>, tensor: &Tensor) -> Result<()> {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        self.tensors.insert(name.into(), (tensor.dims().to_vec(), values));
        Ok(())
    }

    /// Inserts `values` of shape `shape` as the tensor `name`. [`Self::write`] fails if their number does not fit the shape.
    pub fn insert_values(&mut self, name: impl Into<String>, shape: Vec<usize>, values: Vec<f32>) {
        self.tensors.insert(name.into(), (shape, values));
    }

    /// Writes the file to its path, atomically.
    ///
    /// # Errors
    /// If a value is infinite or not a number, or writing fails. A file that already exists at the path is then unchanged.
    pub fn write(&self) -> Result<()> {
        self.write_to(&Disk)
    }

    /// As [`Self::write`], through `storage`.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_to(&self, storage: &dyn Storage) -> Result<()> {
        storage::write_atomic(storage, &self.path, &self.to_bytes()?)
    }

    /// The content of the file.
    ///
    /// # Errors
    /// If a value is infinite or not a number, or a shape does not fit its values.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut tensors: Vec<(&String, &Vec<usize>, Vec<u8>)> = Vec::with_capacity(self.tensors.len());
        for (name, (shape, values)) in &self.tensors {
            check_finite(&self.path, name, values)?;
            tensors.push((name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()));
        }
        let bad = |e| Error::format(&self.path, "tensors", e, "shapes that fit their data");
        let mut views = Vec::with_capacity(tensors.len());
        for (name, shape, data) in &tensors {
            views.push((name.as_str(), TensorView::new(Dtype::F32, (*shape).clone(), data).map_err(bad)?));
        }
        let mut metadata = self.metadata.clone();
        metadata.insert(CHECKSUM.0.to_owned(), CHECKSUM.1.to_owned());
        metadata.insert(CHECKSUM_VALUE.to_owned(), "0".repeat(DIGITS));
        let mut bytes = safetensors::serialize(views, Some(json_metadata(&metadata))).map_err(bad)?;
        let at = checksum_place(&bytes).ok_or_else(|| missing_checksum(&self.path))?;
        let hash = sha256_hex(&bytes);
        let place = bytes.get_mut(at..at + DIGITS).ok_or_else(|| missing_checksum(&self.path))?;
        place.copy_from_slice(hash.as_bytes());
        Ok(bytes)
    }
}

/// Checks that the `values` of the tensor `name` are finite; `path` names the file in the error.
pub(super) fn check_finite(path: &Path, name: &str, values: &[f32]) -> Result<()> {
    match values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((i, value)) => {
            Err(Error::format(path, format!("{name}, element {i}"), value, "a finite number"))
        }
    }
}

/// Where the hash stands in the `bytes` of a file.
fn checksum_place(bytes: &[u8]) -> Option<usize> {
    // The metadata are a JSON string within the JSON of the header, so that quotation marks are escaped.
    let before = format!(r#"\"{CHECKSUM_VALUE}\":\""#);
    let at = bytes.windows(before.len()).position(|window| window == before.as_bytes())? + before.len();
    (at + DIGITS <= bytes.len()).then_some(at)
}

/// Takes the hash out of `metadata` and checks that it is that of `bytes`. A file that has none is not checked.
fn verify(path: &Path, bytes: &[u8], metadata: &mut BTreeMap<String, String>) -> Result<()> {
    let (kind, found) = (metadata.remove(CHECKSUM.0), metadata.remove(CHECKSUM_VALUE));
    let (Some(kind), Some(found)) = (&kind, &found) else {
        return if kind.is_none() && found.is_none() { Ok(()) } else { Err(missing_checksum(path)) };
    };
    if kind != CHECKSUM.1 {
        return Err(Error::format(path, CHECKSUM.0, kind, format!("`{}`", CHECKSUM.1)));
    }
    let at = checksum_place(bytes).ok_or_else(|| missing_checksum(path))?;
    let (before, rest) = bytes.split_at(at);
    let (stated, after) = rest.split_at(DIGITS);
    let hash = sha256_of(&[before, &[b'0'; DIGITS], after]);
    if *found != hash || stated != hash.as_bytes() {
        let expected = format!("{hash}, the SHA-256 of the content: the file is damaged");
        return Err(Error::format(path, CHECKSUM_VALUE, found, expected));
    }
    Ok(())
}

fn missing_checksum(path: &Path) -> Error {
    let field = format!("metadata `{}`, `{CHECKSUM_VALUE}`", CHECKSUM.0);
    Error::format(path, field, "one of them or a damaged one", "both: the file is damaged")
}

/// The metadata entries and the tensors in the content `bytes` of a safetensors file; `path` names it in errors.
///
/// The header takes at most [`MAX_HEADER`], and its parsed form some twenty times as much. The tensors stay in `bytes`;
/// their places neither overlap nor leave gaps.
pub(crate) fn parse_safetensors<'b>(
    path: &Path,
    bytes: &'b [u8],
) -> Result<(BTreeMap<String, String>, SafeTensors<'b>)> {
    if let Some(kind) = mistaken_kind(bytes) {
        return Err(Error::format(path, "format", kind, "a safetensors file"));
    }
    let bad = |found: String| Error::format(path, "safetensors header", found, "a complete safetensors file");
    let length = bytes.first_chunk().map(|&length| u64::from_le_bytes(length));
    if let Some(length) = length.filter(|&length| length > MAX_HEADER) {
        return Err(bad(format!("a header of {length} bytes (at most {MAX_HEADER} are read)")));
    }
    let broken = |e: SafeTensorError| bad(e.to_string());
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let metadata = read_metadata(path, &header)?;
    drop(header);
    Ok((metadata, SafeTensors::deserialize(bytes).map_err(broken)?))
}

/// The metadata entries in the `header` of the safetensors file at `path`, as [`json_metadata`] wrote them.
pub(crate) fn read_metadata(
    path: &Path,
    header: &safetensors::tensor::Metadata,
) -> Result<BTreeMap<String, String>> {
    let metadata = header.metadata().as_ref().and_then(|m| m.get(METADATA));
    metadata.map_or(Ok(BTreeMap::new()), |text| {
        serde_json::from_str(text)
            .map_err(|e| Error::format(path, "metadata `dm`", e, "a JSON object of strings"))
    })
}

/// `entries` as the metadata of a safetensors header, for [`read_metadata`] to read.
pub(crate) fn json_metadata(entries: &BTreeMap<String, String>) -> HashMap<String, String> {
    let object: serde_json::Map<_, _> =
        entries.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    HashMap::from([(METADATA.to_owned(), serde_json::Value::Object(object).to_string())])
}

/// The content of the file at `path`, which may take at most 1 GiB.
///
/// # Errors
/// If reading fails, or the file is larger.
pub fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    read_at_most(path, MAX_BYTES)
}

/// The content of the file at `path`, which may take at most `limit` bytes. No more than that is read, even from a device
/// that never ends.
///
/// # Errors
/// If reading fails, or the file is larger.
pub fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| Error::io(path, e))?;
    if bytes.len() as u64 > limit {
        let found = format!("more than {limit} bytes");
        return Err(Error::format(path, "size", found, format!("at most {limit} bytes")));
    }
    Ok(bytes)
}

/// Writes `bytes` to `path` atomically: even after a power cut, the file has either its old or its new content.
///
/// # Errors
/// If writing fails.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    storage::write_atomic(&Disk, path, bytes)
}
