//! Finding models, classifiers and data: what the user named, or what is shipped beside the program.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use dm_nn::data::sha256_hex;
use dm_nn::params::file::TensorFile;

/// The model that is used when none is named.
pub const DEFAULT_MODEL: &str = "ink-unet";
/// The classifier that is used when none is named.
pub const DEFAULT_CLASSIFIER: &str = "classifier";

/// The metadata entries that distinguish a classifier's file (of schema 2 or 1) from a model's.
const CLASSIFIER_ENTRIES: [&str; 2] = ["classifier", "judge"];
/// The metadata entry that every model file has.
const MODEL_ENTRY: &str = "config";

/// The path of a model: `name` is a run folder, a model file, or the name of a shipped model.
///
/// # Errors
/// If there is no such model.
pub fn model(name: &str) -> Result<PathBuf> {
    find("model", name, |file| file.has_metadata(MODEL_ENTRY) && !is_classifier(file))
}

/// The file of a model.
///
/// # Errors
/// As [`model`].
pub fn model_file(name: &str) -> Result<PathBuf> {
    model(name).map(file_in)
}

/// The file of a classifier: `name` is a run folder, a classifier's file, or the name of a shipped classifier.
///
/// # Errors
/// If there is no such classifier.
pub fn classifier_file(name: &str) -> Result<PathBuf> {
    find("classifier", name, is_classifier).map(file_in)
}

/// Whether `file` is that of a classifier.
pub fn is_classifier(file: &TensorFile) -> bool {
    CLASSIFIER_ENTRIES.iter().any(|entry| file.has_metadata(entry))
}

/// The data set at `path`. A relative path that does not exist is also looked for beside the program.
pub fn data(path: &Path) -> PathBuf {
    let below = path.strip_prefix("data").ok().filter(|_| !path.exists());
    below.and_then(shipped).unwrap_or_else(|| path.to_owned())
}

/// The SHA-256 of the running program. The cache includes it in its keys, so that one build does not reuse results of another.
///
/// # Errors
/// If the program cannot be read.
pub fn program_sha256() -> Result<String> {
    // On Linux this link leads to the running program even if its file has been replaced since.
    let bytes = std::fs::read("/proc/self/exe").or_else(|_| std::fs::read(std::env::current_exe()?));
    Ok(sha256_hex(&bytes.context("reading the running program")?))
}

/// `name` as a path, or the shipped file of that name. `is_kind` returns whether a file is of this kind.
fn find(kind: &str, name: &str, is_kind: fn(&TensorFile) -> bool) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.exists() {
        return Ok(path.to_owned());
    }
    match shipped(&Path::new("models").join(format!("{name}.safetensors"))) {
        Some(path) => Ok(path),
        None => bail!(
            "{kind} `{name}`: found neither a file, nor a run folder, nor a shipped {kind} of that name ({})",
            shipped_names(kind, is_kind)
        ),
    }
}

/// The model's or classifier's file in the run folder `path`; any other path is the file itself.
fn file_in(path: PathBuf) -> PathBuf {
    if path.is_dir() { path.join(dm_degrade::model::FILE) } else { path }
}

/// `data/path` in the working directory or in a folder above the program.
fn shipped(path: &Path) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let above = program.ancestors().skip(1).map(|folder| folder.join("data").join(path));
    std::iter::once(Path::new("data").join(path)).chain(above).find(|path| path.exists())
}

/// The names of the shipped files of a kind, for an error message.
fn shipped_names(kind: &str, is_kind: fn(&TensorFile) -> bool) -> String {
    let folder = shipped(Path::new("models"));
    let files = folder.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let fits = |path: &PathBuf| TensorFile::read(path).is_ok_and(|file| is_kind(&file));
    let mut names: Vec<String> = files.map(|file| file.path()).filter(fits).filter_map(stem).collect();
    names.sort();
    if names.is_empty() {
        format!(
            "no {kind} is shipped here: there is no folder data/models in the working directory or above the program"
        )
    } else {
        format!("shipped: {}", names.join(", "))
    }
}
