//! The integration tests in one program, which compiles once and runs them side by side.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
mod degenerate;
mod likelihood;
mod oracle;
mod properties;
mod shapes;
