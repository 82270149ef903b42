//! Where samples come from: what a sheet of samples says of itself, and what a file of scores repeats, so that either can
//! be made again.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use candle_core::Device;
use dm_degrade::Sampling;
use dm_nn::data::sha256_hex;
use dm_train::Model;
use serde_json::{Map, Value, json};

/// Entries that are text; the others are JSON.
const TEXTS: [&str; 4] = ["model", "sha256", "sampler", "spacing"];

/// The model at `path`, a file or a run folder, and the hash of its file.
pub fn read(path: &Path, device: &Device) -> Result<(Model, String)> {
    let file = if path.is_dir() { path.join(dm_train::model::FILE) } else { path.to_owned() };
    let hash = || Ok(sha256_hex(&std::fs::read(&file).with_context(|| file.display().to_string())?));
    let before: Result<String> = hash();
    let model = Model::read(path, device)?;
    let (before, after) = (before?, hash()?);
    // A run that goes on may write it any time.
    ensure!(
        before == after,
        "{}: found it changing while it was read, expected a model at rest",
        file.display()
    );
    Ok((model, after))
}

/// What all samples of `model`, whose file has this hash, have in common if they are drawn this way. `steps` counts
/// network evaluations per image.
pub fn of(model: &Model, sha256: &str, sampling: &Sampling) -> Result<Map<String, Value>> {
    let origin = json!({
        "model": model.config.name,
        "sha256": sha256,
        "step": model.step,
        "degradation": model.config.degradation,
        "sampler": sampling.sampler.name(),
        "steps": sampling.levels(&*model.degradation)?.len() - 1,
        "eta": sampling.eta,
        "spacing": sampling.spacing.name(),
    });
    Ok(origin.as_object().cloned().unwrap_or_default())
}

/// `origin` as the metadata of a sheet.
pub fn to_metadata(origin: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    origin.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

/// What [`to_metadata`] made metadata of; nothing of images that say nothing of a model.
pub fn from_metadata(metadata: &BTreeMap<String, String>) -> Option<Map<String, Value>> {
    metadata.get("model")?;
    let value = |(key, text): (&String, &String)| {
        let plain = || Value::String(text.clone());
        let value = if TEXTS.contains(&key.as_str()) {
            plain()
        } else {
            serde_json::from_str(text).unwrap_or_else(|_| plain())
        };
        (key.clone(), value)
    };
    Some(metadata.iter().map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_keeps_every_entry_and_its_kind() {
        let origin = json!({ "model": "12", "sha256": "1e3", "steps": 100, "eta": 0.0, "degradation": { "kind": "ink" } });
        let origin = origin.as_object().cloned().unwrap_or_default();
        assert_eq!(from_metadata(&to_metadata(&origin)), Some(origin));
        assert_eq!(from_metadata(&BTreeMap::new()), None);
    }
}
