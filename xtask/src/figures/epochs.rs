//! Samples of the same seeds at a few epochs, a row for each run: when do digits appear?

use super::Run;
use super::canvas::{Canvas, LABEL, TITLE};
use super::choose::denser_early;
use super::tiles::Tiles;
use std::path::PathBuf;

const MOST_COLUMNS: usize = 6;
/// Images shown of each grid, and how they are laid out.
const SHOWN: usize = 20;
const ACROSS: usize = 5;
const WIDTH: u32 = ACROSS as u32 * 30 - 2;
const GUTTER: u32 = 12;
const MARGIN: u32 = 14;
const HEAD: u32 = 50;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    let rows: Vec<_> =
        runs.iter().map(|run| (run, grids(run))).filter(|(_, grids)| !grids.is_empty()).collect();
    let columns = rows.iter().map(|(_, grids)| grids.len()).max()? as u32;
    let width = 2 * MARGIN + columns * (WIDTH + GUTTER) - GUTTER;
    let height_of = |grids: &[(u64, Tiles)]| {
        let most = grids.iter().map(|(_, tiles)| tiles.first(SHOWN).len()).max().unwrap_or(0);
        HEAD + most.div_ceil(ACROSS) as u32 * 30
    };
    let height = rows.iter().map(|(_, grids)| height_of(grids)).sum::<u32>() + MARGIN;
    let mut page = Canvas::new(f64::from(width.max(320)), f64::from(height));
    let mut top = 0;
    for (run, grids) in &rows {
        page.text(f64::from(MARGIN), f64::from(top) + 22.0, &run.title, TITLE);
        for (column, (epoch, tiles)) in grids.iter().enumerate() {
            let left = MARGIN + column as u32 * (WIDTH + GUTTER);
            let text = if column == 0 { format!("epoch {epoch}") } else { epoch.to_string() };
            page.text(f64::from(left), f64::from(top + HEAD) - 7.0, &text, LABEL);
            page.picture(left, top + HEAD, tiles.arrange(&tiles.first(SHOWN), ACROSS));
        }
        top += height_of(grids);
    }
    Some(page)
}

/// The grids of a few epochs: early ones closer together, the last one always.
fn grids(run: &Run) -> Vec<(u64, Tiles)> {
    let all = epochs(run);
    let open = |epoch: u64| Some((epoch, Tiles::open(&file(run, epoch))?));
    denser_early(all.len(), MOST_COLUMNS).into_iter().filter_map(|index| open(all[index])).collect()
}

fn file(run: &Run, epoch: u64) -> PathBuf {
    run.folder.join("samples").join(format!("epoch-{epoch:04}.png"))
}

/// Epochs that have a grid, in order.
fn epochs(run: &Run) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(run.folder.join("samples")) else { return Vec::new() };
    let number = |name: &str| name.strip_prefix("epoch-")?.strip_suffix(".png")?.parse().ok();
    let mut epochs: Vec<u64> =
        entries.filter_map(|entry| number(entry.ok()?.file_name().to_str()?)).collect();
    epochs.sort_unstable();
    epochs
}
