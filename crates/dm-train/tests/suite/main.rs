//! The integration tests in one program, which compiles once and runs them side by side.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod accumulation;
mod adam_parity;
mod checkpoints;
mod common;
mod conditional;
mod config;
mod divergence;
mod examples;
mod failing_writes;
mod gradients;
mod import;
mod prepared_batches;
mod runs;
mod schema1;
mod shapes;
mod sweeps;
