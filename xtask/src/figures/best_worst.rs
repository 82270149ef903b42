//! The best, random and worst samples by a rule that was fixed beforehand, one band per folder of panels.

use super::canvas::Canvas;
use super::sheet::{self, Band, Block};
use super::tiles::Tiles;
use crate::markdown::thousands;
use crate::records::{Panels, Scores};
use dm_record::RankedImage;

const COLUMNS: usize = 8;
const SHOWN: usize = 32;
const GAP: u32 = 20;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    sheet::page(scores.panels.iter().filter_map(band).collect())
}

fn band(panels: &Panels) -> Option<Band> {
    let ranking = &panels.ranking.ranking;
    let block = |name: &str, gap: u32, realism: String| {
        let tiles = Tiles::open(&panels.folder.join(format!("{name}.png")), panels.image_size())?;
        Some(Block::new(format!("{name}{realism}"), gap, &tiles, &tiles.first(SHOWN), COLUMNS))
    };
    let blocks = vec![
        block("best", 0, range(&ranking.best))?,
        block("random", GAP, String::new())?,
        block("worst", GAP, range(&ranking.worst))?,
    ];
    let (n, rule) = (thousands(ranking.pool), &panels.ranking.rule);
    let text = format!("{SHOWN} each of {n} samples by {rule}; no near copies among the best");
    Some(Band { title: panels.name.clone(), text, blocks })
}

/// Realism of the first and the last image of a list, where they are finite.
fn range(images: &[RankedImage]) -> String {
    let ends = || Some((images.first()?.realism?, images.last()?.realism?));
    ends().map_or(String::new(), |(first, last)| format!(": realism {first:.2} to {last:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::tiles::tests::write_grid;
    use crate::records::fixtures::ranking_file;

    #[test]
    fn three_grids_stand_side_by_side_with_their_realism() {
        let dir = tempfile::tempdir().unwrap();
        let panels = dir.path().join("panels/ink");
        std::fs::create_dir_all(&panels).unwrap();
        std::fs::create_dir(dir.path().join("scores")).unwrap();
        std::fs::write(panels.join("ranking.json"), ranking_file().to_string()).unwrap();
        let read = || Scores::read(&dir.path().join("scores")).unwrap();
        assert!(draw(&read()).is_none(), "no pictures yet");
        ["best", "random", "worst"]
            .iter()
            .for_each(|name| write_grid(&panels.join(format!("{name}.png")), 4, 8));
        let svg = draw(&read()).unwrap().svg().unwrap();
        assert_eq!(svg.matches("<image").count(), 3);
        for text in [
            "32 each of 1,000 samples by realism, k = 5",
            "best: realism 2.50 to 1.75",
            "worst: realism 0.25 to 0.25",
        ] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
    }
}
