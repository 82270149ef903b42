//! Restoration in pictures: test images degraded to several levels, the network's estimate in one step, and the end of the
//! reverse chain. A band for each run; a block of three columns for each level.

use super::Run;
use super::canvas::{Canvas, LABEL, TITLE};
use super::tiles::Tiles;

/// Columns of a level: degraded, estimate, restored.
const STAGES: usize = 3;
const ROWS: usize = 3;
const PITCH: u32 = 30;
const HEIGHT: u32 = ROWS as u32 * PITCH - 2;
const GAP: u32 = 10;
const MARGIN: u32 = 14;
const HEAD: u32 = 66;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    let open =
        |run: &Run| Tiles::open(&run.folder.join("generated/restore.png")).filter(|tiles| levels(tiles) > 0);
    let bands: Vec<_> = runs.iter().filter_map(|run| Some((run, open(run)?))).collect();
    let most = bands.iter().map(|(_, tiles)| levels(tiles)).max()? as u32;
    let width = 2 * MARGIN + PITCH - 2 + most * (GAP + STAGES as u32 * PITCH);
    let height = bands.len() as u32 * (HEAD + HEIGHT) + MARGIN;
    let mut page = Canvas::new(f64::from(width.max(420)), f64::from(height));
    for (index, (run, tiles)) in bands.iter().enumerate() {
        let top = index as u32 * (HEAD + HEIGHT);
        let rows = tiles.rows.min(ROWS);
        page.text(f64::from(MARGIN), f64::from(top) + 22.0, &run.title, TITLE);
        let legend =
            "test image; then for each level: degraded, the network's estimate in one step, the whole chain";
        page.text(f64::from(MARGIN), f64::from(top) + 39.0, legend, LABEL);
        let block = |first: usize, count: usize| {
            let chosen = (0..rows).flat_map(|row| (first..first + count).map(move |column| (row, column)));
            tiles.arrange(&chosen.collect::<Vec<_>>(), count)
        };
        page.picture(MARGIN, top + HEAD, block(0, 1));
        for level in 0..levels(tiles) {
            let left = MARGIN + PITCH + GAP + level as u32 * (GAP + STAGES as u32 * PITCH);
            let share = (level + 1) as f64 / levels(tiles) as f64;
            let text = if level == 0 { format!("t / T = {share:.2}") } else { format!("{share:.2}") };
            page.text(f64::from(left), f64::from(top + HEAD) - 7.0, &text, LABEL);
            page.picture(left, top + HEAD, block(1 + level * STAGES, STAGES));
        }
    }
    Some(page)
}

/// Levels on a sheet; 0 of one that is laid out otherwise.
fn levels(tiles: &Tiles) -> usize {
    let rest = tiles.columns - 1;
    if rest.is_multiple_of(STAGES) { rest / STAGES } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbaImage;

    #[test]
    fn every_level_has_its_block() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("generated")).unwrap();
        let run = Run::read(0, "Ink", "nats", dir.path()).unwrap();
        let sheet = |columns: u32| {
            let path = dir.path().join("generated/restore.png");
            RgbaImage::new(columns * PITCH + 2, 4 * PITCH + 2).save(path).unwrap();
        };
        sheet(19);
        let svg = draw(std::slice::from_ref(&run)).unwrap().svg().unwrap();
        assert_eq!(svg.matches("<image").count(), 7);
        assert!(svg.contains("t / T = 0.17") && svg.contains(">1.00<"), "{svg}");
        sheet(18);
        assert!(draw(&[run]).is_none());
    }
}
