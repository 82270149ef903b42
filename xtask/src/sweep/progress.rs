//! Shows one line of progress per run on stderr: bars on a terminal, plain lines every ten seconds elsewhere.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// The state of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    Waiting,
    /// Another process uses the run folder: another sweep, or a training that a killed sweep started.
    Locked,
    Starting,
    Training {
        epoch: u64,
        epochs: u64,
        step: u64,
        steps: u64,
        loss: Option<f64>,
        images_per_s: Option<f64>,
        eta_s: Option<f64>,
    },
    Sampling,
    /// Slurm has not started the next task of the run; why, in Slurm's words.
    Queued(String),
    /// The run goes on, but is no longer watched.
    Unwatched,
    /// `made` is false if the run was complete before this sweep.
    Complete {
        made: bool,
    },
    Interrupted,
    Failed(String),
}

impl State {
    /// The text of the line.
    fn text(&self) -> String {
        match self {
            Self::Waiting => "waiting".into(),
            Self::Locked => "waiting for another process that uses this folder".into(),
            Self::Starting => "starting".into(),
            Self::Training { epoch, epochs, step, steps, loss, images_per_s, eta_s } => {
                let mut words = vec![format!("epoch {epoch}/{epochs}"), format!("step {step}/{steps}")];
                words.extend(loss.map(|loss| format!("loss {loss:.4}")));
                words.extend(images_per_s.map(|speed| format!("{speed:.0} images/s")));
                words.extend(eta_s.map(|eta| format!("{} left", duration(eta))));
                words.join("  ")
            }
            Self::Sampling => "sampling".into(),
            Self::Queued(reason) => format!("in the queue ({reason})"),
            Self::Unwatched => "goes on; the same command watches it again".into(),
            Self::Complete { made: true } => "complete".into(),
            Self::Complete { made: false } => "complete already".into(),
            Self::Interrupted => "interrupted; the same command continues from here".into(),
            Self::Failed(_) => "failed".into(),
        }
    }

    /// Whether nothing will follow this state.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Complete { .. } | Self::Interrupted | Self::Unwatched | Self::Failed(_))
    }

    /// Steps done and steps in total, for a bar.
    fn position(&self) -> Option<(u64, u64)> {
        match self {
            Self::Training { step, steps, .. } => Some((*step, *steps)),
            Self::Sampling | Self::Complete { .. } => Some((1, 1)),
            _ => None,
        }
    }
}

/// Shows the reports of the workers until all of them have ended; returns the last state of each run.
pub fn show(names: &[&str], reports: &Receiver<(usize, State)>) -> Vec<State> {
    let mut board = Board::new(names);
    loop {
        match reports.recv_timeout(Duration::from_millis(200)) {
            Ok((index, state)) => board.update(index, state),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return board.close(),
        }
        board.remind();
    }
}

struct Board<'a> {
    names: &'a [&'a str],
    states: Vec<State>,
    /// Empty where stderr is no terminal.
    bars: Vec<ProgressBar>,
    reminded: Instant,
    began: Instant,
}

impl<'a> Board<'a> {
    fn new(names: &'a [&'a str]) -> Self {
        let now = Instant::now();
        let states = vec![State::Waiting; names.len()];
        let bars = if std::io::stderr().is_terminal() { bars(names) } else { Vec::new() };
        Self { names, states, bars, reminded: now, began: now }
    }

    fn update(&mut self, index: usize, state: State) {
        if let Some(bar) = self.bars.get(index) {
            if let Some((step, steps)) = state.position() {
                bar.set_length(steps);
                bar.set_position(step);
            }
            bar.set_message(state.text());
            if state.is_end() {
                bar.abandon();
            }
        } else if std::mem::discriminant(&self.states[index]) != std::mem::discriminant(&state) {
            self.print(index, &state);
        }
        self.states[index] = state;
    }

    /// Without a terminal: prints the state of every active run every ten seconds.
    fn remind(&mut self) {
        if self.bars.is_empty() && self.reminded.elapsed() >= PLAIN_EVERY {
            self.reminded = Instant::now();
            for (index, state) in self.states.iter().enumerate() {
                if !state.is_end() && *state != State::Waiting {
                    self.print(index, state);
                }
            }
        }
    }

    fn print(&self, index: usize, state: &State) {
        let elapsed = duration(self.began.elapsed().as_secs_f64());
        eprintln!("[{elapsed:>6}] {}: {}", self.names[index], state.text());
    }

    fn close(self) -> Vec<State> {
        for (name, state) in self.names.iter().zip(&self.states) {
            if let State::Failed(message) = state {
                eprintln!("\n{name} failed: {message}");
            }
        }
        self.states
    }
}

fn bars(names: &[&str]) -> Vec<ProgressBar> {
    let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let template = format!("{{prefix:{width}}} {{bar:20.cyan/dim}} {{msg}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = |name: &&str| {
        let bar = all.add(ProgressBar::new(1).with_style(style.clone().progress_chars("━╸─")));
        bar.set_prefix(name.to_string());
        bar.set_message("waiting");
        bar
    };
    names.iter().map(bar).collect()
}

/// A duration in seconds as `48s`, `3m20s` or `2h05m`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let said: Vec<_> = [0.2, 48.0, 59.6, 200.0, 7500.0].into_iter().map(duration).collect();
        assert_eq!(said, ["0s", "48s", "1m00s", "3m20s", "2h05m"]);
    }

    #[test]
    fn a_line_of_training_contains_what_is_known() {
        let state = |loss, eta_s| State::Training {
            epoch: 2,
            epochs: 5,
            step: 10,
            steps: 50,
            loss,
            images_per_s: Some(1234.4),
            eta_s,
        };
        assert_eq!(
            state(Some(0.12), Some(61.0)).text(),
            "epoch 2/5  step 10/50  loss 0.1200  1234 images/s  1m01s left"
        );
        assert_eq!(state(None, None).text(), "epoch 2/5  step 10/50  1234 images/s");
    }

    #[test]
    fn the_last_state_of_each_run_comes_back() {
        let (send, receive) = std::sync::mpsc::channel();
        send.send((1, State::Starting)).unwrap();
        send.send((1, State::Complete { made: true })).unwrap();
        drop(send);
        let ends = show(&["a", "b"], &receive);
        assert_eq!(ends, [State::Waiting, State::Complete { made: true }]);
    }
}
