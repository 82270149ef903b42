//! The clocks of a run. This crate does not read the system's clock; the caller passes these functions.

use std::time::Duration;

/// Returns the training time so far.
pub type Clock<'a> = dyn Fn() -> Duration + 'a;

/// Returns the time since the Unix epoch.
pub type WallClock<'a> = dyn Fn() -> Duration + 'a;
