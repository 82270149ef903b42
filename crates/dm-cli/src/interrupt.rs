//! Stopping a training run by Ctrl-C or by a termination signal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// Exit code of a run that was interrupted.
pub const INTERRUPTED: u8 = 130;

/// A flag that becomes true at the first Ctrl-C or termination signal. The second signal ends the program at once.
///
/// # Errors
/// If the system does not let the program listen for signals.
pub fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}
