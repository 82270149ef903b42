//! The progress of a training run in the terminal: a bar with loss, images per second and remaining time, and one line per
//! epoch.

use dm_train::{Event, Observer, Task, TrainingState};
use tracing::info;

use crate::bar::Bar;
use crate::terminal::Terminal;
use crate::units;

/// Shows the progress of a run in the terminal.
pub struct Progress {
    bar: Bar,
    /// Exponential average of the loss, for the bar.
    loss: Option<f64>,
    batch_size: u64,
}

impl Progress {
    /// Creates the progress bar of a new or resumed run whose state is `state`.
    pub fn new<T: Task>(terminal: &Terminal, state: &TrainingState<T>) -> Self {
        let batch_size = state.settings.batch_size as u64;
        let bar = terminal.bar_with_speed(state.total_steps() * batch_size, "training", "images");
        bar.start_at(state.step * batch_size);
        Self { bar, loss: None, batch_size }
    }
}

impl<T: Task> Observer<T> for Progress {
    fn observe(&mut self, event: &Event<'_, T>) -> dm_train::Result<()> {
        match event {
            Event::Start { state } => {
                let parameters = state.params.count();
                info!("{}: {parameters} parameters, {} steps", state.settings.name, state.total_steps());
                if state.step > 0 {
                    info!("continuing after step {}", state.step);
                }
            }
            Event::Step { step, epoch, loss, .. } => {
                let average = self.loss.map_or(*loss, |old| 0.98 * old + 0.02 * loss);
                self.loss = Some(average);
                self.bar.set_position(step * self.batch_size);
                self.bar.set_message(format!("epoch {epoch}  loss {average:.4}"));
            }
            Event::Epoch { epoch, summary, state } => {
                let mut results = Vec::new();
                results.extend(summary.train_loss.map(|loss| format!("train loss {loss:.4}")));
                results.extend(summary.validation_loss.map(|loss| format!("validation loss {loss:.4}")));
                let accuracy = |share| format!("test accuracy {}", units::percent(share));
                results.extend(summary.test_accuracy.map(accuracy));
                info!("epoch {epoch} of {}: {}", state.settings.epochs, results.join(", "));
            }
            Event::Interrupted { state } => {
                self.bar.finish();
                info!("interrupted after step {}; continue with `dm train CONFIG --resume`", state.step);
            }
            Event::Complete { .. } => self.bar.finish(),
        }
        Ok(())
    }
}
