//! Samples of the same seeds after a few epochs, one band per run. The figure shows when digits appear.

use super::canvas::Canvas;
use super::choose::denser_early;
use super::run::Run;
use super::sheet::{self, Band, Block};
use crate::workspace::entries;
use std::path::PathBuf;

/// Largest number of epochs shown.
const MOST: usize = 6;
/// Images shown of each epoch, and their columns.
const SHOWN: usize = 20;
const COLUMNS: usize = 5;
const GAP: u32 = 12;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    sheet::page(runs.iter().filter_map(band).collect())
}

fn band(run: &Run) -> Option<Band> {
    let all = epochs(run);
    let mut blocks = Vec::new();
    for epoch in denser_early(all.len(), MOST).into_iter().map(|index| all[index]) {
        let Some(tiles) = run.grid(&file(epoch)) else { continue };
        let (caption, gap) =
            if blocks.is_empty() { (format!("epoch {epoch}"), 0) } else { (epoch.to_string(), GAP) };
        blocks.push(Block::new(caption, gap, &tiles, &tiles.first(SHOWN), COLUMNS));
    }
    (!blocks.is_empty()).then(|| Band { title: run.title.clone(), blocks, ..Band::default() })
}

fn file(epoch: u64) -> String {
    format!("samples/epoch-{epoch:04}.png")
}

/// The epochs that have a grid, in order.
fn epochs(run: &Run) -> Vec<u64> {
    let paths = entries(&run.folder.join("samples")).unwrap_or_default();
    let epoch = |path: &PathBuf| path.file_stem()?.to_str()?.strip_prefix("epoch-")?.parse().ok();
    let mut epochs: Vec<u64> = paths.iter().filter_map(epoch).collect();
    epochs.sort_unstable();
    epochs
}
