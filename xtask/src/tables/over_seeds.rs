//! The tables of RESULTS.md that show recorded studies of several training seeds.

use crate::records::read_json;
use crate::sweep::over_seeds_table;
use anyhow::Result;
use std::path::Path;

/// The means over training seeds of a study.
fn means(root: &Path, study: &str) -> Result<String> {
    let groups: Vec<_> = read_json(&root.join("report/runs").join(study).join("over-seeds.json"))?;
    Ok(over_seeds_table(&groups).trim().to_owned())
}

pub fn controls(root: &Path) -> Result<String> {
    means(root, "controls")
}
