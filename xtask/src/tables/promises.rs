//! The table of what `cargo xtask torture` found, in README.md.

use crate::markdown::{self, thousands, words};
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
    let head = words(["promise", "test", "reached", "trials", "failed"]);
    let cells = results.iter().map(|result| {
        let PromiseResult { promise, test, trials, failed, figure, .. } = result;
        vec![promise.clone(), test.clone(), figure.clone(), thousands(trials), thousands(failed)]
    });
    let table = markdown::table(&std::iter::once(head).chain(cells).collect::<Vec<_>>(), 3);
    let hours = results.iter().map(|result| result.seconds).sum::<f64>() / 3600.0;
    Ok(format!(
        "{table}\n\nMade by `cargo xtask torture` in {hours:.1} hours on two cores, kept in `{FILE}`."
    ))
}
