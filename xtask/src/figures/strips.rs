//! Both directions of the process side by side: test images degrading, samples appearing out of the prior. One band
//! per run.

use super::Run;
use super::canvas::{Canvas, LABEL, TITLE};
use super::choose::spread;
use super::tiles::Tiles;

const ROWS: usize = 3;
const COLUMNS: usize = 12;
const WIDTH: u32 = COLUMNS as u32 * 30 - 2;
const HEIGHT: u32 = ROWS as u32 * 30 - 2;
const GUTTER: u32 = 26;
const MARGIN: u32 = 14;
const HEAD: u32 = 52;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    let bands: Vec<_> = runs
        .iter()
        .map(|run| {
            let open = |name: &str| Tiles::open(&run.folder.join("generated").join(name));
            (run, open("forward.png"), open("strip.png"))
        })
        .filter(|(_, forward, reverse)| forward.is_some() || reverse.is_some())
        .collect();
    let height = bands.len() as u32 * (HEAD + HEIGHT) + MARGIN;
    let width = 2 * MARGIN + 2 * WIDTH + GUTTER;
    let mut page = (!bands.is_empty()).then(|| Canvas::new(f64::from(width), f64::from(height)))?;
    for (index, (run, forward, reverse)) in bands.iter().enumerate() {
        let top = index as u32 * (HEAD + HEIGHT);
        page.text(f64::from(MARGIN), f64::from(top) + 22.0, &run.title, TITLE);
        let halves = [
            (MARGIN, "forward: test images, t = 0 to T", forward),
            (MARGIN + WIDTH + GUTTER, "reverse: samples, t = T to 0", reverse),
        ];
        for (left, caption, tiles) in halves {
            let Some(tiles) = tiles else { continue };
            page.text(f64::from(left), f64::from(top + HEAD) - 8.0, caption, LABEL);
            let columns = spread(tiles.columns, COLUMNS);
            let row = |row: usize| columns.iter().map(move |&column| (row, column));
            let chosen: Vec<_> = (0..tiles.rows.min(ROWS)).flat_map(row).collect();
            page.picture(left, top + HEAD, tiles.arrange(&chosen, columns.len()));
        }
    }
    Some(page)
}
