//! What a trial reads of a run folder.

use crate::workspace::files_below;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Keys of metrics that depend on the clock and not on the training.
const CLOCK: [&str; 3] = ["seconds", "images_per_s", "elapsed_s"];

/// Every temporary file of `dm` has this in its name.
const TEMPORARY: &str = ".writing-";

/// The checkpoints of a run, the oldest first.
pub fn checkpoints(run: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in files_below(run)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("checkpoint") && name.ends_with(".safetensors") {
            let modified = path.metadata().and_then(|data| data.modified());
            found.push((modified.with_context(|| path.display().to_string())?, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Files that a writer left behind under a temporary name.
pub fn orphans(run: &Path) -> Result<Vec<String>> {
    let names = files_below(run)?
        .into_iter()
        .map(|path| path.strip_prefix(run).unwrap_or(&path).to_string_lossy().into_owned());
    Ok(names.filter(|name| name.contains(TEMPORARY)).collect())
}

/// Number of steps that the metrics of a run report; 0 if there are none yet.
pub fn steps(run: &Path) -> usize {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    text.lines().filter(|line| line.contains("\"step\"") && line.ends_with('}')).count()
}

/// Everything in a finished run that must not depend on how often it was interrupted, by name: the tensors and the metadata of
/// models and checkpoints, the metrics and the pictures.
pub fn contents(run: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut contents = BTreeMap::new();
    for path in files_below(run)? {
        let name = path.strip_prefix(run).unwrap_or(&path).to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        if name.ends_with(".safetensors") {
            tensors(&name, &bytes, &mut contents).with_context(|| path.display().to_string())?;
        } else if path.extension().is_some_and(|ending| ending == "png") {
            contents.insert(name, bytes);
        } else if name == "metrics.jsonl" {
            for (i, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
                let mut value: Value =
                    serde_json::from_str(line).with_context(|| format!("{name}: {line}"))?;
                let fields = value.as_object_mut().context("a line of metrics is an object")?;
                fields.retain(|key, _| !CLOCK.contains(&key.as_str()));
                contents.insert(format!("{name}:{}", i + 1), serde_json::to_vec(&value)?);
            }
        }
    }
    Ok(contents)
}

/// The tensors of a file and its metadata without those of the clock and of the hash, which contains the clock. All metadata are
/// one JSON object.
fn tensors(name: &str, bytes: &[u8], contents: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    let (_, header) = safetensors::SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().as_ref().and_then(|metadata| metadata.get("dm"));
    let metadata: serde_json::Map<String, Value> =
        metadata.map_or(Ok(serde_json::Map::default()), |text| serde_json::from_str(text))?;
    for (key, value) in &metadata {
        if !CLOCK.contains(&key.as_str()) && !key.starts_with("checksum") && !key.contains("sha256") {
            contents.insert(format!("{name}[{key}]"), value.to_string().into_bytes());
        }
    }
    for (tensor, view) in safetensors::SafeTensors::deserialize(bytes)?.tensors() {
        contents.insert(format!("{name}:{tensor}"), view.data().to_vec());
    }
    Ok(())
}

/// The first name whose content differs, if there is one.
pub fn first_difference(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) -> Option<String> {
    let names = a.keys().chain(b.keys());
    names.into_iter().find(|name| a.get(*name) != b.get(*name)).cloned()
}

/// Copies a run folder.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    for path in files_below(from)? {
        let target = to.join(path.strip_prefix(from)?);
        let folder = target.parent().unwrap_or(to);
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        std::fs::copy(&path, &target).with_context(|| target.display().to_string())?;
    }
    std::fs::create_dir_all(to.join("samples")).context("creating a run folder")
}
