//! What watches a run and writes into its folder. Terminal output is the command line's business.

mod lines;
mod metrics;
mod samples;
mod saver;

use std::time::Duration;

pub use lines::Lines;
pub use metrics::Metrics;
pub use samples::Samples;
pub use saver::Saver;

/// Training time so far: a monotonic clock, passed in.
pub type Clock<'a> = dyn Fn() -> Duration + 'a;
