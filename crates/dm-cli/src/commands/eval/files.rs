//! Images that are there already: sheets, IDX files, folders of PNGs or of `dm sample`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use dm_nn::data::{PIXELS, SIDE, idx, sheet};
use serde_json::{Map, Value};

use crate::commands::sample::SHEET;
use crate::origin;

/// Images, and where they come from.
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// Pixels [n, 784].
    pub(super) pixels: Vec<u8>,
    /// What a sheet of `dm sample` says of itself.
    pub(super) origin: Option<Map<String, Value>>,
}

impl Source {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let sheet = path.join(SHEET);
        let path = if sheet.is_file() { sheet } else { path.to_owned() };
        if path.extension().is_some_and(|e| e == "safetensors") {
            let sheet = sheet::read_whole(&path)?;
            let origin = origin::from_metadata(&sheet.metadata);
            return Ok(Self { path, pixels: sheet.pixels, origin });
        }
        let pixels = if path.is_dir() { read_folder(&path)? } else { read_idx(&path)? };
        Ok(Self { path, pixels, origin: None })
    }

    /// Number of images.
    pub(super) fn n(&self) -> usize {
        self.pixels.len() / PIXELS
    }
}

fn read_idx(path: &Path) -> Result<Vec<u8>> {
    let file = idx::read(path)?;
    let fits = file.shape.len() == 3 && file.shape[1..] == [SIDE, SIDE];
    ensure!(fits, "{}: shape: found {:?}, expected [n, 28, 28]", path.display(), file.shape);
    Ok(file.items)
}

/// The PNGs of a folder, in order of their names.
fn read_folder(folder: &Path) -> Result<Vec<u8>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")));
    files.sort();
    if files.is_empty() {
        bail!("{}: found no PNG, expected PNGs of 28x28 or a run folder", folder.display());
    }
    let mut pixels = Vec::with_capacity(files.len() * PIXELS);
    for file in files {
        let image = image::open(&file).with_context(|| file.display().to_string())?.into_luma8();
        let (width, height) = image.dimensions();
        let fits = (width as usize, height as usize) == (SIDE, SIDE);
        ensure!(fits, "{}: size: found {width}x{height}, expected 28x28", file.display());
        pixels.extend(image.into_raw());
    }
    Ok(pixels)
}
