//! Checkpoints of schema 1, in the current layout.
//!
//! Schema 1 named the moving average of the weights `average`, had other names for what a task has accumulated, and its
//! classifiers (then called judges) had no accumulated losses, because they were saved after whole epochs only. Configs of
//! schema 1 are upgraded by [`dm_degrade::schema1`].

use dm_degrade::SCHEMA;
use dm_nn::params::file::TensorFile;
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// Metadata whose name has changed: old and new name.
const RENAMED: [(&str, &str); 4] = [
    ("judge_config", "config"),
    ("totals", "loss_by_timestep"),
    ("recent", "recent_loss"),
    ("levels", "timestep_sampler"),
];
/// Metadata whose name has not changed.
const KEPT: [&str; 4] = ["config", "step", "elapsed_s", "data_sha256"];
/// Keys within these metadata that have changed: old and new key.
const RENAMED_KEYS: [(&str, &str); 4] =
    [("steps", "count"), ("law", "distribution"), ("square", "mean_square"), ("seen", "count")];

/// Returns `file` in the current layout if it is a checkpoint of schema 1, otherwise as it is.
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
