//! Images that exist already: sample sets, NumPy archives, IDX files, and folders of PNG or JPEG files.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use dm_nn::data::{ShardedSet, image_file, shards};
use dm_nn::image::ImageShape;
use serde_json::{Map, Value};

use crate::provenance;

/// The sample set in a folder that `dm sample` has written.
pub const SAMPLE_SET: &str = "images.safetensors";
/// The most bytes of pixels that are read from shards into memory: 1 GiB.
const MOST_BYTES: usize = 1 << 30;

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
    /// Reads the images at `path`: a sample set or a folder with one, whole or in shards, a .npz archive, an IDX file, or a
    /// folder of PNG or JPEG files. Images of a folder are in the order of their names.
    ///
    /// # Errors
    /// If reading fails, if there are no images, or if they do not have one supported shape.
    pub fn read(path: &Path) -> Result<Self> {
        let in_folder = path.join(SAMPLE_SET);
        let path = if in_folder.is_file() { in_folder } else { path.to_owned() };
        let shards = shards::in_folder(&path)?;
        if !shards.is_empty() {
            let set = ShardedSet::open(&shards)?;
            return Self::of_shards(&path, &set, set.n());
        }
        let images = image_file::read(&path)?;
        let is_sample_set = path.extension().is_some_and(|extension| extension == "safetensors");
        let provenance = is_sample_set.then(|| provenance::from_metadata(&images.metadata)).flatten();
        Ok(Self { path, shape: images.shape, pixels: images.pixels, provenance })
    }

    /// Reads the first `n` images of the sample set whose shards are at `path`.
    ///
    /// # Errors
    /// If reading fails, or the images take more than 1 GiB.
    pub fn of_shards(path: &Path, set: &ShardedSet, n: usize) -> Result<Self> {
        let (shape, n) = (set.shape(), n.min(set.n()));
        let bytes = n.saturating_mul(shape.len());
        let shown = path.display();
        ensure!(
            bytes <= MOST_BYTES,
            "{shown}: size: found {bytes} bytes of pixels, expected at most {MOST_BYTES}"
        );
        let provenance = provenance::from_metadata(set.metadata());
        Ok(Self { path: path.to_owned(), shape, pixels: set.images(0, n)?, provenance })
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
