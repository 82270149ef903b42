//! Samples beside their nearest training images in pixels and in the classifier's features. The samples are random ones, and the
//! ones nearest to any training image. One band per folder of panels.

use super::canvas::Canvas;
use super::sheet::{self, Band, Block};
use super::tiles::{GAP as TILE_GAP, Tiles};
use crate::markdown::thousands;
use crate::records::{Panels, Scores};

/// Number of neighbours of each kind.
const NEAR: usize = 4;
const ROWS: usize = 4;
const GAP: u32 = 8 + TILE_GAP;
const WIDE: u32 = 40;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    sheet::page(scores.panels.iter().filter_map(band).collect())
}

fn band(panels: &Panels) -> Option<Band> {
    let mut blocks = Vec::new();
    for (name, gap) in [("nearest.png", 0), ("closest.png", WIDE)] {
        let tiles = Tiles::open(&panels.folder.join(name), panels.image_size())
            .filter(|tiles| tiles.columns == 1 + 2 * NEAR)?;
        let block = |caption: &str, gap: u32, columns: std::ops::Range<usize>| {
            Block::columns(caption, gap, &tiles, ROWS, &columns.collect::<Vec<_>>())
        };
        blocks.push(block("", gap, 0..1));
        blocks.push(block("nearest in pixels", GAP, 1..1 + NEAR));
        blocks.push(block("in features", GAP, 1 + NEAR..1 + 2 * NEAR));
    }
    let pool = thousands(panels.ranking.ranking.pool);
    let text =
        format!("samples and their nearest training images: random ones of {pool}, and those nearest of all");
    Some(Band { title: panels.name.clone(), text, blocks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::tiles::tests::write_grid;
    use crate::records::fixtures::ranking_file;

    #[test]
    fn a_sample_stands_apart_from_its_neighbours() {
        let dir = tempfile::tempdir().unwrap();
        let panels = dir.path().join("ink");
        std::fs::create_dir(&panels).unwrap();
        std::fs::write(panels.join("ranking.json"), ranking_file().to_string()).unwrap();
        ["nearest", "closest"].iter().for_each(|name| write_grid(&panels.join(format!("{name}.png")), 8, 9));
        let svg = draw(&Scores::read(dir.path()).unwrap()).unwrap().svg().unwrap();
        // Sample, neighbours in pixels, neighbours in features; twice.
        assert_eq!(svg.matches("<image").count(), 6);
        assert!(svg.contains("random ones of 1,000"), "{svg}");
        // A grid of another layout is not used.
        write_grid(&panels.join("closest.png"), 1, 8);
        assert!(draw(&Scores::read(dir.path()).unwrap()).is_none());
    }
}
