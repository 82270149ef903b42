//! Upgrades configs and checkpoints of schema 1 to the current schema.
//!
//! The keys of a config are renamed by [`dm_degrade::schema1`]; this file renames the values that only this crate knows.
//! Checkpoints of schema 1 named the moving average of the weights `average` and had other names for what a task has accumulated.
//! Checkpoints of classifiers, which were then called judges, had no accumulated losses, because they were written only after
//! whole epochs.

#![warn(clippy::indexing_slicing)]

use dm_degrade::SCHEMA;
use dm_nn::params::file::TensorFile;
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// Metadata entries whose name has changed: old and new name.
const RENAMED: [(&str, &str); 4] = [
    ("judge_config", "config"),
    ("totals", "loss_by_timestep"),
    ("recent", "recent_loss"),
    ("levels", "timestep_sampler"),
];
/// Metadata entries whose name has not changed.
const KEPT: [&str; 4] = ["config", "step", "elapsed_s", "data_sha256"];
/// Keys within the JSON of these entries that have changed: old and new key.
const RENAMED_KEYS: [(&str, &str); 4] =
    [("steps", "count"), ("law", "distribution"), ("square", "mean_square"), ("seen", "count")];

/// Returns `config`, the config of a run in either schema, in the current schema.
pub(crate) fn upgrade_config(config: toml::Table) -> toml::Table {
    let mut config = dm_degrade::schema1::upgrade(config);
    let objective = config.get_mut("objective").and_then(toml::Value::as_table_mut);
    if let Some(weighting) = objective.and_then(|objective| objective.get_mut("weighting"))
        && weighting.as_str() == Some("ink")
    {
        *weighting = toml::Value::String("intensity".to_owned());
    }
    config
}

/// Returns `file` in the current layout if it is a checkpoint of schema 1; otherwise returns it unchanged.
///
/// # Errors
/// If the metadata are damaged.
pub(crate) fn upgrade_checkpoint(file: TensorFile) -> Result<TensorFile> {
    let is_classifier = file.has_metadata("judge_config");
    if !is_classifier && file.metadata("schema").is_ok_and(|schema| schema != "1") {
        return Ok(file);
    }
    let mut upgraded = TensorFile::new(file.path());
    for name in file.names() {
        let Some((shape, values)) = file.get(name) else { continue };
        let name = name.strip_prefix("average/").map_or(name.to_owned(), |name| format!("ema/{name}"));
        upgraded.insert_values(name, shape.to_vec(), values.to_vec());
    }
    upgraded.set_metadata("schema", SCHEMA);
    for key in KEPT.into_iter().filter(|key| file.has_metadata(key)) {
        upgraded.set_metadata(key, file.metadata(key)?);
    }
    for (old, new) in RENAMED.into_iter().filter(|(old, _)| file.has_metadata(old)) {
        let text = file.metadata(old)?;
        let text = if old == "judge_config" { text.to_owned() } else { rename_keys(&file, old, text)? };
        upgraded.set_metadata(new, text);
    }
    if is_classifier {
        let empty = json!({ "sum": 0.0, "count": 0 }).to_string();
        upgraded.set_metadata("recent_loss", empty.clone());
        upgraded.set_metadata("epoch_loss", empty);
        upgraded.set_metadata("test_accuracy", "null");
    }
    Ok(upgraded)
}

/// The JSON object `text`, with its keys renamed.
fn rename_keys(file: &TensorFile, field: &str, text: &str) -> Result<String> {
    let object: serde_json::Map<String, Value> =
        serde_json::from_str(text).map_err(|_| Error::format(file.path(), field, text, "a JSON object"))?;
    let renamed = |key: String| {
        let new = RENAMED_KEYS.into_iter().find(|(old, _)| *old == key);
        new.map_or(key, |(_, new)| new.to_owned())
    };
    let object: serde_json::Map<_, _> =
        object.into_iter().map(|(key, value)| (renamed(key), value)).collect();
    Ok(Value::Object(object).to_string())
}
