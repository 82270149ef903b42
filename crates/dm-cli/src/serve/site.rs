//! Everything that the handlers share: what is shipped, what is kept in memory, and the queues.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use candle_core::Device;
use dm_eval::Classifier;
use dm_nn::data::Images;

use super::catalogue::Catalogue;
use super::film::Film;
use super::limits::{FILMS, SHORT, WAITING_FILMS};
use super::process::Process;
use super::queue::Queue;
use super::recent::Recent;
use crate::{embedded, locate};

/// The state of the server.
pub struct Site {
    /// Models and runs.
    pub catalogue: Catalogue,
    /// The shipped classifier.
    pub classifier: Option<Classifier>,
    /// The test images that a client can degrade.
    pub test: Images,
    /// Degradations that clients have asked for.
    pub processes: Recent<Process>,
    /// Films that can be downloaded.
    pub finished: Recent<Film>,
    /// The queue of films.
    pub films: Queue,
    /// The queue of everything that takes a fraction of a second.
    pub short: Queue,
    /// Becomes true when the server ends.
    pub stopping: Arc<AtomicBool>,
    class_names: Vec<String>,
}

impl Site {
    /// A site that shows the runs in `folders`.
    ///
    /// # Errors
    /// If a shipped file is damaged.
    pub fn open(folders: Vec<PathBuf>) -> Result<Self> {
        let data = embedded::test_data()?;
        let classifier = locate::shipped_file(locate::DEFAULT_CLASSIFIER)
            .context("found none")
            .and_then(|found| found.open_classifier(&Device::Cpu))
            .context("the shipped classifier")?;
        let fits = classifier.check_shape(data.shape(), "test images").is_ok();
        let stopping = Arc::<AtomicBool>::default();
        let films = FILMS.min(available_parallelism().map_or(1, usize::from));
        Ok(Self {
            catalogue: Catalogue::new(folders),
            classifier: Some(classifier).filter(|_| fits),
            test: data.test,
            processes: Recent::default(),
            finished: Recent::default(),
            films: Queue::new(films, WAITING_FILMS, stopping.clone()),
            short: Queue::new(SHORT.0, SHORT.1, stopping.clone()),
            stopping,
            class_names: data.class_names,
        })
    }

    /// The names of the classes of the test images.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }
}
