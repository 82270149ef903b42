//! The process in both directions, side by side: test images are degraded, and samples form from the prior. One band per run.

use super::canvas::Canvas;
use super::choose::evenly;
use super::run::Run;
use super::sheet::{self, Band, Block};
use super::tiles::Tiles;

const ROWS: usize = 3;
const COLUMNS: usize = 12;
const GAP: u32 = 26;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    sheet::page(runs.iter().filter_map(band).collect())
}

fn band(run: &Run) -> Option<Band> {
    let strip = |name: &str, caption: &str, gap: u32| {
        let tiles: Tiles = run.generated(name)?;
        Some(Block::columns(caption, gap, &tiles, ROWS, &evenly(tiles.columns, COLUMNS)))
    };
    let forward = strip("forward.png", "forward: test images, t = 0 to T", 0);
    let gap = if forward.is_some() { GAP } else { 0 };
    let reverse = strip("strip.png", "reverse: samples, t = T to 0", gap);
    let blocks: Vec<_> = forward.into_iter().chain(reverse).collect();
    (!blocks.is_empty()).then(|| Band { title: run.title.clone(), blocks, ..Band::default() })
}
