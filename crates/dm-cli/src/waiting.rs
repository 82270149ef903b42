//! Work whose progress is not known: a message appears if it takes longer than a second.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::terminal::Terminal;

/// Time before the message appears, so that short work shows none.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs `work`. If it takes longer than a second, `message` is shown until it is done.
pub fn waiting<T>(terminal: &Terminal, message: &str, work: impl FnOnce() -> T) -> T {
    let (done, is_done) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let spinner = terminal.spinner(message);
                // The channel closes when the work is done.
                let _ = is_done.recv();
                spinner.finish_and_clear();
            }
        });
        let result = work();
        drop(done);
        result
    })
}
