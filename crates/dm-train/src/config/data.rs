//! The parts of a config that concern the data.

use std::path::PathBuf;

use dm_nn::data::{Dataset, ReadOptions};
use dm_nn::image::ImageShape;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where the images come from: the table `[data]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// A folder or file of any format that [`Dataset::open`] reads.
    pub path: PathBuf,
    /// Height and width to which the images of a folder are resized; without it the images keep their size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { path: PathBuf::from("data/mnist"), size: None }
    }
}

impl DataConfig {
    /// The options with which [`Dataset::open`] reads the data.
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions { size: self.size.map(|[height, width]| (height, width)) }
    }
}

/// Fills in the image shape and the number of classes of `data`. If the config states them already, they must agree.
///
/// # Errors
/// If the config states another shape or another number of classes.
pub(super) fn resolve_data(
    image: &mut Option<ImageShape>,
    num_classes: &mut Option<usize>,
    data: &Dataset,
) -> Result<()> {
    let shape = *image.get_or_insert(data.shape());
    if shape != data.shape() {
        return Err(Error::invalid(
            "image",
            format!("{shape} in the config"),
            format!("{} of the data", data.shape()),
        ));
    }
    let classes = *num_classes.get_or_insert(data.num_classes());
    if classes != data.num_classes() {
        let expected = format!("{} classes of the data", data.num_classes());
        return Err(Error::invalid("num_classes", format!("{classes} in the config"), expected));
    }
    Ok(())
}
