//! The seam between a sweep and the machines that its runs are trained on.

use super::progress::State;
use super::study::Job;
use super::worker::Setup;
use anyhow::Result;

/// Trains, samples and evaluates the runs of a sweep.
pub trait Executor {
    /// Does or submits the remaining work of all `jobs`.
    ///
    /// # Errors
    /// If no run could be started. The failure of a single run is part of the outcome.
    fn run(&self, jobs: &[Job], setup: &Setup) -> Result<Outcome>;
}

/// What has become of the runs.
pub enum Outcome {
    /// All runs have ended; the last state of each.
    Ended(Vec<State>),
    /// The runs are left to other machines, or nothing was to be started.
    LeftAlone,
}
