//! The progress of a training, as its run folder states it.

use super::progress::State;
use crate::records::{MetricsReader, read_manifest};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Reads the progress of the training in a run folder.
pub struct TrainingProgress {
    run: PathBuf,
    reader: MetricsReader,
    /// When the first step was seen, and its number.
    since: Option<(Instant, u64)>,
}

impl TrainingProgress {
    pub fn new(run: &Path) -> Self {
        Self { run: run.to_owned(), reader: MetricsReader::new(run), since: None }
    }

    /// The state of the training. `None` while its files cannot be read; they may be readable at the next call.
    pub fn poll(&mut self) -> Option<State> {
        self.reader.poll().ok()?;
        let manifest = read_manifest(&self.run).ok()??;
        let Some(last) = self.reader.metrics.steps.last() else { return Some(State::Starting) };
        let (began, first) = *self.since.get_or_insert_with(|| (Instant::now(), last.step));
        let done = last.step.saturating_sub(first);
        let left = manifest.steps_total.saturating_sub(last.step) as f64;
        Some(State::Training {
            epoch: last.epoch,
            epochs: manifest.epochs,
            step: last.step,
            steps: manifest.steps_total,
            loss: last.loss,
            images_per_s: last.images_per_s,
            eta_s: (done > 0).then(|| began.elapsed().as_secs_f64() / done as f64 * left),
        })
    }
}
