//! The curves of a run: what its metrics say, over the epochs.

use dm_record::MetricsLine;
use serde::Serialize;

use super::read::{Run, step};

/// Points (epoch, value) by rising epoch.
pub type Points = Vec<(f64, f64)>;

/// Everything that a run has measured more than once.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Curves {
    /// Mean training loss, at each report.
    pub train_loss: Points,
    /// Validation loss.
    pub val_loss: Points,
    /// Share of the test images that a classifier assigns to their class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test_accuracy: Points,
    /// Frechet distance.
    pub fd: Points,
}

impl Curves {
    /// The curves of `run`.
    pub fn of(run: &Run) -> Self {
        let mut curves = Self::default();
        for line in &run.metrics {
            let Some(epoch) = step(line).and_then(|step| run.epochs(step)) else { continue };
            let at = |value: Option<f64>| value.map(|value| (epoch, value));
            match line {
                MetricsLine::Step(line) => curves.train_loss.extend(at(line.loss)),
                MetricsLine::Epoch(line) => {
                    curves.val_loss.extend(at(line.val_loss));
                    curves.test_accuracy.extend(at(line.test_accuracy));
                }
                MetricsLine::Eval(line) => curves.fd.extend(at(line.fd)),
                MetricsLine::Unknown => {}
            }
        }
        curves
    }
}
