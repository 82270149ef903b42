//! The sentence of README.md on the run of `data/configs/minute.toml`, from its recorded manifest and scores.

use super::results::value;
use crate::markdown::thousands;
use crate::records::{FRECHET, Scores, read_manifest};
use anyhow::{Context, Result};
use std::path::Path;

const FOLDER: &str = "report/runs/minute";

/// How long the run trained, and the distance of its samples.
pub fn minute(root: &Path) -> Result<String> {
    let folder = root.join(FOLDER);
    let manifest =
        read_manifest(&folder)?.with_context(|| format!("{FOLDER}: found no record of the run"))?;
    let mut scores = Scores::default();
    scores.add("minute", &folder.join("scores.json"))?;
    let table = scores.tables.first().with_context(|| format!("{FOLDER}/scores.json: found no scores"))?;
    let distance = table.row(FRECHET).with_context(|| format!("{FOLDER}/scores.json: found no {FRECHET}"))?;
    Ok(format!(
        "The recorded run took {:.0} s. Its samples have a Fréchet distance of {} from the {} test images with n = \
         {} (`{FOLDER}`).",
        manifest.wall_s,
        value(distance),
        thousands(table.reference.n),
        thousands(table.target.n)
    ))
}
