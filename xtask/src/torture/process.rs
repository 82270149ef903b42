//! Running `dm` in a trial: to its end, to a signal, to a kill.

use anyhow::{Context, Result};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a process that has ended left.
pub struct Ended {
    /// Exit code, or the number of the signal that ended it.
    pub status: ExitStatus,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
}

impl Ended {
    /// Whether it ended with the exit code `code`.
    pub fn is(&self, code: i32) -> bool {
        self.status.code() == Some(code)
    }

    /// The last line on standard error, for messages.
    pub fn said(&self) -> String {
        let last = self.stderr.trim_end().lines().last().unwrap_or("nothing").to_owned();
        format!("{} with: {last}", status_words(self.status))
    }
}

/// The exit code or the signal in words.
pub fn status_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Runs a command to its end.
pub fn finish(mut command: Command) -> Result<Ended> {
    let output = command.stdin(Stdio::null()).output().context("starting dm")?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) })
}

/// Starts a command whose output nobody reads.
pub fn start(mut command: Command) -> Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("starting dm")
}

/// Waits until the process ends, at most `limit`. Returns its status and the time it took; `None` after killing it.
pub fn wait(child: &mut Child, limit: Duration) -> Result<Option<(ExitStatus, Duration)>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("waiting for dm")? {
            return Ok(Some((status, began.elapsed())));
        }
        if began.elapsed() > limit {
            child.kill().context("killing dm")?;
            child.wait().context("waiting for dm")?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Kills a process with SIGKILL unless it ended by itself. Returns whether it was killed.
pub fn kill(child: &mut Child) -> Result<bool> {
    let ended = child.try_wait().context("waiting for dm")?.is_some();
    if !ended {
        child.kill().context("killing dm")?;
        child.wait().context("waiting for dm")?;
    }
    Ok(!ended)
}
