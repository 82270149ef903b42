//! Finding models, classifiers and data: what the user named, or what is shipped.
//!
//! A shipped file is looked for in these places, in this order:
//!
//! 1. the folder that the environment variable `DM_DATA` names,
//! 2. the folder `data` in the working directory,
//! 3. the folder `data` beside the program or in a folder above the program,
//! 4. inside the program, which contains the model `ink-unet`, the classifier `classifier` and 100 test images of MNIST.
//!
//! The folders have the structure of `data` in the repository: `models/NAME.safetensors` and `mnist`.

#![warn(clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use candle_core::Device;
use dm_degrade::Model;
use dm_eval::Classifier;
use dm_nn::data::sha256_hex;
use dm_nn::params::file::{TensorFile, read_bounded};

use crate::embedded::{self, ModelFile};

/// The folder of runs that have no other place.
const RUNS: &str = "runs";
/// The model that is used when none is named.
pub const DEFAULT_MODEL: &str = "ink-unet";
/// The classifier that is used when none is named.
pub const DEFAULT_CLASSIFIER: &str = "classifier";
/// The data set that is used when none is named.
pub const DEFAULT_DATA: &str = "data/mnist";

/// The environment variable that names the folder of shipped files.
const VARIABLE: &str = "DM_DATA";
/// The name of the folder of shipped files in the working directory and beside the program.
const FOLDER: &str = "data";

/// The metadata entries that distinguish a classifier's file (of schema 2 or 1) from a model's.
const CLASSIFIER_ENTRIES: [&str; 2] = ["classifier", "judge"];
/// How the names of checkpoints begin.
const CHECKPOINT: &str = "checkpoint";
/// The metadata entry that every model file has.
const MODEL_ENTRY: &str = "config";

/// A model or a classifier that was found.
pub enum Found {
    /// A file or a folder.
    Path(PathBuf),
    /// A file inside the program.
    Embedded(&'static ModelFile),
}

impl Found {
    /// Opens the model, to compute on `device`.
    ///
    /// # Errors
    /// If it cannot be read or is not a model.
    pub fn open_model(&self, device: &Device) -> Result<Model> {
        Ok(match self {
            Self::Path(path) => {
                check("model", path)?;
                Model::open(path, device)?
            }
            Self::Embedded(file) => Model::from_bytes(&embedded_path(file), file.bytes, device)?,
        })
    }

    /// Opens the classifier, to compute on `device`.
    ///
    /// # Errors
    /// If it cannot be read or is not a classifier.
    pub fn open_classifier(&self, device: &Device) -> Result<Classifier> {
        Ok(match self {
            Self::Path(path) => {
                check("classifier", path)?;
                Classifier::read(&file_in(path), device)?
            }
            Self::Embedded(file) => Classifier::from_bytes(&embedded_path(file), file.bytes, device)?,
        })
    }

    /// The tensor file of the model or classifier, and its size in bytes.
    ///
    /// # Errors
    /// If it cannot be read or is not a tensor file.
    pub fn tensor_file(&self) -> Result<(TensorFile, usize)> {
        Ok(match self {
            Self::Path(path) => {
                check("model", path)?;
                let path = file_in(path);
                let bytes = read_bounded(&path)?;
                (TensorFile::parse(&path, &bytes)?, bytes.len())
            }
            Self::Embedded(file) => (TensorFile::parse(&embedded_path(file), file.bytes)?, file.bytes.len()),
        })
    }
}

/// Finds a model: `name` is a run folder, a model file, the name of a shipped model, or the name of a run in `runs`.
///
/// # Errors
/// If there is no such model.
pub fn model(name: &str) -> Result<Found> {
    find("model", name, is_model)
}

/// Finds a model, as [`model`] does, or images: `name` may also be any other file or folder.
///
/// # Errors
/// If there is neither.
pub fn model_or_images(name: &str) -> Result<Found> {
    find("model or images", name, is_model)
}

/// Whether `file` is the file of a model.
fn is_model(file: &TensorFile) -> bool {
    file.has_metadata(MODEL_ENTRY) && !is_classifier(file)
}

/// The names of the shipped models.
pub fn shipped_models() -> Vec<String> {
    shipped_names(is_model)
}

/// Finds a classifier: `name` is a run folder, a classifier's file, the name of a shipped classifier, or the name of a run in
/// `runs`.
///
/// # Errors
/// If there is no such classifier.
pub fn classifier(name: &str) -> Result<Found> {
    find("classifier", name, is_classifier)
}

/// Whether `file` is the file of a classifier.
pub fn is_classifier(file: &TensorFile) -> bool {
    CLASSIFIER_ENTRIES.iter().any(|entry| file.has_metadata(entry))
}

/// The data set at `path`. A path in `data` that does not exist is also looked for among the shipped files.
///
/// # Errors
/// If there is no shipped file of that path either.
pub fn data(path: &Path) -> Result<PathBuf> {
    let Some(below) = path.strip_prefix(FOLDER).ok().filter(|_| !path.exists()) else {
        return Ok(path.to_owned());
    };
    shipped(below)
        .with_context(|| format!("{}: data set: found no such file or folder; {}", path.display(), places()))
}

/// Whether the default data set is among the shipped files.
pub fn has_default_data() -> bool {
    data(Path::new(DEFAULT_DATA)).is_ok()
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
fn find(kind: &str, name: &str, is_kind: fn(&TensorFile) -> bool) -> Result<Found> {
    let (path, run) = (Path::new(name), Path::new(RUNS).join(name));
    if path.exists() {
        return Ok(Found::Path(path.to_owned()));
    }
    match shipped_file(name) {
        Some(found) => Ok(found),
        None if run.is_dir() => Ok(Found::Path(run)),
        None => bail!(
            "{kind} `{name}`: found no file, no folder and no run of that name; the shipped ones are {}; {}",
            shipped_names(is_kind).join(", "),
            places()
        ),
    }
}

/// Explains what may be missing at `path`, a file or a run folder.
fn check(kind: &str, path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if path.is_file() && name.starts_with(CHECKPOINT) {
        bail!("{}: found a checkpoint, expected a {kind}: name its run folder", path.display());
    }
    if path.is_dir() && !file_in(path).exists() {
        bail!(
            "{}: found no {kind} in this folder, which a run writes when it is first saved; continue a run with \
             `dm train CONFIG --resume`",
            path.display()
        );
    }
    Ok(())
}

/// The shipped model or classifier `name`.
pub fn shipped_file(name: &str) -> Option<Found> {
    let path = shipped(&Path::new("models").join(format!("{name}.safetensors"))).map(Found::Path);
    path.or_else(|| embedded::model_file(name).map(Found::Embedded))
}

/// The model's or classifier's file in the run folder `path`; any other path is the file itself.
fn file_in(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(dm_degrade::model::FILE) } else { path.to_owned() }
}

/// The name of a file inside the program in errors and tables.
fn embedded_path(file: &ModelFile) -> PathBuf {
    PathBuf::from(format!("{}.safetensors (inside the program)", file.name))
}

/// The file or folder `path` in the first of the folders of shipped files that has it.
fn shipped(path: &Path) -> Option<PathBuf> {
    folders().into_iter().map(|folder| folder.join(path)).find(|path| path.exists())
}

/// The folders of shipped files, in the order in which they are searched.
fn folders() -> Vec<PathBuf> {
    let given = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let program = std::env::current_exe().unwrap_or_default();
    let above = program.ancestors().skip(1).map(|folder| folder.join(FOLDER));
    given.into_iter().chain([PathBuf::from(FOLDER)]).chain(above).collect()
}

/// Where shipped files were looked for, for an error message.
fn places() -> String {
    let given = std::env::var(VARIABLE).ok().filter(|folder| !folder.is_empty());
    let given = given.unwrap_or_else(|| "not set".to_owned());
    let program = std::env::current_exe().unwrap_or_default();
    let beside = program.parent().unwrap_or(Path::new("")).display();
    format!(
        "looked in {VARIABLE} ({given}), in {FOLDER} in the working directory, in {FOLDER} in {beside} and in the folders \
         above it, and inside the program"
    )
}

/// The names of the shipped files of a kind.
fn shipped_names(is_kind: fn(&TensorFile) -> bool) -> Vec<String> {
    let files = shipped(Path::new("models")).and_then(|folder| std::fs::read_dir(folder).ok());
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let fits = |path: &PathBuf| TensorFile::read(path).is_ok_and(|file| is_kind(&file));
    let files = files.into_iter().flatten().flatten().map(|file| file.path());
    let mut names: Vec<String> = files.filter(fits).filter_map(stem).collect();
    let inside = embedded::MODELS.iter().map(|file| (file.name, Found::Embedded(file).tensor_file()));
    let inside = inside.filter(|(_, file)| file.as_ref().is_ok_and(|(file, _)| is_kind(file)));
    names.extend(inside.map(|(name, _)| name.to_owned()));
    names.sort();
    names.dedup();
    names
}
