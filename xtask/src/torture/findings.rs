//! What the trials of a promise found.

/// What the trials of one promise found.
#[derive(Debug, Default)]
pub struct Findings {
    /// What was done, in a few words with numbers.
    pub test: String,
    /// Number of trials.
    pub trials: usize,
    /// One line for every trial that failed.
    pub failures: Vec<String>,
    /// The figure that was reached, for example the slowest stop.
    pub figure: String,
}

impl Findings {
    /// Findings without trials; `test` says what is done.
    pub fn of(test: impl Into<String>) -> Self {
        Self { test: test.into(), ..Self::default() }
    }

    /// Counts a trial, which failed if there is a message.
    pub fn count(&mut self, outcome: Result<(), String>) {
        self.trials += 1;
        self.failures.extend(outcome.err());
    }
}
