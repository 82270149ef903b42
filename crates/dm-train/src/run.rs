//! The run folder: one folder holds everything a run was told, learned and reported.
//!
//! ```text
//! config.toml            the resolved config
//! manifest.json          what ran, on what, how far it came
//! metrics.jsonl          one line per event
//! samples/epoch-0001.png the same seeds after every epoch
//! checkpoint.safetensors everything to continue from
//! model.safetensors      evaluation weights with their config, after every epoch
//! ```
//! A lock keeps two processes from training into one folder. Files other than metrics.jsonl are written atomically; lines
//! of metrics.jsonl beyond the checkpoint are cut when a run resumes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use candle_core::Device;
use dm_nn::data::{Dataset, sha256_hex};
use dm_nn::params::file::write_atomic;
use serde::{Deserialize, Serialize};

use crate::checkpoint;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::train::State;

/// What ran, on what, how far it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout.
    pub schema: u32,
    /// `running` or `complete`.
    pub status: String,
    /// Name of the run.
    pub name: String,
    /// Root seed.
    pub seed: u64,
    /// Hash of config.toml.
    pub config_sha256: String,
    /// Git revision of the code, if known.
    pub git_revision: Option<String>,
    /// Hash of the data set.
    pub data_sha256: String,
    /// Number of parameters.
    pub parameters: usize,
    /// Steps of the whole run.
    pub steps_total: u64,
    /// Steps taken.
    pub steps_done: u64,
    /// Epochs of the whole run.
    pub epochs: u64,
    /// Training time so far, in seconds.
    pub wall_s: f64,
    /// Version of this program.
    pub dm_version: String,
}

/// How far a run has come: what the manifest says beside what the folder knows.
pub struct Standing<'a> {
    /// `running` or `complete`.
    pub status: &'a str,
    /// Name of the run.
    pub name: &'a str,
    /// Root seed.
    pub seed: u64,
    /// Hash of the data set.
    pub data_sha256: &'a str,
    /// Number of parameters.
    pub parameters: usize,
    /// Steps of the whole run.
    pub steps_total: u64,
    /// Steps taken.
    pub steps_done: u64,
    /// Epochs of the whole run.
    pub epochs: u64,
    /// Training time so far, in seconds.
    pub wall_s: f64,
}

/// An open, locked run folder.
pub struct Run {
    folder: PathBuf,
    _lock: File,
    config_sha256: String,
    git_revision: Option<String>,
}

impl Run {
    /// Opens `folder` for `config`: a new folder, or with `resume` one that was made for the same config.
    ///
    /// # Errors
    /// A folder of another config, one that exists without `resume`, or one another process is training into.
    pub fn open(folder: &Path, config: &Config, resume: bool, git_revision: Option<String>) -> Result<Self> {
        Self::open_toml(folder, &config.to_toml()?, resume, git_revision)
    }

    /// As [`Self::open`] for a resolved config of any kind of run, as TOML.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_toml(folder: &Path, text: &str, resume: bool, git_revision: Option<String>) -> Result<Self> {
        let io = |e| Error::io(folder, e);
        let config_file = folder.join("config.toml");
        if config_file.is_file() {
            let found = fs::read_to_string(&config_file).map_err(|e| Error::io(&config_file, e))?;
            // Resolved again: a config written before a key existed means that key's default.
            let resolved = Config::parse(&found, &config_file).and_then(|config| config.to_toml());
            let found = resolved.unwrap_or(found);
            if let Some((found, expected)) = first_difference(&found, text) {
                let message =
                    format!("found {found}, expected {expected}: the run folder has another config");
                return Err(Error::config(&config_file, message));
            }
            if !resume {
                let message = "the run exists; continue it with --resume, or name another folder with --run";
                return Err(Error::config(folder, message));
            }
        } else if folder.is_dir() && fs::read_dir(folder).map_err(io)?.next().is_some_and(|e| !is_lock(&e)) {
            return Err(Error::config(
                folder,
                "found a folder with other files, expected a run folder or none",
            ));
        }
        fs::create_dir_all(folder.join("samples")).map_err(io)?;
        let lock = File::create(folder.join(LOCK)).map_err(io)?;
        if fs4::FileExt::try_lock(&lock).is_err() {
            return Err(Error::config(folder, "another process is training into this folder"));
        }
        write_atomic(&config_file, text.as_bytes())?;
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
            config_sha256: sha256_hex(text.as_bytes()),
            git_revision,
        })
    }

    /// Where the run is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where its checkpoint is.
    pub fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint.safetensors")
    }

    /// Refuses data other than what the run has been trained on so far.
    ///
    /// # Errors
    /// A manifest with another data hash.
    pub fn check_data(&self, sha256: &str) -> Result<()> {
        let path = self.folder.join(MANIFEST);
        let Some(manifest) = manifest(&self.folder) else { return Ok(()) };
        if manifest.data_sha256 == sha256 {
            return Ok(());
        }
        let expected = format!("{sha256} of the data given: the run has been trained on other data");
        Err(dm_nn::Error::format(&path, "data_sha256", manifest.data_sha256, expected).into())
    }

    /// The run's state: from its checkpoint if there is one, else from the beginning; with the training time so far.
    ///
    /// # Errors
    /// A damaged checkpoint, or a failure of the tensor library.
    pub fn state(&self, config: &Config, data: &Dataset, device: &Device) -> Result<(State, f64)> {
        let path = self.checkpoint();
        if path.is_file() {
            checkpoint::read(&path, config, data, device)
        } else {
            Ok((State::new(config, data, device)?, 0.0))
        }
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// If the disk says so.
    pub fn write_manifest(&self, standing: &Standing<'_>) -> Result<()> {
        let manifest = Manifest {
            schema: 1,
            status: standing.status.into(),
            name: standing.name.into(),
            seed: standing.seed,
            config_sha256: self.config_sha256.clone(),
            git_revision: self.git_revision.clone(),
            data_sha256: standing.data_sha256.into(),
            parameters: standing.parameters,
            steps_total: standing.steps_total,
            steps_done: standing.steps_done,
            epochs: standing.epochs,
            wall_s: standing.wall_s,
            dm_version: env!("CARGO_PKG_VERSION").into(),
        };
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|e| Error::invalid("manifest", e, "finite numbers"))?;
        Ok(write_atomic(&self.folder.join(MANIFEST), (text + "\n").as_bytes())?)
    }
}

/// Whether the run in `folder` is complete.
pub fn is_complete(folder: &Path) -> bool {
    manifest(folder).is_some_and(|manifest| manifest.status == "complete")
}

/// The manifest in `folder`, if there is one that can be read.
fn manifest(folder: &Path) -> Option<Manifest> {
    serde_json::from_slice(&fs::read(folder.join(MANIFEST)).ok()?).ok()
}

const MANIFEST: &str = "manifest.json";
const LOCK: &str = ".lock";

fn is_lock(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|e| e.file_name() == LOCK)
}

/// The first line in which two configs differ, in the first and in the second.
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
