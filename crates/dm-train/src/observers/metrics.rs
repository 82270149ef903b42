//! metrics.jsonl: one JSON object per line, appended as things happen.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use dm_nn::params::file::write_atomic;
use serde_json::{Value, json};

use super::Clock;
use crate::error::{Error, Result};
use crate::event::{Event, Observer};

/// Writes `step` lines every `log_every` steps and an `epoch` line after each epoch.
pub struct Metrics<'a> {
    path: PathBuf,
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
        Self { path, clock, log_every, since: (0.0, 0, 0, now), epoch: (0, now) }
    }

    fn append(&self, line: &Value) -> Result<()> {
        let io = |e| Error::io(&self.path, e);
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).map_err(io)?;
        file.write_all(format!("{line}\n").as_bytes()).map_err(io)
    }

    /// Removes lines of steps beyond `step`, which a killed run wrote after its last checkpoint, and a cut last line.
    fn cut(&self, step: u64) -> Result<()> {
        let Ok(text) = fs::read_to_string(&self.path) else { return Ok(()) };
        let keep = |line: &&str| {
            let at = serde_json::from_str::<Value>(line).ok().and_then(|v| v["step"].as_u64());
            at.is_some_and(|at| at <= step)
        };
        let kept: String = text.lines().filter(keep).flat_map(|line| [line, "\n"]).collect();
        if kept == text { Ok(()) } else { Ok(write_atomic(&self.path, kept.as_bytes())?) }
    }
}

impl Observer for Metrics<'_> {
    fn observe(&mut self, event: &Event<'_>) -> Result<()> {
        let now = (self.clock)().as_secs_f64();
        match event {
            Event::Start { state } => {
                self.since = (0.0, 0, 0, now);
                self.epoch = (0, now);
                self.cut(state.step)
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
                self.append(&line)
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
                self.append(&line)
            }
            Event::Interrupted { .. } | Event::Complete { .. } => Ok(()),
        }
    }
}
