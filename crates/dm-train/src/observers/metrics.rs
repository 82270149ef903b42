//! metrics.jsonl: one JSON object per line, appended as things happen.

use std::path::PathBuf;

use serde_json::json;

use super::{Clock, Lines};
use crate::error::Result;
use crate::event::{Event, Observer};

/// Writes `step` lines every `log_every` steps and an `epoch` line after each epoch.
pub struct Metrics<'a> {
    lines: Lines,
    clock: &'a Clock<'a>,
    log_every: u64,
    /// Since the last `step` line: loss sum, steps, images, time.
    since: (f64, u64, usize, f64),
    /// Since the last `epoch` line: images, time.
    epoch: (usize, f64),
}

impl<'a> Metrics<'a> {
    /// Lines go to `path`.
    pub fn new(path: PathBuf, log_every: u64, clock: &'a Clock<'a>) -> Self {
        let now = clock().as_secs_f64();
        Self { lines: Lines::new(path), clock, log_every, since: (0.0, 0, 0, now), epoch: (0, now) }
    }
}

impl Observer for Metrics<'_> {
    fn observe(&mut self, event: &Event<'_>) -> Result<()> {
        let now = (self.clock)().as_secs_f64();
        match event {
            Event::Start { state } => {
                self.since = (0.0, 0, 0, now);
                self.epoch = (0, now);
                self.lines.cut(state.step)
            }
            Event::Step { step, epoch, loss, learning_rate, grad_norm, images, .. } => {
                let (sum, steps, count, start) = &mut self.since;
                *sum += loss;
                *steps += 1;
                *count += images;
                self.epoch.0 += images;
                if step % self.log_every != 0 {
                    return Ok(());
                }
                let line = json!({
                    "event": "step", "step": step, "epoch": epoch, "loss": *sum / *steps as f64,
                    "lr": learning_rate, "grad_norm": grad_norm,
                    "images_per_s": *count as f64 / (now - *start).max(1e-9),
                });
                self.since = (0.0, 0, 0, now);
                self.lines.append(&line)
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
