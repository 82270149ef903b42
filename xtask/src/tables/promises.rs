//! The table of what `cargo xtask torture` found, in README.md.

use crate::records::read_json;
use crate::torture::{FILE, PromiseResult, TortureFile};
use anyhow::Result;
use std::path::Path;

/// One row per promise: what was done, in how many trials, and how many of them failed.
pub fn promises(root: &Path) -> Result<String> {
    let path = root.join(FILE);
    if !path.is_file() {
        return Ok(format!("`cargo xtask torture` has not been run in full; it writes `{FILE}`."));
    }
    let TortureFile { results } = read_json(&path)?;
    let mut table = String::from("| promise | test | trials | failed | reached |\n|---|---|--:|--:|---|\n");
    for PromiseResult { promise, test, trials, failed, figure, .. } in &results {
        table += &format!("| {promise} | {test} | {trials} | {failed} | {figure} |\n");
    }
    let hours = results.iter().map(|result| result.seconds).sum::<f64>() / 3600.0;
    Ok(format!("{table}\nMade by `cargo xtask torture` in {hours:.1} hours on two cores, kept in `{FILE}`."))
}
