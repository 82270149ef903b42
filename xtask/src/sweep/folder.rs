//! The folder of a run: what a sweep adds to the files of `dm`, and how a run is deleted.

use super::study::Sample;
use crate::records::read_json;
use crate::workspace::{beside, write_atomically};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// Locked by `dm` while it trains.
const LOCK: &str = ".lock";
/// Folder of a finished run's images; it gets this name when all of them are there.
pub const GENERATED: &str = "generated";
const GENERATED_PART: &str = "generated.part";
/// How the images were sampled.
const SAMPLE: &str = "sample.json";

/// Deletes a run folder. It is renamed first, so that an interrupted deletion leaves no half of a run.
///
/// # Errors
/// If another process trains into the folder, or deleting fails.
pub fn delete(run: &Path) -> Result<()> {
    if let Ok(lock) = std::fs::File::open(run.join(LOCK)) {
        ensure!(lock.try_lock().is_ok(), "{}: another process is training into this folder", run.display());
    }
    let deleted = beside(run, ".deleted");
    remove(&deleted)?;
    if run.exists() {
        std::fs::rename(run, &deleted).with_context(|| format!("{}: cannot delete", run.display()))?;
    }
    remove(&deleted)
}

/// Number of files below a folder, and their size in bytes.
pub fn weigh(folder: &Path) -> Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    for path in crate::records::entries(folder)? {
        let meta = std::fs::symlink_metadata(&path).with_context(|| path.display().to_string())?;
        let (more_files, more_bytes) = if meta.is_dir() { weigh(&path)? } else { (1, meta.len()) };
        files += more_files;
        bytes += more_bytes;
    }
    Ok((files, bytes))
}

/// Deletes a folder that may be missing.
fn remove(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        std::fs::remove_dir_all(folder).with_context(|| format!("{}: cannot delete", folder.display()))?;
    }
    Ok(())
}

/// Whether the images of a run are there and were sampled with the same settings.
pub fn is_sampled(run: &Path, sample: &Sample) -> bool {
    read_json::<Sample>(&run.join(GENERATED).join(SAMPLE)).is_ok_and(|found| found == *sample)
}

/// An empty folder to sample into. Older images are deleted.
pub fn open_generated(run: &Path) -> Result<PathBuf> {
    delete_generated(run)?;
    let part = run.join(GENERATED_PART);
    std::fs::create_dir(&part).with_context(|| part.display().to_string())?;
    Ok(part)
}

/// Gives the folder its final name, when all of its images are there.
pub fn close_generated(run: &Path, sample: &Sample) -> Result<()> {
    let (part, whole) = (run.join(GENERATED_PART), run.join(GENERATED));
    write_atomically(&part.join(SAMPLE), &serde_json::to_vec_pretty(sample)?)?;
    std::fs::rename(&part, &whole).with_context(|| whole.display().to_string())
}

/// Deletes images of older weights.
pub fn delete_generated(run: &Path) -> Result<()> {
    remove(&run.join(GENERATED))?;
    remove(&run.join(GENERATED_PART))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleting_removes_everything_but_not_under_a_training_process() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("a");
        std::fs::create_dir_all(run.join("samples")).unwrap();
        std::fs::write(run.join(LOCK), "").unwrap();
        std::fs::write(run.join("samples/epoch-0001.png"), "12345").unwrap();
        assert_eq!(weigh(&run).unwrap(), (2, 5));
        let lock = std::fs::File::open(run.join(LOCK)).unwrap();
        lock.lock().unwrap();
        assert!(delete(&run).unwrap_err().to_string().contains("another process"));
        assert_eq!(weigh(&run).unwrap(), (2, 5));
        drop(lock);
        delete(&run).unwrap();
        delete(&run).unwrap();
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
    }

    #[test]
    fn images_count_only_when_all_are_there_and_sampled_with_the_same_settings() {
        let run = tempfile::tempdir().unwrap();
        let run = run.path();
        let sample = Sample { n: 4, nfe: None, seed: 1, restored: 4, measure: None };
        std::fs::write(open_generated(run).unwrap().join("grid.png"), "x").unwrap();
        assert!(!is_sampled(run, &sample), "interrupted before it was closed");
        open_generated(run).unwrap();
        close_generated(run, &sample).unwrap();
        assert!(is_sampled(run, &sample) && !is_sampled(run, &Sample { n: 5, ..sample.clone() }));
        delete_generated(run).unwrap();
        assert!(!is_sampled(run, &sample));
    }
}
