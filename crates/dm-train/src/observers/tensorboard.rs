//! TensorBoard's view of a run: event files beside metrics.jsonl.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};

use serde_json::{Map, Value as Json};

use super::clock::WallClock;
use super::sample_pictures;
use crate::error::{Error, Result};
use crate::event::{Event, Observer};
use crate::run_folder::RunFolder;
use crate::state::TrainingState;
use crate::task::Task;
use crate::tensorboard::{EventFile, Histogram, Png, Value, has_event_files};

/// Copies the run into TensorBoard's event files: every number of metrics.jsonl as a scalar named `EVENT/KEY`, losses by
/// timestep as histograms over t/T, pictures of samples as images, and the config as text.
///
/// The observer reads metrics.jsonl and the pictures, so it must come after the observers that write them, and before the
/// observer that writes checkpoints. Each process that trains begins a new event file, which tells TensorBoard to forget what a
/// killed process had reported beyond its last checkpoint. A run that has no event files yet is copied from its beginning.
///
/// A failure does not end the run. It is reported once, and nothing is written after it.
pub struct TensorBoard<'a> {
    folder: &'a RunFolder,
    clock: &'a WallClock<'a>,
    warn: &'a dyn Fn(&Error),
    /// `None` before the run starts and after a failure.
    file: Option<EventFile>,
    /// The first step that belongs into the event file.
    first_step: u64,
    /// Number of bytes of metrics.jsonl that have been copied.
    copied: u64,
}

impl<'a> TensorBoard<'a> {
    /// An observer that writes event files to `folder`. `clock` returns the time of each event; `warn` receives the first failure.
    pub fn new(folder: &'a RunFolder, clock: &'a WallClock<'a>, warn: &'a dyn Fn(&Error)) -> Self {
        Self { folder, clock, warn, file: None, first_step: 0, copied: 0 }
    }

    fn start<T: Task>(&mut self, state: &TrainingState<T>) -> Result<()> {
        let folder = self.folder.path();
        self.first_step = if has_event_files(folder) { state.step } else { 0 };
        self.file = Some(EventFile::create(folder, (self.clock)(), self.first_step)?);
        let config = format!("```toml\n{}```\n", self.folder.config_toml());
        self.write(self.first_step, &[("config".to_owned(), Value::Text(&config))])?;
        self.copy_metrics()?;
        let per_epoch = state.steps_per_epoch();
        let first_epoch = self.first_step.div_ceil(per_epoch).max(1);
        (first_epoch..=state.step / per_epoch)
            .try_for_each(|epoch| self.copy_picture(epoch, epoch * per_epoch))
    }

    fn write(&mut self, step: u64, values: &[(String, Value<'_>)]) -> Result<()> {
        let time = (self.clock)();
        self.file.as_mut().map_or(Ok(()), |file| file.write(time, step, values))
    }

    /// Copies the lines that metrics.jsonl has gained.
    fn copy_metrics(&mut self) -> Result<()> {
        let path = self.folder.metrics_path();
        let Ok(mut file) = File::open(&path) else { return Ok(()) };
        let mut text = String::new();
        let read = file.seek(SeekFrom::Start(self.copied)).and_then(|_| file.read_to_string(&mut text));
        self.copied += read.map_err(|e| Error::io(&path, e))? as u64;
        for line in text.lines().filter_map(|line| serde_json::from_str::<Map<String, Json>>(line).ok()) {
            let Some(step) = line.get("step").and_then(Json::as_u64) else { continue };
            if step >= self.first_step {
                self.write(step, &values(&line))?;
            }
        }
        Ok(())
    }

    /// Copies the picture of `epoch`, which ended with step `step`, if there is one.
    fn copy_picture(&mut self, epoch: u64, step: u64) -> Result<()> {
        let path = sample_pictures::path(&self.folder.samples_path(), epoch);
        match fs::read(path).ok().and_then(Png::parse) {
            Some(png) => self.write(step, &[("samples".to_owned(), Value::Image(&png))]),
            None => Ok(()),
        }
    }
}

/// The numbers of a line of metrics.jsonl and its lists of numbers, with their tags.
fn values(line: &Map<String, Json>) -> Vec<(String, Value<'static>)> {
    let event = line.get("event").and_then(Json::as_str).unwrap_or("metrics");
    let value = |(key, value): (&String, &Json)| {
        let value = match value {
            Json::Number(number) => Value::Scalar(number.as_f64()?),
            Json::Array(bars) => Value::Histogram(Histogram::new(bars.iter().map(Json::as_f64))),
            _ => return None,
        };
        (key != "step").then(|| (format!("{event}/{key}"), value))
    };
    line.iter().filter_map(value).collect()
}

impl<T: Task> Observer<T> for TensorBoard<'_> {
    fn observe(&mut self, event: &Event<'_, T>) -> Result<()> {
        let done = match event {
            Event::Start { state } => self.start(state),
            _ if self.file.is_none() => Ok(()),
            Event::Step { recent_loss: None, .. } => Ok(()),
            Event::Epoch { epoch, state, .. } => {
                self.copy_metrics().and_then(|()| self.copy_picture(*epoch, state.step))
            }
            _ => self.copy_metrics(),
        };
        if let Err(error) = done {
            self.file = None;
            (self.warn)(&error);
        }
        Ok(())
    }
}
