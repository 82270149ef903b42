//! The provenance of samples: the model and the sampling settings, with which the samples can be drawn again. Sample sets
//! state them in their metadata, and score files repeat them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dm_degrade::{Model, SamplerKind, Sampling};
use dm_record::{SCHEMA, Target};
use serde_json::{Map, Value, json};

/// Entries that are text. All others are JSON.
const TEXTS: [&str; 6] = ["model", "sha256", "sampler", "variance", "spacing", "autoguidance"];
/// The entry of a sample set that states the schema of the other entries. Sample sets of schema 1 have no such entry.
const VERSION: &str = "schema";

/// The provenance that all samples of `model` with the settings `sampling` share. `nfe` counts network evaluations per image.
///
/// # Errors
/// If the config of the degradation cannot be written as JSON.
pub fn of(model: &Model, sampling: &Sampling) -> Result<Map<String, Value>> {
    let provenance = json!({
        VERSION: SCHEMA,
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
    provenance.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

/// Reads the provenance that [`to_metadata`] has written; `None` if the metadata do not name a model.
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

/// Converts the provenance of sets of `n` images to the target of a score file. Names of schema 1 become current names.
///
/// # Errors
/// If an entry has another type than in a score file; the error names `path`.
pub fn to_target(mut provenance: Map<String, Value>, n: usize, path: &str) -> Result<Target> {
    let is_current = provenance.remove(VERSION).is_some();
    provenance.insert("n".into(), n.into());
    let target = serde_json::from_value(Value::Object(provenance));
    let mut target: Target = target.with_context(|| format!("{path}: metadata"))?;
    if !is_current {
        target.upgrade();
    }
    Ok(target)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn metadata_preserve_every_entry_and_its_type() {
        let provenance = json!({ "model": "12", "sha256": "1e3", "nfe": 100, "eta": 0.0, "degradation": { "kind": "ink" } });
        let provenance = provenance.as_object().cloned().unwrap_or_default();
        assert_eq!(from_metadata(&to_metadata(&provenance)), Some(provenance));
        assert_eq!(from_metadata(&BTreeMap::new()), None);
    }

    #[test]
    fn sample_sets_of_schema_1_get_current_names() {
        let old = [
            ("model", "ink-unet"),
            ("sampler", "bridge"),
            ("steps", "100"),
            ("seed", "7"),
            ("degradation", "{\"kind\":\"ink\",\"steps\":1000}"),
        ];
        let old = old.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let target = to_target(from_metadata(&old).unwrap(), 16, "old").unwrap();
        assert_eq!((target.sampler.as_deref(), target.nfe, target.n), (Some("ancestral"), Some(100), 16));
        assert_eq!(target.degradation["timesteps"].as_f64(), Some(1000.0));
        assert_eq!(target.other["seed"].as_f64(), Some(7.0));
    }
}
