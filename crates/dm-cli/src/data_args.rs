//! The options that name a data set.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use dm_nn::data::{Dataset, ReadOptions};

use crate::terminal::Terminal;
use crate::waiting::waiting;
use crate::{embedded, locate};

/// The data set of a command that reads images.
#[derive(clap::Args)]
pub struct DataArgs {
    /// The data set: a folder with the four IDX files, a folder of PNG or JPEG files, or an .npz file [default: data/mnist; where
    /// it is not found, what the program contains of MNIST: 100 test images].
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Resize every image to this height and width in pixels, for example 32x32. Only for a folder of images.
    #[arg(long, value_name = "HxW", value_parser = parse_size)]
    size: Option<(usize, usize)>,
}

impl DataArgs {
    /// Reads the data set.
    ///
    /// # Errors
    /// If the data set cannot be read.
    pub fn open(&self, terminal: &Terminal) -> Result<Dataset> {
        let path = self.data.as_deref().unwrap_or(Path::new(locate::DEFAULT_DATA));
        open(path, &ReadOptions { size: self.size }, terminal)
    }

    /// Whether no data set is named and the default data set is not found.
    pub fn is_missing(&self) -> bool {
        self.data.is_none() && !locate::has_default_data()
    }

    /// Reads the data set, or takes the test images inside the program if no data set is named and the default data set is not
    /// found.
    ///
    /// # Errors
    /// If the data set cannot be read.
    pub fn open_test_images(&self, terminal: &Terminal) -> Result<Dataset> {
        if !self.is_missing() {
            return self.open(terminal);
        }
        ensure!(self.size.is_none(), "--size: found no --data, expected a folder of images");
        embedded::test_data()
    }
}

/// Reads the data set at `path`, or the shipped one of that path.
///
/// # Errors
/// If the data set cannot be read.
pub fn open(path: &Path, options: &ReadOptions, terminal: &Terminal) -> Result<Dataset> {
    let path = locate::data(path)?;
    Ok(waiting(terminal, &format!("reading {}", path.display()), || Dataset::open(&path, options))?)
}

/// Reads a height and a width in the form `32x48`.
///
/// # Errors
/// If the text has another form.
pub fn parse_size(text: &str) -> Result<(usize, usize)> {
    let sides = text.split_once('x').map(|(height, width)| (height.parse(), width.parse()));
    match sides {
        Some((Ok(height), Ok(width))) => Ok((height, width)),
        _ => bail!("expected height and width in pixels, for example 32x48"),
    }
}
