//! The summary of a run: the values of its row in the list, and their JSON form.

use std::time::SystemTime;

use dm_record::MetricsLine;
use serde::Serialize;

use super::read::{Run, State};

/// A run in a few numbers. A value that the run has not measured is `None`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Path of the run folder below the folder that was searched.
    pub run: String,
    /// Path of the run folder.
    pub path: String,
    /// The state of the run.
    pub state: State,
    /// Why the run cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Epochs done, not necessarily a whole number.
    pub epoch: Option<f64>,
    /// Epochs of the whole run.
    pub epochs: Option<u64>,
    /// Steps done.
    pub step: Option<u64>,
    /// Steps of the whole run.
    pub steps: Option<u64>,
    /// Number of trainable parameters.
    pub parameters: Option<usize>,
    /// The last mean training loss that was reported.
    pub train_loss: Option<f64>,
    /// Validation loss after the last epoch that measured it.
    pub val_loss: Option<f64>,
    /// Share of the test images that a classifier assigns to their class, after the last epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_accuracy: Option<f64>,
    /// The last Frechet distance that was measured while training.
    pub fd: Option<f64>,
    /// Number of samples behind the Frechet distance.
    pub fd_n: Option<usize>,
    /// Images per second of training in the last epoch, or since the last report.
    pub images_per_s: Option<f64>,
    /// Training time in seconds.
    pub wall_s: Option<f64>,
    /// Time in seconds since the run last wrote to its manifest or its metrics.
    pub age_s: Option<u64>,
    /// Size of all files in the run folder.
    pub bytes: u64,
}

impl Summary {
    /// The summary of `run` at the time `now`.
    pub fn of(run: &Run, now: SystemTime) -> Self {
        let manifest = run.manifest.as_ref();
        let mut summary = Self {
            run: run.name.clone(),
            path: run.path.display().to_string(),
            state: run.state,
            reason: run.reason.clone(),
            epoch: run.epochs(run.step()),
            epochs: manifest.map(|manifest| manifest.epochs),
            step: manifest.map(|_| run.step()),
            steps: manifest.map(|manifest| manifest.steps_total),
            parameters: manifest.map(|manifest| manifest.parameters),
            train_loss: None,
            val_loss: None,
            test_accuracy: None,
            fd: None,
            fd_n: None,
            images_per_s: None,
            wall_s: manifest.map(|manifest| manifest.wall_s),
            age_s: run.changed.map(|at| now.duration_since(at).unwrap_or_default().as_secs()),
            bytes: run.bytes,
        };
        let mut epoch_speed = None;
        for line in &run.metrics {
            match line {
                MetricsLine::Step(line) => {
                    summary.train_loss = line.loss.or(summary.train_loss);
                    summary.images_per_s = line.images_per_s.or(summary.images_per_s);
                }
                MetricsLine::Epoch(line) => {
                    summary.train_loss = line.train_loss.or(summary.train_loss);
                    summary.val_loss = line.val_loss.or(summary.val_loss);
                    summary.test_accuracy = line.test_accuracy.or(summary.test_accuracy);
                    epoch_speed = line.images_per_s.or(epoch_speed);
                }
                MetricsLine::Eval(line) if line.fd.is_some() => {
                    (summary.fd, summary.fd_n) = (line.fd, Some(line.n));
                }
                MetricsLine::Eval(_) | MetricsLine::Unknown => {}
            }
        }
        summary.images_per_s = epoch_speed.or(summary.images_per_s);
        summary
    }

    /// Epochs done of all, for example `8.6/20`.
    pub fn progress(&self) -> String {
        match (self.epoch, self.epochs) {
            (Some(epoch), Some(epochs)) if epoch.fract() < 0.05 => format!("{epoch:.0}/{epochs}"),
            // Rounded down, so that an unfinished run never looks finished: 19.96 of 20 is 19.9.
            (Some(epoch), Some(epochs)) => format!("{:.1}/{epochs}", (10.0 * epoch).floor() / 10.0),
            _ => String::new(),
        }
    }
}
