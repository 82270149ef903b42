//! Tensor files: safetensors with string metadata, written atomically and read with distrust.
//!
//! All tensors are f32. A file appears whole or not at all: it is written beside its target, synced, renamed, and the
//! folder is synced. What the metadata means is the callers' business.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use safetensors::tensor::{Dtype, TensorView};

use crate::error::{Error, Result};

/// The one metadata key of the format, a JSON object: several keys would be written in random order, and equal content
/// shall be equal bytes.
pub(crate) const METADATA: &str = "dm";

/// Files larger than this are refused before they are read; the project's own are a few megabytes.
const MAX_BYTES: u64 = 1 << 30;

/// A tensor file in memory.
#[derive(Clone, Debug)]
pub struct TensorFile {
    path: PathBuf,
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl TensorFile {
    /// A file that is not on the disk yet; `path` names it in errors.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), metadata: BTreeMap::new(), tensors: BTreeMap::new() }
    }

    /// Reads the safetensors file at `path`.
    ///
    /// # Errors
    /// A file that cannot be read or parsed, or holds a tensor that is not f32 or not finite.
    pub fn read(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
        if size > MAX_BYTES {
            return Err(Error::format(path, "size", size, format!("at most {MAX_BYTES} bytes")));
        }
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::parse(path, &bytes)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let broken = |e| Error::format(path, "safetensors header", e, "a whole safetensors file");
        let (_, header) = safetensors::SafeTensors::read_metadata(bytes).map_err(broken)?;
        let metadata = read_metadata(path, &header)?;
        let views = safetensors::SafeTensors::deserialize(bytes).map_err(broken)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in views.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(Error::format(path, name, format!("{:?}", view.dtype()), "dtype F32"));
            }
            let floats = view.data().chunks_exact(4);
            let values: Vec<f32> = floats.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            if let Some(i) = values.iter().position(|v| !v.is_finite()) {
                let field = format!("{name}, element {i}");
                return Err(Error::format(path, field, values[i], "a finite number"));
            }
            tensors.insert(name.to_owned(), (view.shape().to_vec(), values));
        }
        Ok(Self { path: path.to_owned(), metadata, tensors })
    }

    /// Where this file is, or is to be.
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
    /// If there is none.
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
    /// If it is missing or of another shape.
    pub fn expect(&self, name: &str, shape: &[usize]) -> Result<&[f32]> {
        let expected = format!("a tensor of shape {shape:?}");
        match self.get(name) {
            None => Err(Error::format(&self.path, name, "none", expected)),
            Some((found, values)) if found == shape => Ok(values),
            Some((found, _)) => Err(Error::format(&self.path, name, format!("shape {found:?}"), expected)),
        }
    }

    /// Puts in the tensor `name`.
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn insert(&mut self, name: impl Into<String>, tensor: &Tensor) -> Result<()> {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        self.tensors.insert(name.into(), (tensor.dims().to_vec(), values));
        Ok(())
    }

    /// Puts in `values` of shape `shape` as the tensor `name`.
    pub fn insert_values(&mut self, name: impl Into<String>, shape: Vec<usize>, values: Vec<f32>) {
        self.tensors.insert(name.into(), (shape, values));
    }

    /// Writes the file to its path, atomically.
    ///
    /// # Errors
    /// If the disk says so; then a file that was there before is untouched.
    pub fn write(&self) -> Result<()> {
        let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, (shape, values))| {
                (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
            })
            .collect();
        let bad = |e| Error::format(&self.path, "tensors", e, "shapes that fit their data");
        let mut views = Vec::with_capacity(bytes.len());
        for (name, shape, data) in &bytes {
            views.push((name.as_str(), TensorView::new(Dtype::F32, (*shape).clone(), data).map_err(bad)?));
        }
        let file = safetensors::serialize(views, Some(json_metadata(&self.metadata))).map_err(bad)?;
        write_atomic(&self.path, &file)
    }
}

/// The entries in the `header` of the safetensors file at `path`, as [`json_metadata`] wrote them.
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

/// `entries` as the metadata of a safetensors file.
pub(crate) fn json_metadata(entries: &BTreeMap<String, String>) -> HashMap<String, String> {
    let object: serde_json::Map<_, _> =
        entries.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    HashMap::from([(METADATA.to_owned(), serde_json::Value::Object(object).to_string())])
}

/// Writes `bytes` to `path` so that the file is there whole or as it was before, even after a power cut.
///
/// # Errors
/// If the disk says so.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |e| Error::io(path, e);
    let mut temporary = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder).map_err(io)?;
    temporary.write_all(bytes).map_err(io)?;
    temporary.as_file().sync_all().map_err(io)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o644);
        temporary.as_file().set_permissions(mode).map_err(io)?;
    }
    temporary.persist(path).map_err(|e| io(e.error))?;
    #[cfg(unix)]
    std::fs::File::open(folder).and_then(|f| f.sync_all()).map_err(io)?;
    Ok(())
}
