//! TensorBoard's event files, written without TensorFlow: TFRecord framing and the few protocol buffer messages that are
//! needed. dm-cli's tests read them with TensorBoard itself.

mod proto;
mod record;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use proto::{Histogram, Png, Value};

use crate::error::{Error, Result};

/// What the name of every event file begins with. The rest is a number of seconds.
const PREFIX: &str = "events.out.tfevents.";

/// An event file that is being written.
pub(crate) struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Begins a new event file in `folder`. It tells TensorBoard to forget what earlier files say about step `step` and later steps.
    /// `time` is the time since the Unix epoch.
    ///
    /// TensorBoard reads the files of a folder in the order of their names. The number in the name is therefore the time in
    /// seconds, or one more than the largest number of an earlier file if this is larger.
    ///
    /// # Errors
    /// If writing fails.
    pub(crate) fn create(folder: &Path, time: Duration, step: u64) -> Result<Self> {
        let earliest = last_number(folder).map_or(0, |last| last.saturating_add(1));
        let path = folder.join(format!("{PREFIX}{:010}", time.as_secs().max(earliest)));
        let file = File::create_new(&path).map_err(|e| Error::io(&path, e))?;
        let mut events = Self { path, file };
        events.append(&[proto::file_version(time), proto::session_start(time, step)])?;
        Ok(events)
    }

    /// Appends the `values` of step `step`, each with its tag.
    ///
    /// # Errors
    /// If writing fails.
    pub(crate) fn write(&mut self, time: Duration, step: u64, values: &[(String, Value<'_>)]) -> Result<()> {
        if values.is_empty() { Ok(()) } else { self.append(&[proto::summary(time, step, values)]) }
    }

    fn append(&mut self, events: &[Vec<u8>]) -> Result<()> {
        let bytes: Vec<u8> = events.iter().flat_map(|event| record::frame(event)).collect();
        self.file.write_all(&bytes).map_err(|e| Error::io(&self.path, e))
    }
}

/// Whether `folder` holds event files.
pub(crate) fn has_event_files(folder: &Path) -> bool {
    last_number(folder).is_some()
}

/// The largest number in the name of an event file in `folder`.
fn last_number(folder: &Path) -> Option<u64> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.filter_map(|entry| entry.file_name().to_str()?.strip_prefix(PREFIX)?.parse().ok()).max()
}
