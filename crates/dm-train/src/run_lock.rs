//! The lock of a run folder: at most one process trains into a folder, and the others learn which one does.

#![warn(clippy::indexing_slicing)]

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Seek};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use dm_nn::params::file::read_at_most;
use dm_nn::storage::Storage;

use crate::error::{Error, Result};
use crate::links::refuse_links;

/// Name of the file that is locked while a process trains into the folder.
pub const LOCK: &str = ".lock";
/// Descriptions of a holder with more bytes are not read.
const MAX_HOLDER: u64 = 1 << 12;
/// A process writes its description into the file right after it has locked the file. Other processes read the file at most this
/// often, and pause for this time before each reading.
const PATIENCE: (usize, Duration) = (50, Duration::from_millis(20));

/// Locks the run folder at `path`: no other process can train into the folder as long as the returned file is open. The
/// system frees the lock when the process ends, however it ends. `holder` describes this process to the others.
///
/// # Errors
/// If another process is training into the folder, the folder holds symbolic links, or the file cannot be locked or written.
pub fn lock(storage: &dyn Storage, path: &Path, holder: &str) -> Result<File> {
    refuse_links(path)?;
    let file = path.join(LOCK);
    let io = |e| Error::io(&file, e);
    let mut lock =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&file).map_err(io)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let message = format!("another process is training into this folder: {}", read_holder(&file));
            return Err(Error::config(path, message));
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    lock.set_len(0).and_then(|()| lock.rewind()).map_err(io)?;
    storage.write(&mut lock, format!("{holder}\n").as_bytes()).map_err(io)?;
    Ok(lock)
}

/// Whether a process is training into the run folder at `path`. A process that has died holds no lock.
///
/// # Errors
/// If the lock's file cannot be read.
pub fn is_locked(path: &Path) -> Result<bool> {
    let path = path.join(LOCK);
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        file => file.map_err(|e| Error::io(&path, e))?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(Error::io(&path, error)),
    }
}

/// What the process that holds the lock in `file` says about itself.
fn read_holder(file: &Path) -> String {
    for _ in 0..PATIENCE.0 {
        // Until then the file may still describe a process that has died.
        sleep(PATIENCE.1);
        let text = read_at_most(file, MAX_HOLDER).unwrap_or_default();
        if let Some(holder) = text.strip_suffix(b"\n") {
            return String::from_utf8_lossy(holder).into_owned();
        }
    }
    "it does not say which one it is".to_owned()
}
