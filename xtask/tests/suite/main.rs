//! The integration tests in one program, which compiles once and runs them side by side.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod architecture;
mod bench;
mod figures;
mod place;
mod slurm;
mod sweep;
