//! What is kept of a sweep when its weights and images go: of every run the small files that the table and the figures are
//! made from.

use super::plan::GENERATED;
use super::spec::Job;
use anyhow::{Context, Result};
use std::path::Path;

/// Files of a run folder.
const OF_RUN: [&str; 3] = ["config.toml", "manifest.json", "metrics.jsonl"];
/// Endings of the files in its folder of images.
const ENDINGS: [&str; 2] = ["json", "png"];

/// Copies the small files of all runs in `from` that have begun to folders of the same names in `to`.
pub fn copy(jobs: &[Job], from: &Path, to: &Path) -> Result<()> {
    for job in jobs {
        let (run, kept) = (from.join(&job.name), to.join(&job.name));
        if !run.join("manifest.json").is_file() {
            continue;
        }
        for name in OF_RUN {
            copy_file(&run.join(name), &kept.join(name))?;
        }
        let Ok(entries) = std::fs::read_dir(run.join(GENERATED)) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let small = path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
            if let (true, Some(name)) = (small, path.file_name()) {
                copy_file(&path, &kept.join(GENERATED).join(name))?;
            }
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    Ok(())
}
