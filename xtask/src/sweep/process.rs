//! The child processes of a run, and its log, which is also a lock. The first interrupt is passed on to the child process, so
//! that it can save its state.

use crate::signal;
use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

const POLL: Duration = Duration::from_millis(100);

/// Number of interrupts so far: the first asks the child processes to save and stop, the second kills them.
static INTERRUPTS: AtomicUsize = AtomicUsize::new(0);

/// Makes Ctrl-C and SIGTERM stop the child processes first.
pub fn catch_interrupts() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("listening for Ctrl-C")?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            INTERRUPTS.fetch_add(1, Ordering::Relaxed);
        }
    });
    Ok(())
}

pub fn interrupted() -> bool {
    INTERRUPTS.load(Ordering::Relaxed) > 0
}

/// The locked log of a run. A child process writes to the same open file, so the lock is held until both this process and the
/// child have ended: if a sweep is killed, the next one waits for the training that is still running.
pub struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    /// Opens the log and takes the lock; calls `waiting` while another process holds it. `None` after an interrupt.
    pub fn lock(path: &Path, mut waiting: impl FnMut()) -> Result<Option<Self>> {
        let path = path.to_owned();
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        }
        let open = OpenOptions::new().create(true).append(true).open(&path);
        let file = open.with_context(|| path.display().to_string())?;
        while !interrupted() {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { file, path })),
                Err(TryLockError::WouldBlock) => waiting(),
                Err(TryLockError::Error(error)) => return Err(error).context(path.display().to_string()),
            }
            sleep(POLL);
        }
        Ok(None)
    }

    pub fn clear(&self) -> Result<()> {
        self.file.set_len(0).with_context(|| self.path.display().to_string())
    }

    /// Runs a command to its end with its output in the log; calls `tick` while it runs.
    pub fn watch(&mut self, command: &mut Command, mut tick: impl FnMut()) -> Result<ExitStatus> {
        writeln!(self.file, "$ {}", render(command)).with_context(|| self.path.display().to_string())?;
        command.stdin(Stdio::null());
        command.stdout(self.file.try_clone()?).stderr(self.file.try_clone()?);
        separate(command);
        let program = command.get_program().display().to_string();
        let mut child = command.spawn().with_context(|| format!("starting {program}"))?;
        let mut passed_on = 0;
        loop {
            if let Some(status) = child.try_wait().context("waiting for a child process")? {
                tick();
                return Ok(status);
            }
            let interrupts = INTERRUPTS.load(Ordering::Relaxed);
            if interrupts > 1 {
                child.kill().context("killing a child process")?;
            } else if interrupts > passed_on {
                terminate(&mut child)?;
                passed_on = interrupts;
            }
            tick();
            sleep(POLL);
        }
    }

    /// The last lines that the last command wrote.
    pub fn tail(&self, lines: usize) -> String {
        let text = std::fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let written: Vec<_> =
            text.lines().rev().take_while(|line| !line.starts_with("$ ")).take(lines).collect();
        written.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

fn render(command: &Command) -> String {
    let mut words = vec![command.get_program()];
    words.extend(command.get_args());
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Puts a child process into a group of its own. Otherwise the terminal's Ctrl-C would reach it as well as ours, and the
/// second signal would tell it to stop without saving.
fn separate(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// Asks a child process to save and stop.
fn terminate(child: &mut Child) -> Result<()> {
    if cfg!(unix) { signal::send(child, "TERM") } else { child.kill().context("stopping a child process") }
}
