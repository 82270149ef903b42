//! What a safetensors file of `dm` says of itself: its hash, its metadata, how many parameters it holds. The weights are
//! not looked at.

use anyhow::{Context, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The one metadata key that `dm` writes: a JSON object of strings.
const METADATA: &str = "dm";

#[derive(Debug)]
pub struct Weights {
    pub sha256: String,
    pub bytes: usize,
    pub parameters: u64,
    pub metadata: BTreeMap<String, String>,
}

impl Weights {
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        Self::parse(&bytes).with_context(|| format!("{}: found no safetensors file of dm", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let length = bytes.first_chunk().map(|first| u64::from_le_bytes(*first)).context("no header")?;
        let header = bytes.get(8..).and_then(|rest| rest.get(..usize::try_from(length).ok()?));
        let header: serde_json::Map<String, Value> =
            serde_json::from_slice(header.context("half a header")?)?;
        let metadata = header["__metadata__"][METADATA].as_str().context("no metadata")?;
        let shapes = header.values().filter_map(|tensor| tensor["shape"].as_array());
        let size = |shape: &Vec<Value>| shape.iter().filter_map(Value::as_u64).product::<u64>();
        Ok(Self {
            sha256: sha256(bytes),
            bytes: bytes.len(),
            parameters: shapes.map(size).sum(),
            metadata: serde_json::from_str(metadata)?,
        })
    }

    /// A metadata entry.
    pub fn get(&self, key: &str) -> Result<&str> {
        self.metadata.get(key).map(String::as_str).with_context(|| format!("metadata `{key}`: found none"))
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;

    /// A file with this metadata and one tensor of zeros.
    pub fn file(metadata: &[(&str, &str)], shape: &[u64]) -> Vec<u8> {
        let metadata: BTreeMap<_, _> = metadata.iter().copied().collect();
        let size = 4 * shape.iter().product::<u64>();
        let header = json!({ "__metadata__": { "dm": json!(metadata).to_string() },
                             "weight": { "dtype": "F32", "shape": shape, "data_offsets": [0, size] } });
        let header = header.to_string();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + size as usize, 0);
        bytes
    }

    #[test]
    fn a_file_tells_its_parameters_and_metadata() {
        let weights = Weights::parse(&file(&[("step", "7")], &[2, 3])).unwrap();
        assert_eq!((weights.parameters, weights.get("step").unwrap()), (6, "7"));
        assert!(weights.get("name").unwrap_err().to_string().contains("`name`"));
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        for damaged in [&b""[..], &[255; 9], &file(&[], &[1])[..20]] {
            assert!(Weights::parse(damaged).is_err());
        }
    }
}
