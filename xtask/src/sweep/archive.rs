//! Archives a study without its weights: copies the small files of every run, from which the table and the figures
//! are made. A sweep into a copy of an archive trains only what is missing.

use super::folder::{EVALUATIONS, GENERATED};
use super::study::Job;
use crate::workspace::entries;
use anyhow::{Context, Result};
use std::path::Path;

/// Files of a run folder that are archived.
const OF_RUN: [&str; 3] = ["config.toml", "manifest.json", "metrics.jsonl"];

/// Copies the small files of all started runs in `from` to folders of the same names in `to`.
pub fn copy(jobs: &[Job], from: &Path, to: &Path) -> Result<()> {
    for job in jobs {
        let (run, archived) = (from.join(&job.name), to.join(&job.name));
        if !run.join("manifest.json").is_file() {
            continue;
        }
        for name in OF_RUN {
            copy_file(&run.join(name), &archived.join(name))?;
        }
        for folder in [GENERATED, EVALUATIONS].into_iter().filter(|folder| run.join(folder).is_dir()) {
            for path in entries(&run.join(folder))? {
                let small = path
                    .extension()
                    .is_some_and(|ending| ["json", "png", "txt"].iter().any(|small| ending == *small));
                if let (true, Some(name)) = (small, path.file_name()) {
                    copy_file(&path, &archived.join(folder).join(name))?;
                }
            }
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let copy = || {
        to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::copy(from, to)
    };
    copy().map(drop).with_context(|| format!("{} to {}", from.display(), to.display()))
}
