//! The clock of a run.

use std::time::Duration;

/// Returns the training time so far. This crate does not read the system's clock; the caller passes this function.
pub type Clock<'a> = dyn Fn() -> Duration + 'a;
