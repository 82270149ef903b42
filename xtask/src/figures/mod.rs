//! Figures, one file each, drawn as PNG and SVG from the files of runs and of evaluations. A figure whose material is
//! not there yet is left out. What the numbers mean is for the report to say.

mod axes;
mod best_worst;
mod canvas;
mod choose;
mod classes;
mod components;
mod contact_sheet;
mod distance_by_epoch;
mod epochs;
mod evaluations;
mod ladder;
mod loss_by_t;
mod loss_curves;
mod nearest;
mod nearness;
mod parameter;
mod precision_recall;
mod restoration;
mod restored;
mod strips;
mod style;
mod ticks;
mod tiles;

use crate::record::{Manifest, Metrics};
use crate::scores::{Scores, Table};
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
type Figure<M> = (&'static str, fn(&M) -> Option<Canvas>);

/// Every figure of runs.
pub const OF_RUNS: [Figure<[Run]>; 7] = [
    ("loss-curves", loss_curves::draw),
    ("loss-by-t", loss_by_t::draw),
    ("epochs", epochs::draw),
    ("strips", strips::draw),
    ("contact-sheet", contact_sheet::draw),
    ("restored", restored::draw),
    ("distance-by-epoch", distance_by_epoch::draw),
];

/// Every figure of evaluations.
pub const OF_SCORES: [Figure<Scores>; 10] = [
    ("ladder", ladder::draw),
    ("evaluations", evaluations::draw),
    ("precision-recall", precision_recall::draw),
    ("classes", classes::draw),
    ("components", components::draw),
    ("parameter", parameter::draw),
    ("restoration", restoration::draw),
    ("best-worst", best_worst::draw),
    ("nearest", nearest::draw),
    ("nearness", nearness::draw),
];

/// Every figure of what was measured of runs.
pub const OF_MEASURED: [Figure<Scores>; 1] = [("parameter", parameter::draw)];

/// Draws all `figures` whose material is there; returns how many.
pub fn draw_all<M: ?Sized>(figures: &[Figure<M>], material: &M, out: &Path) -> Result<usize> {
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let mut drawn = 0;
    for (name, draw) in figures {
        if let Some(canvas) = draw(material) {
            canvas.save(out, name)?;
            drawn += 1;
        }
    }
    Ok(drawn)
}

/// The range of the floors of a measure among tables that compare.
fn floor(group: &[&Table], measure: &str) -> Option<(f64, f64)> {
    group.iter().find_map(|table| table.row(measure)?.floor.as_ref()?.range())
}
