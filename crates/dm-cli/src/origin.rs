//! Where samples come from: what a sheet of samples says of itself, and what a file of scores repeats, so that either can
//! be made again.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dm_degrade::Sampling;
use dm_nn::data::sha256_hex;
use dm_train::Model;
use serde_json::{Map, Value, json};

/// Entries that are text; the others are JSON.
const TEXTS: [&str; 4] = ["model", "sha256", "sampler", "spacing"];

/// What all samples of `model` that are drawn this way have in common. `steps` counts network evaluations per image.
pub fn of(model: &Model, sampling: &Sampling) -> Result<Map<String, Value>> {
    let bytes = std::fs::read(&model.path).with_context(|| model.path.display().to_string())?;
    let origin = json!({
        "model": model.config.name,
        "sha256": sha256_hex(&bytes),
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
