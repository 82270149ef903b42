//! The executor on this machine: a few runs at a time, each in a child process.

use super::executor::{Executor, Outcome};
use super::progress::{self, State};
use super::study::Job;
use super::worker::{self, Setup};
use super::{folder, process};
use anyhow::{Context, Result};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Runs jobs on this machine.
pub struct Local {
    /// Number of runs at a time.
    pub at_once: usize,
}

impl Executor for Local {
    fn run(&self, jobs: &[Job], setup: &Setup) -> Result<Outcome> {
        std::fs::create_dir_all(&setup.out).with_context(|| setup.out.display().to_string())?;
        if setup.clean {
            folder::announce_deletion(jobs, &setup.out)?;
        }
        process::catch_interrupts()?;
        Ok(Outcome::Ended(work(jobs, setup, self.at_once)))
    }
}

/// Runs all jobs, `at_once` at a time; returns the final state of each job.
fn work(jobs: &[Job], setup: &Setup, at_once: usize) -> Vec<State> {
    let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { return };
                    // The receiver outlives all workers, so sending cannot fail.
                    let report = |state| drop(send.send((index, state)));
                    let end = if process::interrupted() {
                        State::Interrupted
                    } else {
                        report(State::Starting);
                        worker::run(job, setup, &report)
                            .unwrap_or_else(|error| State::Failed(format!("{error:#}")))
                    };
                    report(end);
                }
            });
        }
        drop(send);
        progress::show(&names, &receive)
    })
}
