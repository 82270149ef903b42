//! Sends signals to child processes, by the command `kill`, because the standard library sends SIGKILL only.

use anyhow::{Context, Result};
use std::process::{Child, Command, Stdio};

/// The names of the signals that end `dm`. Ctrl-C's is missing where this program was started to ignore it, as by nohup: `dm` then
/// ignores it too. Only Linux tells.
pub fn ending() -> &'static [&'static str] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    if mask.unwrap_or(0) & 0b10 == 0 { &["INT", "TERM"] } else { &["TERM"] }
}

/// Sends the signal `name`, as in `TERM`, to a child process. A process that has just ended cannot be signalled, which is not an
/// error: whoever waits for it notices its end.
pub fn send(child: &Child, name: &str) -> Result<()> {
    let mut command = Command::new("kill");
    command.args(["-s", name, &child.id().to_string()]).stderr(Stdio::null());
    command.status().map(|_| ()).with_context(|| format!("starting kill -s {name}"))
}
