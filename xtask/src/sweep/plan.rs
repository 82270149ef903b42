//! What to do with a run folder, decided from files alone: train, resume or skip it. A stamp that is written before training
//! states what the folder is made from. Stamp and log lie beside the run folders, whose content belongs to `dm`.

use super::study::{Job, Sample};
use crate::records::{read_json, read_manifest};
use crate::workspace::write_atomically;
use anyhow::{Context, Result, bail, ensure};
use dm_record::RunStatus;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "manifest.json";
const CHECKPOINT: &str = "checkpoint.safetensors";
/// Locked by `dm` while it trains.
const LOCK: &str = ".lock";
/// Folder of a finished run's images; it gets this name when all of them are there.
pub const GENERATED: &str = "generated";
const GENERATED_PART: &str = "generated.part";
const SAMPLE_STAMP: &str = "sample.json";

/// Where the files of a run are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The run folder of `dm`.
    pub run: PathBuf,
    /// Output of the child processes; also a lock, see `super::process`.
    pub log: PathBuf,
    stamp: PathBuf,
}

impl Place {
    pub fn of(out: &Path, name: &str) -> Self {
        let beside = out.join("logs");
        Self {
            run: out.join(name),
            log: beside.join(format!("{name}.txt")),
            stamp: beside.join(format!("{name}.json")),
        }
    }
}

/// What a run folder is made from: the values of the config file and what is set over them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    config: Value,
    set: Vec<String>,
}

impl Stamp {
    pub fn of(job: &Job) -> Result<Self> {
        let name = job.config.display();
        let text = std::fs::read_to_string(&job.config).with_context(|| name.to_string())?;
        let config: Value = toml::from_str(&text).with_context(|| name.to_string())?;
        Ok(Self { config, set: job.set.clone() })
    }

    pub fn write(&self, place: &Place) -> Result<()> {
        write_atomically(&place.stamp, &serde_json::to_vec_pretty(self)?)
    }

    /// The first difference between this stamp and an older one, in words.
    fn difference(&self, old: &Self) -> Option<String> {
        if self.set != old.set {
            return Some(format!("--set was [{}], is [{}]", old.set.join(", "), self.set.join(", ")));
        }
        value_difference("", &old.config, &self.config)
    }
}

fn value_difference(path: &str, old: &Value, new: &Value) -> Option<String> {
    if let (Value::Object(before), Value::Object(after)) = (old, new) {
        let mut keys: Vec<_> = before.keys().chain(after.keys()).collect();
        keys.sort();
        keys.dedup();
        return keys.into_iter().find_map(|key| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            value_difference(
                &path,
                before.get(key).unwrap_or(&Value::Null),
                after.get(key).unwrap_or(&Value::Null),
            )
        });
    }
    let say = |value: &Value| if value.is_null() { "absent".to_owned() } else { value.to_string() };
    (old != new).then(|| format!("{path} was {}, is {}", say(old), say(new)))
}

/// What is to be done for training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Training {
    /// Complete, and made from the same config.
    Skip,
    /// Interrupted after a checkpoint.
    Resume,
    /// There is no checkpoint.
    Start,
}

/// Decides what training a folder needs. A folder made from anything else is an error: it holds somebody's work, and only
/// `--clean` may delete that.
pub fn training(place: &Place, stamp: &Stamp) -> Result<Training> {
    let run = place.run.display();
    if contents(&place.run)?.is_empty() {
        return Ok(Training::Start);
    }
    let Some(old) = place.stamp.is_file().then(|| read_json::<Stamp>(&place.stamp)).transpose()? else {
        bail!("{run}: not made by this sweep; --clean deletes it and starts over");
    };
    if let Some(difference) = stamp.difference(&old) {
        bail!("{run}: made from another config ({difference}); --clean deletes it and starts over");
    }
    Ok(match read_manifest(&place.run)? {
        Some(manifest) if manifest.status == RunStatus::Complete => Training::Skip,
        Some(_) if place.run.join(CHECKPOINT).is_file() => Training::Resume,
        _ => Training::Start,
    })
}

/// Entries of a folder; none where there is no folder.
fn contents(dir: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<_> { std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect() };
    match read() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        result => result.with_context(|| dir.display().to_string()),
    }
}

/// Deletes a run folder. The manifest is deleted first and the stamp is kept, so that after an interrupted deletion the next
/// sweep deletes the rest.
pub fn clear(place: &Place) -> Result<()> {
    let run = &place.run;
    if let Ok(lock) = std::fs::File::open(run.join(LOCK)) {
        ensure!(lock.try_lock().is_ok(), "{}: another process is training into this folder", run.display());
    }
    remove(&run.join(MANIFEST))?;
    remove(run)
}

/// Number of files below a folder, and their size in bytes.
pub fn weigh(dir: &Path) -> Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    for path in contents(dir)? {
        let meta = std::fs::symlink_metadata(&path).with_context(|| path.display().to_string())?;
        let (more_files, more_bytes) = if meta.is_dir() { weigh(&path)? } else { (1, meta.len()) };
        files += more_files;
        bytes += more_bytes;
    }
    Ok((files, bytes))
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() && !path.is_symlink() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{}: cannot delete", path.display()))
        }
        _ => Ok(()),
    }
}

/// Whether the images of a run are there and were sampled with the same settings.
pub fn is_sampled(run: &Path, sample: &Sample) -> bool {
    read_json::<Sample>(&run.join(GENERATED).join(SAMPLE_STAMP)).is_ok_and(|stamp| stamp == *sample)
}

/// An empty folder to sample into. Older images are deleted.
pub fn open_generated(run: &Path) -> Result<PathBuf> {
    drop_generated(run)?;
    let part = run.join(GENERATED_PART);
    std::fs::create_dir(&part).with_context(|| part.display().to_string())?;
    Ok(part)
}

/// Gives the folder its final name, when all of its images are there.
pub fn close_generated(run: &Path, sample: &Sample) -> Result<()> {
    let (part, whole) = (run.join(GENERATED_PART), run.join(GENERATED));
    write_atomically(&part.join(SAMPLE_STAMP), &serde_json::to_vec_pretty(sample)?)?;
    std::fs::rename(&part, &whole).with_context(|| whole.display().to_string())
}

/// Deletes images of older weights.
pub fn drop_generated(run: &Path) -> Result<()> {
    remove(&run.join(GENERATED))?;
    remove(&run.join(GENERATED_PART))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
