//! A run with everything that figures show of it.

use super::tiles::Tiles;
use crate::records::{Metrics, Scores, read_manifest};
use anyhow::{Context, Result};
use dm_record::ImageSize;
use serde::Deserialize;
use std::path::{Path, PathBuf};

pub struct Run {
    pub title: String,
    /// Title of the runs that differ from this one in their training seed only, if there are any.
    pub group: Option<String>,
    /// Description of the loss.
    pub loss: String,
    pub folder: PathBuf,
    /// Position in the study, which determines the colour. A run keeps its colour if other runs are missing.
    pub place: usize,
    pub steps_per_epoch: f64,
    pub metrics: Metrics,
    /// Further evaluations, which figures of groups of runs show.
    pub evaluations: Scores,
    /// Size of the images.
    size: ImageSize,
}

impl Run {
    pub fn read(place: usize, title: &str, group: Option<&str>, loss: &str, folder: &Path) -> Result<Self> {
        let manifest = read_manifest(folder)?;
        let steps_per_epoch = manifest
            .map_or(1.0, |manifest| manifest.steps_total as f64 / manifest.epochs.max(1) as f64)
            .max(1.0);
        let (title, loss, folder) = (title.to_owned(), loss.to_owned(), folder.to_owned());
        let group = group.map(str::to_owned);
        let (metrics, size) = (Metrics::read(&folder)?, image_size(&folder)?);
        let evaluations = Scores::default();
        Ok(Self { title, group, loss, folder, place, steps_per_epoch, metrics, evaluations, size })
    }

    /// The grid of this name in the folder of the run's images, if it is there.
    pub fn generated(&self, name: &str) -> Option<Tiles> {
        self.grid(&format!("generated/{name}"))
    }

    /// A grid in the run folder, if it is there.
    pub fn grid(&self, path: &str) -> Option<Tiles> {
        Tiles::open(&self.folder.join(path), self.size)
    }
}

/// The part of a run's config that figures need. Configs of schema 1 have no table `image`.
#[derive(Deserialize)]
struct Config {
    image: Option<ImageSize>,
}

/// The size of a run's images.
fn image_size(run: &Path) -> Result<ImageSize> {
    let path = run.join("config.toml");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(ImageSize::default()) };
    let config: Config = toml::from_str(&text).with_context(|| path.display().to_string())?;
    Ok(config.image.unwrap_or_default())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The run in a folder.
    pub fn run(title: &str, folder: &Path) -> Run {
        Run::read(0, title, None, "error", folder).unwrap()
    }

    #[test]
    fn the_size_of_images_comes_from_the_config() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(run("A", dir.path()).size, ImageSize::default());
        std::fs::write(dir.path().join("config.toml"), "[image]\nchannels = 3\nheight = 32\nwidth = 24\n")
            .unwrap();
        assert_eq!(run("A", dir.path()).size, ImageSize { channels: 3, height: 32, width: 24 });
    }
}
