//! The integration tests in one program, which compiles once and runs them side by side.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bad_input;
mod browser;
mod common;
mod conventions;
mod damaged_data;
mod embedded;
mod evaluation;
mod export;
mod findings;
mod formats;
mod likelihood;
mod measured_runs;
mod output;
mod own_data;
mod photons;
mod pictures;
mod run_paths;
mod runs;
mod serve;
mod shards;
mod signals;
mod tensorboard;
mod terminal;
mod training_options;
mod web;
mod whole_runs;
