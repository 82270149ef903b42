//! The run folder of a sweep: deleting runs, and the images of a finished run.

use super::study::{Evaluation, Job, Sample};
use crate::records::read_json;
use crate::workspace::{beside, files_below, write_atomically};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// Locked by `dm` while it trains.
const LOCK: &str = ".lock";
/// Folder of a finished run's images. It gets this name when all images are complete.
pub const GENERATED: &str = "generated";
const GENERATED_PART: &str = "generated.part";
/// Folder of the scores of a finished run's further evaluations.
pub const EVALUATIONS: &str = "scores";
/// File with the settings that the images were sampled with.
const SAMPLE: &str = "sample.json";

/// Deletes a run folder. The folder is renamed first, so that an interrupted deletion leaves no damaged run.
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
fn size(folder: &Path) -> Result<(usize, u64)> {
    let (files, mut bytes) = (files_below(folder)?, 0);
    for path in &files {
        bytes += std::fs::symlink_metadata(path).with_context(|| path.display().to_string())?.len();
    }
    Ok((files.len(), bytes))
}

/// Prints which run folders `--clean` is about to delete.
pub fn announce_deletion(jobs: &[Job], out: &Path) -> Result<()> {
    for run in jobs.iter().map(|job| out.join(&job.name)).filter(|run| run.is_dir()) {
        let (files, bytes) = size(&run)?;
        eprintln!("--clean: deleting {} ({files} files, {:.1} MB)", run.display(), bytes as f64 / 1e6);
    }
    Ok(())
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

/// Gives the folder its final name. Call this function when all images are complete.
pub fn close_generated(run: &Path, sample: &Sample) -> Result<()> {
    let (part, whole) = (run.join(GENERATED_PART), run.join(GENERATED));
    write_atomically(&part.join(SAMPLE), &serde_json::to_vec_pretty(sample)?)?;
    std::fs::rename(&part, &whole).with_context(|| whole.display().to_string())
}

/// The files of an evaluation: its scores, and the command that made them, which is written last.
fn evaluation_files(run: &Path, evaluation: &Evaluation) -> [PathBuf; 2] {
    ["json", "txt"].map(|ending| run.join(EVALUATIONS).join(format!("{}.{ending}", evaluation.name)))
}

/// Whether the scores of an evaluation are there and were made by the same command.
pub fn is_evaluated(run: &Path, evaluation: &Evaluation) -> bool {
    let [scores, command] = evaluation_files(run, evaluation);
    scores.is_file() && std::fs::read_to_string(command).is_ok_and(|text| text == evaluation.command)
}

/// The file for the scores of an evaluation. Older scores are deleted.
pub fn open_evaluation(run: &Path, evaluation: &Evaluation) -> Result<PathBuf> {
    let [scores, command] = evaluation_files(run, evaluation);
    let folder = run.join(EVALUATIONS);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for file in [&command, &scores] {
        if file.exists() {
            std::fs::remove_file(file).with_context(|| file.display().to_string())?;
        }
    }
    Ok(scores)
}

/// Marks an evaluation as complete.
pub fn close_evaluation(run: &Path, evaluation: &Evaluation) -> Result<()> {
    let [scores, command] = evaluation_files(run, evaluation);
    ensure!(scores.is_file(), "{}: dm did not write it", scores.display());
    write_atomically(&command, evaluation.command.as_bytes())
}

/// Deletes all images and evaluations of a run.
pub fn delete_results(run: &Path) -> Result<()> {
    remove(&run.join(EVALUATIONS))?;
    delete_generated(run)
}

/// Deletes all images of a run.
fn delete_generated(run: &Path) -> Result<()> {
    remove(&run.join(GENERATED))?;
    remove(&run.join(GENERATED_PART))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_deleted_unless_a_process_trains_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("a");
        std::fs::create_dir_all(run.join("samples")).unwrap();
        std::fs::write(run.join(LOCK), "").unwrap();
        std::fs::write(run.join("samples/epoch-0001.png"), "12345").unwrap();
        assert_eq!(size(&run).unwrap(), (2, 5));
        let lock = std::fs::File::open(run.join(LOCK)).unwrap();
        lock.lock().unwrap();
        assert!(delete(&run).unwrap_err().to_string().contains("another process"));
        assert_eq!(size(&run).unwrap(), (2, 5));
        drop(lock);
        delete(&run).unwrap();
        delete(&run).unwrap();
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
    }

    #[test]
    fn images_count_only_when_complete_and_sampled_with_the_same_settings() {
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

    #[test]
    fn evaluations_count_only_when_complete_and_made_by_the_same_command() {
        let run = tempfile::tempdir().unwrap();
        let run = run.path();
        let evaluation = |command: &str| Evaluation { name: "few".into(), command: command.into() };
        let five = evaluation("eval --nfe 5");
        let file = open_evaluation(run, &five).unwrap();
        assert!(close_evaluation(run, &five).unwrap_err().to_string().contains("few.json"));
        std::fs::write(&file, "{}").unwrap();
        assert!(!is_evaluated(run, &five), "interrupted before it was closed");
        close_evaluation(run, &five).unwrap();
        assert!(is_evaluated(run, &five) && !is_evaluated(run, &evaluation("eval --nfe 6")));
        open_evaluation(run, &five).unwrap();
        assert!(!is_evaluated(run, &five) && !file.exists());
        close_evaluation(run, &five).unwrap_err();
        delete_results(run).unwrap();
        assert!(std::fs::read_dir(run).unwrap().next().is_none());
    }
}
