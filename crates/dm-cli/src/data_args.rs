//! The options that name a data set.

use std::path::PathBuf;

use anyhow::{Result, bail};
use dm_nn::data::{Dataset, ReadOptions};

use crate::locate;

/// The data set of a command that reads test images.
#[derive(clap::Args)]
pub struct DataArgs {
    /// The data set: a folder with the four IDX files, a folder of PNG or JPEG files, or an .npz file.
    #[arg(long, default_value = "data/mnist", value_name = "PATH")]
    pub data: PathBuf,
    /// Resize every image to this height and width in pixels, for example 32x32. Only for a folder of images.
    #[arg(long, value_name = "HxW", value_parser = parse_size)]
    pub size: Option<(usize, usize)>,
}

impl DataArgs {
    /// Reads the data set.
    ///
    /// # Errors
    /// If the data set cannot be read.
    pub fn open(&self) -> Result<Dataset> {
        Ok(Dataset::open(&locate::data(&self.data), &ReadOptions { size: self.size })?)
    }
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
