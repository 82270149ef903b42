//! Samples beside their nearest training images, by pixels and by the judge's features: a random choice of the pool, and
//! those of it that come nearest to any training image. What looks copied is to be seen here, not only counted.

use super::canvas::{Canvas, LABEL, TITLE};
use super::tiles::Tiles;
use crate::scores::{Panel, Scores, thousands};

/// Columns of a sheet: the sample, then as many neighbours of each kind.
const NEAR: usize = 4;
const COLUMNS: usize = 1 + 2 * NEAR;
const ROWS: usize = 4;
const PITCH: u32 = 30;
const HEIGHT: u32 = ROWS as u32 * PITCH - 2;
/// Space between the sample and its neighbours, and between the kinds.
const GAP: u32 = 10;
const WIDTH: u32 = COLUMNS as u32 * PITCH - 2 + 2 * GAP;
const GUTTER: u32 = 40;
const MARGIN: u32 = 12;
const HEAD: u32 = 62;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let panels: Vec<_> = scores.panels.iter().filter_map(|panel| Some((panel, sheets(panel)?))).collect();
    let height = panels.len() as u32 * (HEAD + HEIGHT) + MARGIN;
    let width = 2 * MARGIN + 2 * WIDTH + GUTTER;
    let mut page = (!panels.is_empty()).then(|| Canvas::new(f64::from(width), f64::from(height)))?;
    for (row, (panel, sheets)) in panels.iter().enumerate() {
        let top = row as u32 * (HEAD + HEIGHT);
        page.text(f64::from(MARGIN), f64::from(top) + 22.0, &panel.name, TITLE);
        let pool = thousands(panel.rank.ranking.pool);
        let captions = [
            format!("random samples of {pool}, nearest training images"),
            format!("the nearest of {pool} to any training image"),
        ];
        for (column, (caption, sheet)) in captions.iter().zip(sheets).enumerate() {
            let left = MARGIN + column as u32 * (WIDTH + GUTTER);
            page.text(f64::from(left), f64::from(top) + 39.0, caption, LABEL);
            for (group, first, count) in
                [("", 0, 1), ("nearest in pixels", 1, NEAR), ("in features", 1 + NEAR, NEAR)]
            {
                let gaps = match first {
                    0 => 0,
                    1 => 1,
                    _ => 2,
                };
                let x = left + first as u32 * PITCH + gaps * GAP;
                page.text(f64::from(x), f64::from(top + HEAD) - 6.0, group, LABEL);
                let rows =
                    (0..sheet.rows.min(ROWS)).flat_map(|row| (first..first + count).map(move |c| (row, c)));
                page.picture(x, top + HEAD, sheet.arrange(&rows.collect::<Vec<_>>(), count));
            }
        }
    }
    Some(page)
}

fn sheets(panel: &Panel) -> Option<[Tiles; 2]> {
    let open = |name: &str| Tiles::open(&panel.folder.join(name)).filter(|tiles| tiles.columns == COLUMNS);
    Some([open("nearest.png")?, open("closest.png")?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::tests::ranking_file;
    use image::RgbaImage;

    #[test]
    fn a_sample_stands_apart_from_its_neighbours() {
        let dir = tempfile::tempdir().unwrap();
        let panel = dir.path().join("ink");
        std::fs::create_dir(&panel).unwrap();
        std::fs::write(panel.join("ranking.json"), ranking_file().to_string()).unwrap();
        for name in ["nearest", "closest"] {
            RgbaImage::new(9 * PITCH + 2, 8 * PITCH + 2).save(panel.join(format!("{name}.png"))).unwrap();
        }
        let svg = draw(&Scores::read(dir.path()).unwrap()).unwrap().svg().unwrap();
        // Sample, neighbours in pixels, neighbours in features; twice.
        assert_eq!(svg.matches("<image").count(), 6);
        assert!(svg.contains("nearest of 1,000 to any training image"), "{svg}");
        // A sheet of another layout is none of ours.
        RgbaImage::new(8 * PITCH + 2, PITCH + 2).save(panel.join("closest.png")).unwrap();
        assert!(draw(&Scores::read(dir.path()).unwrap()).is_none());
    }
}
