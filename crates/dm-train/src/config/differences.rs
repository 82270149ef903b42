//! The differences between two configs, and which of them matter when a run is resumed.

use std::collections::{BTreeMap, BTreeSet};

use super::run_config::RunConfig;
use crate::error::{Error, Result};

/// Keys that may change when a run is resumed, because the steps that have been taken do not depend on them: the length of the
/// run, what is reported and saved, and where the data lie. (The content of the data may not change, and with a cosine schedule
/// the learning rates of the steps to come depend on the length of the run.)
pub const RESUMABLE: [&str; 8] = [
    "data.path",
    "training.checkpoint_every",
    "training.epochs",
    "training.eval_every",
    "training.keep_checkpoints",
    "training.log_every",
    "training.sample_count",
    "training.sample_nfe",
];

/// Every key that differs between the config `found` of a run and the config `given`, except those that may change when a run
/// is resumed; each as `KEY: found VALUE, expected VALUE`, in the order of the keys.
///
/// # Errors
/// If a config has no TOML form.
pub fn differences(found: &RunConfig, given: &RunConfig) -> Result<Vec<String>> {
    let (found, given) = (values(found)?, values(given)?);
    let keys: BTreeSet<&String> = found.keys().chain(given.keys()).collect();
    let show = |value: Option<&String>| value.cloned().unwrap_or_else(|| "nothing".to_owned());
    let differs = |key: &&String| found.get(*key) != given.get(*key) && !RESUMABLE.contains(&key.as_str());
    let text =
        |key: &String| format!("{key}: found {}, expected {}", show(found.get(key)), show(given.get(key)));
    Ok(keys.into_iter().filter(differs).map(text).collect())
}

/// The values of `config` with their keys.
fn values(config: &RunConfig) -> Result<BTreeMap<String, String>> {
    let table = toml::Table::try_from(config);
    let table = table.map_err(|e| Error::invalid("config", e, "values that TOML can hold"))?;
    let mut values = BTreeMap::new();
    collect("", &table, &mut values);
    Ok(values)
}

/// Adds the values in `table`, whose keys begin with `prefix`, to `values`.
fn collect(prefix: &str, table: &toml::Table, values: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(table) => collect(&format!("{prefix}{key}."), table, values),
            value => drop(values.insert(format!("{prefix}{key}"), value.to_string())),
        }
    }
}
