//! Reading TOML files, and changing single keys as the command line asks.

use std::path::Path;

use dm_degrade::model_config::toml_error;
use dm_nn::params::file::read_at_most;

use crate::error::{Error, Result};

/// Configs with more bytes are refused: 1 MiB.
const MAX_BYTES: u64 = 1 << 20;
/// The largest number of nested tables in the key of an override.
const MAX_DEPTH: usize = 16;

/// The table in the TOML file at `path`.
pub(super) fn read(path: &Path) -> Result<toml::Table> {
    let text = String::from_utf8(read_at_most(path, MAX_BYTES)?);
    parse(&text.map_err(|e| Error::format(path, "config", e, "TOML in UTF-8"))?, path)
}

/// The table in the TOML `text`; `path` names it in errors.
pub(super) fn parse(text: &str, path: &Path) -> Result<toml::Table> {
    text.parse().map_err(|e| Error::config(path, toml_error(&e)))
}

/// Applies the override `text`, which has the form `key.path=value`, to `table`. A value that is not valid TOML is taken as a
/// string.
pub(super) fn set(table: &mut toml::Table, text: &str) -> Result<()> {
    let expected = "key.path=value";
    let (path, value) = text.split_once('=').ok_or_else(|| Error::invalid("--set", text, expected))?;
    let (path, value) = (path.trim(), value.trim());
    let parsed = format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("v"));
    let value = match parsed {
        Some(value) => value,
        None if is_whole_number(value) => {
            let range = format!("a whole number from {} to {}", i64::MIN, i64::MAX);
            return Err(Error::invalid(format!("--set {path}"), value, range));
        }
        None => toml::Value::String(value.to_owned()),
    };
    let mut keys: Vec<&str> = path.split('.').collect();
    let last = keys.pop().filter(|last| !last.is_empty());
    let last = last.filter(|_| keys.len() <= MAX_DEPTH);
    let last = last.ok_or_else(|| Error::invalid("--set", text, expected))?;
    let mut place = table;
    for key in keys {
        let next = place.entry(key).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        place = next.as_table_mut().ok_or_else(|| {
            Error::invalid(format!("--set {path}"), format!("`{key}`, a value"), format!("`{key}`, a table"))
        })?;
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

fn is_whole_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
