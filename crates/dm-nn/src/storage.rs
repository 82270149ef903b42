//! The file system as this project writes to it: every durable write goes through a [`Storage`].
//!
//! A file is replaced in steps: a temporary file beside the target, flushed to the disk, renamed to the target, and then the
//! folder is flushed. Each step is one function of the trait, so that a test can make any of them fail.

#![warn(clippy::indexing_slicing)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::error::{Error, Result};

/// The name of every temporary file begins with this. A process that is killed may leave such a file behind.
pub const TEMPORARY: &str = ".writing-";

/// The operations that durable writes consist of. The default implementations are those of the operating system.
pub trait Storage: Send + Sync {
    /// Creates the folder at `path` and all folders above it.
    ///
    /// # Errors
    /// If a folder cannot be created.
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    /// Creates an empty temporary file in `folder`.
    ///
    /// # Errors
    /// If it cannot be created.
    fn create_temporary(&self, folder: &Path) -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o644));
        }
        builder.prefix(TEMPORARY).tempfile_in(folder)
    }

    /// Opens the file at `path` for appending, and creates it if there is none.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn open_to_append(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(path)
    }

    /// Writes `bytes` to `file`.
    ///
    /// # Errors
    /// If not all of them could be written.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Flushes `file` to the disk.
    ///
    /// # Errors
    /// If the disk does not confirm it.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Flushes the entries of the folder at `path` to the disk. Only Unix systems can do this.
    ///
    /// # Errors
    /// If the disk does not confirm it.
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }

    /// Renames the file at `from` to `to`, and replaces the file there.
    ///
    /// # Errors
    /// If it cannot be renamed. The file at `to` is then unchanged.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Removes the file at `path`.
    ///
    /// # Errors
    /// If it cannot be removed.
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// The file system of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Storage for Disk {}

/// A file that has been written and flushed, and that [`Self::commit`] puts in its place. A file that is not committed is
/// removed.
pub struct Staged<'a> {
    storage: &'a dyn Storage,
    temporary: TempPath,
    path: PathBuf,
}

impl Staged<'_> {
    /// Puts the file in its place: even after a power cut, the place holds either the old or the new file.
    ///
    /// # Errors
    /// If renaming or flushing fails.
    pub fn commit(self) -> Result<()> {
        let Self { storage, mut temporary, path } = self;
        storage.rename(&temporary, &path).map_err(|e| Error::io(&path, e))?;
        // The name of the temporary file is free again, and another process may take it.
        temporary.disable_cleanup(true);
        storage.sync_folder(folder_of(&path)).map_err(|e| Error::io(&path, e))
    }
}

/// Writes `bytes` to a temporary file beside `path` and flushes it.
///
/// # Errors
/// If writing fails. Nothing is then left behind.
pub fn stage<'a>(storage: &'a dyn Storage, path: &Path, bytes: &[u8]) -> Result<Staged<'a>> {
    stage_parts(storage, path, &mut |write| write(bytes))
}

/// Appends bytes to a file that is being written.
pub type Write<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// Writes a temporary file beside `path` part by part and flushes it. `fill` receives the function that appends a part.
///
/// # Errors
/// If `fill` or writing fails. Nothing is then left behind.
pub fn stage_parts<'a>(
    storage: &'a dyn Storage,
    path: &Path,
    fill: &mut dyn FnMut(&mut Write<'_>) -> Result<()>,
) -> Result<Staged<'a>> {
    let io = |e| Error::io(path, e);
    let mut temporary = storage.create_temporary(folder_of(path)).map_err(io)?;
    fill(&mut |part| storage.write(temporary.as_file_mut(), part).map_err(io))?;
    storage.sync(temporary.as_file()).map_err(io)?;
    Ok(Staged { storage, temporary: temporary.into_temp_path(), path: path.to_owned() })
}

/// Writes `bytes` to `path` atomically: even after a power cut, the file has either its old or its new content.
///
/// # Errors
/// If writing fails.
pub fn write_atomic(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<()> {
    stage(storage, path, bytes)?.commit()
}

/// Removes the temporary files that killed processes have left in `folder`. No other process may be writing to the folder.
///
/// # Errors
/// If the folder cannot be read, or a file cannot be removed.
pub fn remove_temporary_files(storage: &dyn Storage, folder: &Path) -> Result<()> {
    let io = |e| Error::io(folder, e);
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let is_temporary = entry.file_name().to_string_lossy().starts_with(TEMPORARY);
        if is_temporary && entry.file_type().map_err(io)?.is_file() {
            storage.remove(&entry.path()).map_err(|e| Error::io(&entry.path(), e))?;
        }
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_atomic(&Disk, &path, b"old").unwrap();
        let staged = stage(&Disk, &path, b"new").unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(dir.path()).len()), (b"old".to_vec(), 2));
        drop(staged);
        assert_eq!(names(dir.path()), ["file"]);
        stage(&Disk, &path, b"new").unwrap().commit().unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(dir.path()).len()), (b"new".to_vec(), 1));
    }

    #[test]
    fn temporary_files_of_killed_processes_are_removed_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".writing-abc123", "writing", ".lock"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::create_dir(dir.path().join(".writing-folder")).unwrap();
        remove_temporary_files(&Disk, dir.path()).unwrap();
        assert_eq!(names(dir.path()), [".lock", ".writing-folder", "writing"]);
    }
}
