//! The header of a safetensors file of `dm`: its hash, its metadata and the number of its parameters.

use anyhow::{Context, Result};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The metadata key that `dm` writes. Its value is a JSON object of strings.
const METADATA: &str = "dm";

#[derive(Debug)]
pub struct ModelFile {
    pub sha256: String,
    pub bytes: usize,
    pub parameters: usize,
    metadata: BTreeMap<String, String>,
}

impl ModelFile {
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        Self::parse(&bytes)
            .with_context(|| format!("{}: found no safetensors file written by dm", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let metadata = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA));
        let metadata = serde_json::from_str(metadata.context("no metadata")?)?;
        let parameters = header.tensors().values().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
        Ok(Self { sha256: sha256(bytes), bytes: bytes.len(), parameters, metadata })
    }

    /// A metadata entry.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The first metadata entry among `keys` that the file has, parsed as TOML.
    pub fn config(&self, keys: &[&str]) -> Result<toml::Table> {
        let text = keys.iter().find_map(|key| self.get(key));
        let text = text.with_context(|| format!("metadata `{}`: found none", keys.join("` or `")))?;
        Ok(text.parse()?)
    }
}

/// SHA-256 in hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use safetensors::tensor::{Dtype, TensorView, serialize};

    /// A file with this metadata and one tensor of zeros, and its hash.
    pub fn file(metadata: &[(&str, &str)], shape: &[usize]) -> (Vec<u8>, String) {
        let metadata: BTreeMap<_, _> = metadata.iter().copied().collect();
        let metadata = serde_json::to_string(&metadata).unwrap();
        let zeros = vec![0; 4 * shape.iter().product::<usize>()];
        let tensor = TensorView::new(Dtype::F32, shape.to_vec(), &zeros).unwrap();
        let bytes = serialize([("weight", tensor)], Some([(METADATA.to_owned(), metadata)].into())).unwrap();
        let hash = sha256(&bytes);
        (bytes, hash)
    }

    #[test]
    fn a_file_states_its_parameters_and_metadata() {
        let model = ModelFile::parse(&file(&[("step", "7"), ("config", "a = 1")], &[2, 3]).0).unwrap();
        assert_eq!((model.parameters, model.get("step"), model.get("name")), (6, Some("7"), None));
        assert_eq!(model.config(&["classifier_config", "config"]).unwrap()["a"].as_integer(), Some(1));
        assert!(model.config(&["x"]).unwrap_err().to_string().contains("metadata `x`"));
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        for damaged in [&b""[..], &[255; 9], &file(&[], &[1]).0[..20]] {
            assert!(ModelFile::parse(damaged).is_err());
        }
    }
}
