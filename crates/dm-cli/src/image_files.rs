//! Images that exist already: sample sets, IDX files, and folders of PNG or JPEG files.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use dm_nn::data::{ReadOptions, SampleSet, idx, image_folder};
use dm_nn::image::ImageShape;
use serde_json::{Map, Value};

use crate::provenance;

/// The sample set in a folder that `dm sample` has written.
pub const SAMPLE_SET: &str = "images.safetensors";

/// Images from a file or a folder, and where they come from.
pub struct ImageFiles {
    /// The file or the folder.
    pub path: PathBuf,
    /// Shape of every image.
    pub shape: ImageShape,
    /// Pixels [n, C, H, W].
    pub pixels: Vec<u8>,
    /// The model and the sampling settings that a sample set states; `None` for all other images.
    pub provenance: Option<Map<String, Value>>,
}

impl ImageFiles {
    /// Reads the images at `path`: a sample set or a folder with one, an IDX file, or a folder of PNG or JPEG files. Images
    /// of a folder are in the order of their names.
    ///
    /// # Errors
    /// If reading fails, if there are no images, or if they do not have one supported shape.
    pub fn read(path: &Path) -> Result<Self> {
        let in_folder = path.join(SAMPLE_SET);
        let path = if in_folder.is_file() { in_folder } else { path.to_owned() };
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let samples = SampleSet::read(&path)?;
            let provenance = provenance::from_metadata(&samples.metadata);
            return Ok(Self { path, shape: samples.shape, pixels: samples.pixels, provenance });
        }
        if path.is_dir() {
            let images = image_folder::read_images(&path, &ReadOptions::default())?;
            return Ok(Self { path, shape: images.shape, pixels: images.pixels, provenance: None });
        }
        let file = idx::read(&path)?;
        let shape = match file.shape[..] {
            [_, height, width] => ImageShape::new(1, height, width),
            _ => bail!("{}: shape: found {:?}, expected [n, height, width]", path.display(), file.shape),
        };
        shape.check(&format!("{}: shape", path.display()))?;
        ensure!(!file.items.is_empty(), "{}: found no images, expected at least one image", path.display());
        Ok(Self { path, shape, pixels: file.items, provenance: None })
    }

    /// Number of images.
    pub fn n(&self) -> usize {
        self.pixels.len() / self.shape.len()
    }

    /// The first `n` images, or all of them if there are fewer: pixels [n, C, H, W].
    pub fn first(&self, n: usize) -> &[u8] {
        &self.pixels[..n.min(self.n()) * self.shape.len()]
    }
}
