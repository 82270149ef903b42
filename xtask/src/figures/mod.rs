//! Figures of a sweep, one file each, drawn as PNG and SVG from the files of the runs. A figure whose material is
//! not there yet is left out. What the numbers mean is for the report to say.

mod axes;
mod canvas;
mod choose;
mod epochs;
mod loss_by_t;
mod loss_curves;
mod strips;
mod style;
mod ticks;
mod tiles;

use crate::record::{Manifest, Metrics};
use anyhow::{Context, Result};
use canvas::Canvas;
use std::path::{Path, PathBuf};

/// A run as the figures see it.
pub struct Run {
    title: String,
    /// What its loss is.
    loss: String,
    folder: PathBuf,
    /// Its place in the sweep, which decides its colour whether the runs before it are there or not.
    place: usize,
    steps_per_epoch: f64,
    metrics: Metrics,
}

impl Run {
    pub fn read(place: usize, title: &str, loss: &str, folder: &Path) -> Result<Self> {
        let manifest = Manifest::read(folder)?;
        let steps_per_epoch = manifest
            .map_or(1.0, |manifest| manifest.steps_total as f64 / manifest.epochs.max(1) as f64)
            .max(1.0);
        let (title, loss, folder) = (title.to_owned(), loss.to_owned(), folder.to_owned());
        Ok(Self { title, loss, place, steps_per_epoch, metrics: Metrics::read(&folder)?, folder })
    }
}

/// A figure: its file name, and what draws it.
type Figure = (&'static str, fn(&[Run]) -> Option<Canvas>);

/// Every figure there is.
const FIGURES: [Figure; 4] = [
    ("loss-curves", loss_curves::draw),
    ("loss-by-t", loss_by_t::draw),
    ("epochs", epochs::draw),
    ("strips", strips::draw),
];

/// Draws all figures whose material is there; returns how many.
pub fn draw_all(runs: &[Run], out: &Path) -> Result<usize> {
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let mut drawn = 0;
    for (name, draw) in FIGURES {
        if let Some(canvas) = draw(runs) {
            canvas.save(out, name)?;
            drawn += 1;
        }
    }
    Ok(drawn)
}
