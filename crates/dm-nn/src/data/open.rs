//! Opening a data set of any supported format.

use std::path::Path;

use super::dataset::{DataSource, Dataset, ReadOptions};
use super::idx_files::IdxFiles;
use super::image_folder::ImageFolder;
use super::npz::Npz;
use crate::error::{Error, Result};

/// The supported formats, in the order in which they are tried.
pub const SOURCES: &[&dyn DataSource] = &[&IdxFiles, &Npz, &ImageFolder];

impl Dataset {
    /// Reads the data set at `path` with the first of [`SOURCES`] that recognizes the path.
    ///
    /// # Errors
    /// If there is nothing at `path`, no format recognizes it, or reading fails.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        let known = || {
            let descriptions: Vec<&str> = SOURCES.iter().map(|source| source.description()).collect();
            descriptions.join(", or ")
        };
        if !path.exists() {
            return Err(Error::format(path, "data set", "no such file or folder", known()));
        }
        match SOURCES.iter().find(|source| source.recognizes(path)) {
            Some(source) => source.read(path, options),
            None => Err(Error::format(path, "data set", contents(path), known())),
        }
    }
}

/// Describes what is at `path`, for an error message.
fn contents(path: &Path) -> String {
    let Ok(entries) = std::fs::read_dir(path) else { return "a file of another format".to_owned() };
    let mut names: Vec<_> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    match names.first() {
        None => "an empty folder".to_owned(),
        Some(first) => format!("a folder of other files, for example {first}"),
    }
}
