//! metrics.jsonl: one JSON object per line, appended as the run proceeds.

use dm_record::{EpochLine, MetricsLine, StepLine};

use super::clock::Clock;
use super::json_lines::JsonLines;
use crate::error::Result;
use crate::event::{Event, Observer};
use crate::loss_by_timestep::LossByTimestep;
use crate::run_folder::RunFolder;
use crate::task::{EpochSummary, Task};

/// Writes a `step` line at each report and an `epoch` line after each epoch.
pub struct Metrics<'a> {
    lines: JsonLines<'a>,
    clock: &'a Clock<'a>,
    /// Number of images since the last `step` line, and time of that line in seconds.
    since_step_line: (usize, f64),
    /// Number of images since the last `epoch` line, and time of that line in seconds.
    since_epoch_line: (usize, f64),
}

impl<'a> Metrics<'a> {
    /// Writes lines to the metrics of the run in `folder`. `clock` returns the training time.
    pub fn new(folder: &'a RunFolder, clock: &'a Clock<'a>) -> Self {
        let now = clock().as_secs_f64();
        Self { lines: JsonLines::new(folder), clock, since_step_line: (0, now), since_epoch_line: (0, now) }
    }

    fn epoch_line(&mut self, step: u64, epoch: u64, summary: &EpochSummary, now: f64) -> EpochLine {
        let (images, start) = std::mem::replace(&mut self.since_epoch_line, (0, now));
        let by_timestep = |losses: &Option<LossByTimestep>| {
            losses.as_ref().map_or(Vec::new(), |losses| losses.by_timestep().to_vec())
        };
        EpochLine {
            step,
            epoch,
            train_loss: summary.train_loss,
            train_loss_by_t: by_timestep(&summary.train_by_timestep),
            val_loss: summary.validation_loss,
            val_loss_by_t: by_timestep(&summary.validation_by_timestep),
            test_accuracy: summary.test_accuracy,
            seconds: Some(now - start),
            images_per_s: Some(images as f64 / (now - start).max(1e-9)),
        }
    }
}

impl<T: Task> Observer<T> for Metrics<'_> {
    fn observe(&mut self, event: &Event<'_, T>) -> Result<()> {
        let now = (self.clock)().as_secs_f64();
        match event {
            Event::Start { state } => {
                self.since_step_line = (0, now);
                self.since_epoch_line = (0, now);
                self.lines.truncate(state.step)
            }
            Event::Step { step, epoch, recent_loss, learning_rate, grad_norm, state, .. } => {
                self.since_step_line.0 += state.settings.batch_size;
                self.since_epoch_line.0 += state.settings.batch_size;
                let Some(loss) = recent_loss else { return Ok(()) };
                let (images, start) = std::mem::replace(&mut self.since_step_line, (0, now));
                self.lines.append(&MetricsLine::Step(StepLine {
                    step: *step,
                    epoch: *epoch,
                    loss: Some(*loss),
                    lr: Some(*learning_rate),
                    grad_norm: Some(*grad_norm),
                    images_per_s: Some(images as f64 / (now - start).max(1e-9)),
                }))
            }
            Event::Epoch { epoch, summary, state } => {
                let line = self.epoch_line(state.step, *epoch, summary, now);
                self.lines.append(&MetricsLine::Epoch(line))
            }
            Event::Interrupted { .. } | Event::Complete { .. } => Ok(()),
        }
    }
}
