//! The run folder: one folder holds the config of a run and everything that the run writes.
//!
//! ```text
//! config.toml            the resolved config
//! manifest.json          what is trained, on which data, and how far the training has progressed
//! metrics.jsonl          one line per report
//! events.out.tfevents.*  the metrics, pictures and the config for TensorBoard
//! samples/epoch-0001.png samples from the same seeds after every epoch
//! checkpoint.safetensors everything that is needed to continue the run
//! checkpoint-*           earlier checkpoints by their step, and the one with the lowest Frechet distance
//! model.safetensors      the evaluated weights with their config, after every epoch
//! model-best.safetensors the model with the lowest Frechet distance
//! .lock                  names the process that trains into the folder
//! ```
//! A lock prevents two processes from training into one folder. All files except metrics.jsonl, the event files and the lock are
//! written atomically. Lines of metrics.jsonl beyond the checkpoint are removed when a run resumes.

#![warn(clippy::indexing_slicing)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dm_nn::hash::sha256_hex;
use dm_nn::params::file::read_at_most;
use dm_nn::storage::{Disk, Storage, remove_temporary_files, write_atomic};
use dm_record::{RunManifest, RunStatus, SCHEMA};

use crate::checkpoint_files;
use crate::config::{RunConfig, differences};
use crate::error::{Error, Result};
use crate::links::refuse_links;
use crate::run_lock::{LOCK, lock};

const MANIFEST: &str = "manifest.json";
/// Manifests with more bytes are not read: 1 MiB.
pub const MAX_MANIFEST: u64 = 1 << 20;

/// How a run folder is opened, and by whom.
pub struct OpenOptions<'a> {
    /// Whether a run that is in the folder continues.
    pub resume: bool,
    /// Hash of the content of the data, which must be that of the run; see [`dm_nn::data::Dataset::sha256`]. `None` leaves the
    /// comparison to [`crate::Trainer::open`].
    pub data_sha256: Option<&'a str>,
    /// Git revision of the code, if it is known.
    pub git_revision: Option<String>,
    /// Describes this process to other processes that find the folder locked, for example by its process ID, host and start time.
    pub holder: String,
    /// Where the files of the run are written to.
    pub storage: Arc<dyn Storage>,
}

impl Default for OpenOptions<'_> {
    fn default() -> Self {
        let holder = "a process that does not say which one it is".to_owned();
        Self { resume: false, data_sha256: None, git_revision: None, holder, storage: Arc::new(Disk) }
    }
}

/// An open, locked run folder.
pub struct RunFolder {
    path: PathBuf,
    _lock: File,
    storage: Arc<dyn Storage>,
    config: RunConfig,
    config_toml: String,
    git_revision: Option<String>,
    /// The manifest as it was when the folder was opened.
    manifest: Option<RunManifest>,
}

impl RunFolder {
    /// Opens the folder at `path` for the run of the resolved `config`: a new folder, or with `options.resume` one that was made
    /// for the same config. Keys in [`crate::config::RESUMABLE`] may differ. Temporary files of killed processes are removed.
    ///
    /// # Errors
    /// If the folder belongs to another config or other data (the error lists every difference), holds other files or symbolic
    /// links, exists although `resume` is false, or another process is training into it.
    pub fn open(path: &Path, config: &RunConfig, options: OpenOptions<'_>) -> Result<Self> {
        let OpenOptions { resume, data_sha256, git_revision, holder, storage } = options;
        let io = |e| Error::io(path, e);
        refuse_links(path)?;
        if is_foreign(path)? {
            return Err(Error::config(
                path,
                "found a folder with other files, expected a run folder, an empty folder or no folder",
            ));
        }
        storage.create_folder(path).map_err(io)?;
        // From here on, no other process changes the folder.
        let lock = lock(&*storage, path, &holder)?;
        let (config_toml, config_file, manifest) =
            (config.to_toml()?, path.join("config.toml"), read_manifest(path));
        if config_file.is_file() {
            let found = RunConfig::read(&config_file, &[])?;
            let mut differences = differences(&found, config)?;
            if let Some(manifest) = &manifest {
                differences.extend(differences_from(manifest, config, data_sha256));
            }
            if !differences.is_empty() {
                let message = format!(
                    "the folder has a run with another config: {}; give the new run a folder of its own with --run or --set name=NAME",
                    differences.join("; ")
                );
                return Err(Error::config(&config_file, message));
            }
            if !resume {
                let message = "the run exists; continue it with --resume, or name another folder with --run or --set name=NAME";
                return Err(Error::config(path, message));
            }
        }
        let samples = path.join("samples");
        storage.create_folder(&samples).map_err(|e| Error::io(&samples, e))?;
        remove_temporary_files(&*storage, path)?;
        remove_temporary_files(&*storage, &samples)?;
        let (path, config) = (path.to_owned(), config.clone());
        let run = Self { path, _lock: lock, storage, config, config_toml, git_revision, manifest };
        // The config of a complete run stays the one that its files were written with.
        let is_same = fs::read(&config_file).is_ok_and(|text| text == run.config_toml.as_bytes());
        if !is_same && !run.is_complete() {
            write_atomic(run.storage(), &config_file, run.config_toml.as_bytes())?;
        }
        Ok(run)
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the files of the run are written to.
    pub fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// Where the newest checkpoint is.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.path.join(checkpoint_files::NEWEST)
    }

    /// Where the checkpoint with the lowest Frechet distance is.
    pub fn best_checkpoint_path(&self) -> PathBuf {
        self.path.join(checkpoint_files::BEST)
    }

    /// Where the model is.
    pub fn model_path(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// Where the model with the lowest Frechet distance is.
    pub fn best_model_path(&self) -> PathBuf {
        self.path.join("model-best.safetensors")
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

    /// Whether the run was complete when the folder was opened. A run whose config now has another number of epochs is not complete.
    pub fn is_complete(&self) -> bool {
        let is_complete = |manifest: &RunManifest| {
            manifest.status == RunStatus::Complete && manifest.epochs == self.config.settings().epochs
        };
        self.manifest.as_ref().is_some_and(is_complete)
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
        Ok(write_atomic(self.storage(), &self.path.join(MANIFEST), (text + "\n").as_bytes())?)
    }
}

/// The manifest of the run folder at `path`, if there is one that can be read.
pub fn read_manifest(path: &Path) -> Option<RunManifest> {
    serde_json::from_slice(&read_at_most(&path.join(MANIFEST), MAX_MANIFEST).ok()?).ok()
}

/// Whether `path` is a folder whose files are not those of a run.
fn is_foreign(path: &Path) -> Result<bool> {
    if !path.is_dir() {
        return Ok(false);
    }
    let is_empty = fs::read_dir(path).map_err(|e| Error::io(path, e))?.next().is_none();
    // The lock is the first file of a run.
    Ok(!is_empty && !path.join(LOCK).exists() && !path.join("config.toml").is_file())
}

/// Every difference between the run that `manifest` describes and the one that is to continue it.
fn differences_from(manifest: &RunManifest, config: &RunConfig, data_sha256: Option<&str>) -> Vec<String> {
    let mut differences = Vec::new();
    if manifest.schema > SCHEMA {
        differences.push(format!("schema: found {}, expected 1 to {SCHEMA}", manifest.schema));
    }
    if let Some(data) = data_sha256.filter(|data| *data != manifest.data_sha256) {
        let found = &manifest.data_sha256;
        differences.push(format!("data_sha256: found {found}, expected {data} of the given data"));
    }
    let steps_per_epoch = (manifest.steps_total / manifest.epochs.max(1)).max(1);
    let (done, given) = (manifest.steps_done.div_ceil(steps_per_epoch), config.settings().epochs);
    if given < done {
        differences.push(format!("training.epochs: found {done} that have begun, expected at most {given}"));
    }
    differences
}
