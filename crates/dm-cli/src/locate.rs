//! Finding models and data: what the user named, else what is shipped beside the program; and the program itself.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use dm_nn::data::sha256_hex;
use dm_nn::params::file::TensorFile;

/// The model that is drawn from when none is named.
pub const DEFAULT_MODEL: &str = "ink-unet";

/// A run folder, a model file, or the name of a shipped model, as a path.
pub fn model(name: &str) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.exists() {
        return Ok(path.to_owned());
    }
    let shipped = shipped(&Path::new("models").join(format!("{name}.safetensors")));
    match shipped {
        Some(path) => Ok(path),
        None => bail!(
            "model `{name}`: found neither a file, nor a run folder, nor a shipped model of that name ({})",
            names()
        ),
    }
}

/// As [`model`], and for a run folder the model in it.
pub fn file(name: &str) -> Result<PathBuf> {
    let path = model(name)?;
    Ok(if path.is_dir() { path.join(dm_train::model::FILE) } else { path })
}

/// The data folder `dir`; a relative one is also looked for beside the program.
pub fn data(dir: &Path) -> PathBuf {
    let below = dir.strip_prefix("data").ok().filter(|_| !dir.is_dir());
    below.and_then(shipped).unwrap_or_else(|| dir.to_owned())
}

/// Hash of the running program: what is kept for it in a cache is for no other build.
pub fn program_sha256() -> Result<String> {
    // On Linux this is the program that runs, even if another has taken its place since.
    let bytes = std::fs::read("/proc/self/exe").or_else(|_| std::fs::read(std::env::current_exe()?));
    Ok(sha256_hex(&bytes.context("reading the running program")?))
}

/// `data/path` in the working directory or in a folder above the program.
fn shipped(path: &Path) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let above = program.ancestors().skip(1).map(|folder| folder.join("data").join(path));
    std::iter::once(Path::new("data").join(path)).chain(above).find(|path| path.exists())
}

/// Names of the shipped models; judges are none.
fn names() -> String {
    let folder = shipped(Path::new("models"));
    let files = folder.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let model = |path: &PathBuf| TensorFile::read(path).is_ok_and(|file| file.has_metadata("config"));
    let mut names: Vec<String> = files.map(|f| f.path()).filter(model).filter_map(stem).collect();
    names.sort();
    if names.is_empty() {
        "none is shipped here: there is no folder data/models in the working directory or above the program"
            .into()
    } else {
        format!("shipped: {}", names.join(", "))
    }
}
