//! Signals: Ctrl-C and termination stop a command, and SIGUSR1 saves a training run.
//!
//! A command ends at once, with the exit code [`INTERRUPTED`], and leaves no incomplete file under its final name. A command
//! that has more to do than to end, such as saving a run, defers the end: the first signal then only asks it to stop, and the
//! second one ends it at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Exit code of a command that was interrupted.
pub const INTERRUPTED: u8 = 130;

/// What the signals of the process have asked for. They concern the whole process, and so does this value.
static SIGNALS: LazyLock<Signals> = LazyLock::new(|| Signals {
    at_once: Arc::new(AtomicBool::new(true)),
    stop: Arc::default(),
    save: Arc::default(),
});

struct Signals {
    /// Whether a signal ends the process at once.
    at_once: Arc<AtomicBool>,
    /// Whether the command has been asked to stop.
    stop: Arc<AtomicBool>,
    /// Whether the run has been asked to save.
    save: Arc<AtomicBool>,
}

/// Begins to listen for signals. A hang-up that the process was started to ignore, as `nohup` does, is still ignored.
///
/// # Errors
/// If the system does not let the program listen for signals.
pub fn listen() -> Result<()> {
    let Signals { at_once, stop, save } = &*SIGNALS;
    let mut ending = vec![SIGINT, SIGTERM];
    #[cfg(unix)]
    {
        ending.extend(Some(signal_hook::consts::SIGHUP).filter(|&signal| !is_ignored(signal)));
        flag::register(signal_hook::consts::SIGUSR1, save.clone()).context("cannot listen for SIGUSR1")?;
    }
    for signal in ending {
        // In this order, the first signal sets `stop`, and the second one finds it set.
        flag::register_conditional_shutdown(signal, INTERRUPTED.into(), at_once.clone())
            .and_then(|_| flag::register_conditional_shutdown(signal, INTERRUPTED.into(), stop.clone()))
            .and_then(|_| flag::register(signal, stop.clone()))
            .context("cannot listen for Ctrl-C")?;
    }
    Ok(())
}

/// Whether the process was started to ignore `signal`. Only Linux tells.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// As long as this value lives, the first signal does not end the process, but makes [`is_requested`] true.
#[must_use]
pub struct Deferred(());

/// Defers the end of the process; see [`Deferred`].
pub fn defer() -> Deferred {
    SIGNALS.at_once.store(false, Ordering::SeqCst);
    Deferred(())
}

impl Drop for Deferred {
    fn drop(&mut self) {
        SIGNALS.at_once.store(true, Ordering::SeqCst);
    }
}

/// Whether the command has been asked to stop.
pub fn is_requested() -> bool {
    SIGNALS.stop.load(Ordering::Relaxed)
}

/// Whether the run has been asked to save since the last call.
pub fn take_save_request() -> bool {
    SIGNALS.save.swap(false, Ordering::Relaxed)
}
