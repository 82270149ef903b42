//! metrics.jsonl: one JSON object per line, appended as things happen.

use std::path::PathBuf;

use serde_json::json;

use super::{Clock, Lines};
use crate::error::Result;
use crate::event::{Event, Observer};

/// Writes a `step` line at each report and an `epoch` line after each epoch.
pub struct Metrics<'a> {
    lines: Lines,
    clock: &'a Clock<'a>,
    /// Since the last `step` line: images, time.
    since: (usize, f64),
    /// Since the last `epoch` line: images, time.
    epoch: (usize, f64),
}

impl<'a> Metrics<'a> {
    /// Lines go to `path`.
    pub fn new(path: PathBuf, clock: &'a Clock<'a>) -> Self {
        let now = clock().as_secs_f64();
        Self { lines: Lines::new(path), clock, since: (0, now), epoch: (0, now) }
    }
}

impl Observer for Metrics<'_> {
    fn observe(&mut self, event: &Event<'_>) -> Result<()> {
        let now = (self.clock)().as_secs_f64();
        match event {
            Event::Start { state } => {
                self.since = (0, now);
                self.epoch = (0, now);
                self.lines.cut(state.step)
            }
            Event::Step { step, epoch, recent, learning_rate, grad_norm, images, .. } => {
                self.since.0 += images;
                self.epoch.0 += images;
                let Some(loss) = recent else { return Ok(()) };
                let (count, start) = std::mem::replace(&mut self.since, (0, now));
                self.lines.append(&json!({
                    "event": "step", "step": step, "epoch": epoch, "loss": loss,
                    "lr": learning_rate, "grad_norm": grad_norm,
                    "images_per_s": count as f64 / (now - start).max(1e-9),
                }))
            }
            Event::Epoch { epoch, train, validation, state } => {
                let seconds = now - self.epoch.1;
                let line = json!({
                    "event": "epoch", "step": state.step, "epoch": epoch,
                    "train_loss": train.mean(), "train_loss_by_t": train.by_level(),
                    "val_loss": validation.mean(), "val_loss_by_t": validation.by_level(),
                    "seconds": seconds, "images_per_s": self.epoch.0 as f64 / seconds.max(1e-9),
                });
                self.epoch = (0, now);
                self.lines.append(&line)
            }
            Event::Interrupted { .. } | Event::Complete { .. } => Ok(()),
        }
    }
}
