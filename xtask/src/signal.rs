//! Sends signals to child processes, by the command `kill`, because the standard library sends SIGKILL only.

use anyhow::{Context, Result};
use std::process::{Child, Command, Stdio};

/// The names of the signals that end `dm`: `INT`, which Ctrl-C sends, and `TERM`.
pub const ENDING: [&str; 2] = ["INT", "TERM"];

/// Sends the signal `name`, as in `TERM`, to a child process. A process that has just ended cannot be signalled, which is not an
/// error: whoever waits for it notices its end.
pub fn send(child: &Child, name: &str) -> Result<()> {
    let mut command = Command::new("kill");
    command.args(["-s", name, &child.id().to_string()]).stderr(Stdio::null());
    command.status().map(|_| ()).with_context(|| format!("starting kill -s {name}"))
}
