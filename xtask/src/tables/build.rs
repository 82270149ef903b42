//! The sentence on the first build in README.md, from the file that `cargo xtask build-time` wrote.

use crate::build_time::{BuildFile, FILE};
use crate::records::read_json;
use anyhow::Result;
use std::path::Path;

/// The times of the first build and of the tests.
pub fn build(root: &Path) -> Result<String> {
    let BuildFile { machine, commands, .. } = read_json(&root.join(FILE))?;
    let times: Vec<String> = commands
        .iter()
        .map(|time| {
            let (minutes, seconds) = (time.seconds.round() as u64 / 60, time.seconds.round() as u64 % 60);
            format!("`{}` takes {minutes} min {seconds} s from {}", time.command, time.from)
        })
        .collect();
    Ok(format!(
        "On {} threads of one machine ({}), {}. Measured by `cargo xtask build-time`, kept in `{FILE}` with the crates that \
         take longest.",
        machine.threads,
        machine.cpu,
        times.join(" and ")
    ))
}
