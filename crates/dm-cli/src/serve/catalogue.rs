//! The models and runs that a client can choose from, by identifiers. Shipped models keep their names; a run is named by a hash
//! of its path. Clients send identifiers, which are compared with this list and never become part of a path.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use candle_core::Device;
use dm_degrade::Model;
use dm_nn::data::sha256_hex;
use dm_train::RunConfig;
use serde::Serialize;

use super::answer::{Answer, Refusal};
use super::limits::FRESH;
use super::recent::Recent;
use crate::commands::runs::read::{self, Run};
use crate::locate;

/// Letters of an identifier of a run.
const ID: usize = 16;

/// The models and runs of this server.
pub struct Catalogue {
    folders: Vec<PathBuf>,
    shipped: Vec<String>,
    open: Recent<Model>,
    runs: Mutex<Option<(Instant, Arc<Vec<Run>>)>>,
}

/// A model in the list.
#[derive(Serialize)]
pub struct Listed {
    /// The identifier.
    pub id: String,
    /// The name that is shown.
    pub name: String,
    /// Whether the model is from a run folder; otherwise it is a shipped one.
    pub is_run: bool,
}

impl Catalogue {
    /// The shipped models, and the runs in `folders`.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders, shipped: locate::shipped_models(), open: Recent::default(), runs: Mutex::default() }
    }

    /// The runs in all folders, at most [`FRESH`] old. A folder that cannot be read has none.
    pub fn runs(&self) -> Arc<Vec<Run>> {
        let mut kept = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, runs)) = &*kept
            && at.elapsed() < FRESH
        {
            return runs.clone();
        }
        let found = self.folders.iter().filter_map(|folder| read::find(folder).ok()).flatten();
        let runs = Arc::new(found.collect::<Vec<_>>());
        *kept = Some((Instant::now(), runs.clone()));
        runs
    }

    /// Runs `read` on the run `id`.
    ///
    /// # Errors
    /// If there is no such run.
    pub fn run<T>(&self, id: &str, read: impl FnOnce(&Run) -> T) -> Answer<T> {
        let runs = self.runs();
        let run = runs.iter().find(|run| run_id(run) == id);
        run.map(read).ok_or_else(|| Refusal::not_found(format!("run: found `{id}`, expected a listed run")))
    }

    /// All models: the shipped ones, then those of runs.
    pub fn models(&self) -> Vec<Listed> {
        let shipped =
            self.shipped.iter().map(|name| Listed { id: name.clone(), name: name.clone(), is_run: false });
        let runs = self.runs();
        let is_model = |run: &&Run| {
            run.path.join(dm_degrade::model::FILE).is_file()
                && run.config().is_ok_and(|config| matches!(config, RunConfig::Diffusion(_)))
        };
        let listed = |run: &Run| Listed { id: run_id(run), name: run.name.clone(), is_run: true };
        shipped.chain(runs.iter().filter(is_model).map(listed)).collect()
    }

    /// The model `id`, opened now or kept from before. A model file that has been written again is opened again.
    ///
    /// # Errors
    /// If there is no such model, or it cannot be opened.
    pub fn model(&self, id: &str) -> Answer<Arc<Model>> {
        let failed = |error: String| Refusal::invalid(format!("model: {error}"));
        let shipped = self.shipped.iter().find(|name| *name == id);
        if let Some(found) = shipped.and_then(|name| locate::shipped_file(name)) {
            let open = || found.open_model(&Device::Cpu).map_err(|e| failed(format!("{e:#}")));
            return self.open.get_or_make(id.to_owned(), open);
        }
        let path = self.run(id, |run| run.path.join(dm_degrade::model::FILE));
        let path =
            path.map_err(|_| Refusal::not_found(format!("model: found `{id}`, expected a listed model")))?;
        let written = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        let open = || Model::open(&path, &Device::Cpu).map_err(|e| failed(e.to_string()));
        self.open.get_or_make(format!("{id} {written:?}"), open)
    }
}

/// The identifier of a run.
pub fn run_id(run: &Run) -> String {
    sha256_hex(run.path.as_os_str().as_encoded_bytes()).chars().take(ID).collect()
}
