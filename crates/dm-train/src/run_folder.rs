//! The run folder: one folder holds the config of a run and everything that the run writes.
//!
//! ```text
//! config.toml            the resolved config
//! manifest.json          what is trained, on which data, and how far the training has progressed
//! metrics.jsonl          one line per report
//! events.out.tfevents.*  the metrics, pictures and the config for TensorBoard
//! samples/epoch-0001.png samples from the same seeds after every epoch
//! checkpoint.safetensors everything that is needed to continue
//! model.safetensors      the evaluated weights with their config, after every epoch
//! ```
//! A lock prevents two processes from training into one folder. Files other than metrics.jsonl are written atomically; lines
//! of metrics.jsonl beyond the checkpoint are removed when a run resumes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use dm_nn::hash::sha256_hex;
use dm_nn::params::file::{read_at_most, write_atomic};
use dm_record::{RunManifest, RunStatus};

use crate::config::RunConfig;
use crate::error::{Error, Result};
use crate::links::refuse_links;

const MANIFEST: &str = "manifest.json";
/// Larger manifests are not read: 1 MiB.
const MAX_MANIFEST: u64 = 1 << 20;
/// Name of the file that is locked while a process trains into the folder.
pub const LOCK: &str = ".lock";

/// An open, locked run folder.
pub struct RunFolder {
    path: PathBuf,
    _lock: File,
    config: RunConfig,
    config_toml: String,
    git_revision: Option<String>,
    /// The manifest as it was when the folder was opened.
    manifest: Option<RunManifest>,
}

impl RunFolder {
    /// Opens the folder at `path` for the run of the resolved `config`: a new folder, or with `resume` one that was made for
    /// the same config.
    ///
    /// # Errors
    /// If the folder belongs to another config, holds other files or symbolic links, exists although `resume` is false, or
    /// another process is training into it.
    pub fn open(path: &Path, config: &RunConfig, resume: bool, git_revision: Option<String>) -> Result<Self> {
        let io = |e| Error::io(path, e);
        refuse_links(path)?;
        let config_toml = config.to_toml()?;
        let config_file = path.join("config.toml");
        if config_file.is_file() {
            let found = RunConfig::read(&config_file, &[])?;
            if let Some((found, expected)) = first_difference(&found.to_toml()?, &config_toml) {
                let message =
                    format!("found {found}, expected {expected}: the run folder has another config");
                return Err(Error::config(&config_file, message));
            }
            if !resume {
                let message = "the run exists; continue it with --resume, or name another folder with --run";
                return Err(Error::config(path, message));
            }
        } else if path.is_dir() && fs::read_dir(path).map_err(io)?.next().is_some_and(|e| !is_lock(&e)) {
            return Err(Error::config(
                path,
                "found a folder with other files, expected a run folder, an empty folder or no folder",
            ));
        }
        fs::create_dir_all(path.join("samples")).map_err(io)?;
        let lock = lock(path)?;
        write_atomic(&config_file, config_toml.as_bytes())?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
            config: config.clone(),
            config_toml,
            git_revision,
            manifest: read_manifest(path),
        })
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the checkpoint is.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    /// Where the model is.
    pub fn model_path(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// Where the metrics are.
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// Where the pictures of samples are.
    pub fn samples_path(&self) -> PathBuf {
        self.path.join("samples")
    }

    /// The resolved config.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// The resolved config as it is written in config.toml.
    pub fn config_toml(&self) -> &str {
        &self.config_toml
    }

    /// SHA-256 of config.toml, in hexadecimal.
    pub fn config_sha256(&self) -> String {
        sha256_hex(self.config_toml.as_bytes())
    }

    /// Git revision of the code, if it is known.
    pub fn git_revision(&self) -> Option<&str> {
        self.git_revision.as_deref()
    }

    /// Whether the run was complete when the folder was opened.
    pub fn is_complete(&self) -> bool {
        self.manifest.as_ref().is_some_and(|manifest| manifest.status == RunStatus::Complete)
    }

    /// Checks that the run has not been trained on data other than those with the hash `sha256`.
    ///
    /// # Errors
    /// If the manifest names other data.
    pub fn check_data(&self, sha256: &str) -> Result<()> {
        match &self.manifest {
            Some(manifest) if manifest.data_sha256 != sha256 => {
                let expected = format!("{sha256} of the given data: the run has been trained on other data");
                Err(Error::format(&self.path.join(MANIFEST), "data_sha256", &manifest.data_sha256, expected))
            }
            _ => Ok(()),
        }
    }

    /// Writes the manifest, atomically.
    ///
    /// # Errors
    /// If writing fails.
    pub fn write_manifest(&self, manifest: &RunManifest) -> Result<()> {
        let text = serde_json::to_string_pretty(manifest)
            .map_err(|e| Error::invalid(MANIFEST, e, "values that JSON can hold"))?;
        Ok(write_atomic(&self.path.join(MANIFEST), (text + "\n").as_bytes())?)
    }
}

/// Locks the run folder at `path`: no other process can train into the folder as long as the returned file is open.
///
/// # Errors
/// If another process is training into the folder, or the file cannot be locked.
pub fn lock(path: &Path) -> Result<File> {
    let lock = File::create(path.join(LOCK)).map_err(|e| Error::io(path, e))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => {
            Err(Error::config(path, "another process is training into this folder"))
        }
        Err(fs::TryLockError::Error(error)) => Err(Error::io(path, error)),
    }
}

/// Whether a process is training into the run folder at `path`. A process that has died holds no lock.
///
/// # Errors
/// If the lock's file cannot be read.
pub fn is_locked(path: &Path) -> Result<bool> {
    let path = path.join(LOCK);
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(|e| Error::io(&path, e))?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(fs::TryLockError::WouldBlock) => Ok(true),
        Err(fs::TryLockError::Error(error)) => Err(Error::io(&path, error)),
    }
}

/// The manifest of the run folder at `path`, if there is one that can be read.
pub fn read_manifest(path: &Path) -> Option<RunManifest> {
    serde_json::from_slice(&read_at_most(&path.join(MANIFEST), MAX_MANIFEST).ok()?).ok()
}

fn is_lock(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|e| e.file_name() == LOCK)
}

/// The first line in which two configs differ, as it stands in each of the two.
fn first_difference(found: &str, expected: &str) -> Option<(String, String)> {
    let (mut a, mut b) = (found.lines(), expected.lines());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (x, y) if x == y => {}
            (x, y) => {
                let show = |line: Option<&str>| format!("`{}`", line.unwrap_or("end of file"));
                return Some((show(x), show(y)));
            }
        }
    }
}
