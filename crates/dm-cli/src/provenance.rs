//! The provenance of samples: what a sample set says of its model and sampler, and what a file of scores repeats, so that
//! both can be made again.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dm_degrade::{Model, SamplerKind, Sampling};
use dm_record::{SCHEMA, Target};
use serde_json::{Map, Value, json};

/// Entries that are text. All others are JSON.
const TEXTS: [&str; 5] = ["model", "sha256", "sampler", "variance", "spacing"];
/// The entry of a sample set that states the version of all others. Sample sets of version 1 have no such entry.
const VERSION: &str = "schema";

/// What all samples of `model` have in common if they are sampled this way. `nfe` counts network evaluations per image.
///
/// # Errors
/// If the config of the degradation cannot be written as JSON.
pub fn of(model: &Model, sampling: &Sampling) -> Result<Map<String, Value>> {
    let provenance = json!({
        "model": model.name,
        "sha256": model.provenance.sha256,
        "step": model.provenance.step,
        "degradation": serde_json::to_value(&model.config.degradation)?,
        "sampler": sampling.sampler.name(),
        "nfe": sampling.nfe_taken(),
        "eta": sampling.eta,
        "spacing": sampling.spacing.to_string(),
    });
    let mut provenance = provenance.as_object().cloned().unwrap_or_default();
    if sampling.sampler == SamplerKind::Ancestral {
        provenance.insert("variance".into(), sampling.variance.name().into());
    }
    Ok(provenance)
}

/// `provenance` as the metadata of a sample set.
pub fn to_metadata(provenance: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let entries = provenance.iter().map(|(key, value)| (key.clone(), text(value)));
    entries.chain([(VERSION.to_owned(), SCHEMA.to_string())]).collect()
}

/// The provenance that [`to_metadata`] has written; `None` for images that do not name a model.
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
    let mut provenance: Map<String, Value> = metadata.iter().map(value).collect();
    provenance.remove(VERSION);
    Some(provenance)
}

/// `provenance` as the target of a file of scores.
///
/// # Errors
/// If an entry has another type than in a file of scores; the error names `path`.
pub fn to_target(provenance: Map<String, Value>, path: &str) -> Result<Target> {
    serde_json::from_value(Value::Object(provenance)).with_context(|| format!("{path}: metadata"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_keep_every_entry_and_its_type() {
        let provenance = json!({ "model": "12", "sha256": "1e3", "nfe": 100, "eta": 0.0, "degradation": { "kind": "ink" } });
        let provenance = provenance.as_object().cloned().unwrap_or_default();
        assert_eq!(from_metadata(&to_metadata(&provenance)), Some(provenance));
        assert_eq!(from_metadata(&BTreeMap::new()), None);
    }
}
