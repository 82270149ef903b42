//! Figures, one file each, drawn as PNG and SVG from the recorded files of runs and evaluations. A figure is left out if its
//! data are missing.

mod best_worst;
mod canvas;
mod chart;
mod choose;
mod class_decided;
mod classes;
mod components;
mod contact_sheet;
mod curves;
mod distance_by_epoch;
mod epochs;
mod evaluations;
mod loss_by_t;
mod loss_curves;
mod nearest;
mod nearest_distances;
mod over_seeds;
mod parameter;
mod photons;
mod precision_recall;
mod restoration;
mod restored;
mod run;
mod sanity;
mod settings;
mod sheet;
mod strips;
mod style;
mod throughput;
mod tiles;

use crate::records::Scores;
use anyhow::{Context, Result};
use canvas::Canvas;
use dm_record::{BenchFile, SummaryRow};
pub use run::Run;
use std::path::Path;

/// A figure: its file name, and the function that draws it.
type Figure<M> = (&'static str, fn(&M) -> Option<Canvas>);

/// Every figure of runs.
pub const OF_RUNS: [Figure<[Run]>; 8] = [
    ("loss-curves", loss_curves::draw),
    ("loss-by-t", loss_by_t::draw),
    ("epochs", epochs::draw),
    ("strips", strips::draw),
    ("contact-sheet", contact_sheet::draw),
    ("restored", restored::draw),
    ("distance-by-epoch", distance_by_epoch::draw),
    ("curves", curves::draw),
];

/// Every figure of evaluations.
pub const OF_SCORES: [Figure<Scores>; 13] = [
    ("sanity", sanity::draw),
    ("evaluations", evaluations::draw),
    ("precision-recall", precision_recall::draw),
    ("classes", classes::draw),
    ("components", components::draw),
    ("parameter", parameter::draw),
    ("restoration", restoration::draw),
    ("class-decided", class_decided::draw),
    ("photons", photons::draw),
    ("settings", settings::draw),
    ("best-worst", best_worst::draw),
    ("nearest", nearest::draw),
    ("nearest-distances", nearest_distances::draw),
];

/// Every figure of the scores of a study's runs.
pub const OF_STUDIES: [Figure<Scores>; 1] = [("parameter", parameter::draw)];

/// Every figure of a study's summary.
pub const OF_SUMMARIES: [Figure<[SummaryRow]>; 1] = [("over-seeds", over_seeds::draw)];

/// Every figure of measured speeds.
pub const OF_BENCHES: [Figure<BenchFile>; 1] = [("throughput", throughput::draw)];

/// Draws all `figures` that have data, and returns their number.
pub fn draw_all<M: ?Sized>(figures: &[Figure<M>], data: &M, out: &Path) -> Result<usize> {
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let mut drawn = 0;
    for (name, draw) in figures {
        if let Some(canvas) = draw(data) {
            canvas.save(out, name)?;
            drawn += 1;
        }
    }
    Ok(drawn)
}
