//! Training in the terminal: a bar with loss, images per second and time left, and a line per epoch.

use dm_train::event::{Event, Observer};
use indicatif::ProgressBar;
use tracing::info;

use crate::terminal::Terminal;

/// Watches a run for a person.
pub struct Progress {
    bar: ProgressBar,
    /// Exponential average of the loss, for the bar.
    loss: Option<f64>,
    batch: u64,
}

impl Progress {
    /// A bar for a run of `total` steps of `batch` images, of which `done` are taken.
    pub fn new(terminal: &Terminal, total: u64, done: u64, batch: u64) -> Self {
        let template = "{msg:<34} {bar:28.cyan/blue} {percent:>3}%  {per_sec}  left {eta}";
        let bar = terminal.bar(total * batch, template);
        bar.set_position(done * batch);
        bar.reset_eta();
        Self { bar, loss: None, batch }
    }
}

/// `-` where there is nothing to report.
fn show(loss: Option<f64>) -> String {
    loss.map_or("-".into(), |loss| format!("{loss:.4}"))
}

impl Observer for Progress {
    fn observe(&mut self, event: &Event<'_>) -> dm_train::Result<()> {
        match event {
            Event::Start { state } => {
                let parameters = state.params.count();
                info!("{}: {parameters} parameters, {} steps", state.config.name, state.total_steps());
                if state.step > 0 {
                    info!("continuing after step {}", state.step);
                }
            }
            Event::Step { step, epoch, loss, .. } => {
                let average = self.loss.map_or(*loss, |old| 0.98 * old + 0.02 * loss);
                self.loss = Some(average);
                self.bar.set_position(step * self.batch);
                self.bar.set_message(format!("epoch {epoch}  loss {average:.4}"));
            }
            Event::Epoch { epoch, train, validation, state } => {
                let of = state.config.training.epochs;
                let (train, validation) = (show(train.mean()), show(validation.mean()));
                info!("epoch {epoch} of {of}: train loss {train}, validation loss {validation}");
            }
            Event::Interrupted { state } => {
                self.bar.finish_and_clear();
                info!("interrupted after step {}; continue with --resume", state.step);
            }
            Event::Complete { .. } => self.bar.finish_and_clear(),
        }
        Ok(())
    }
}
