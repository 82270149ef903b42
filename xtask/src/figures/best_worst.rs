//! Best, random and worst samples by a rule fixed beforehand, a row of three grids for each panel: neither end alone says
//! what a model draws.

use super::canvas::{Canvas, LABEL, TITLE};
use super::tiles::Tiles;
use crate::scores::{Chosen, Panel, Scores, thousands};

const ACROSS: usize = 8;
const SHOWN: usize = 32;
const WIDTH: u32 = ACROSS as u32 * 30 - 2;
const HEIGHT: u32 = (SHOWN / ACROSS) as u32 * 30 - 2;
const GUTTER: u32 = 20;
const MARGIN: u32 = 12;
const HEAD: u32 = 66;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let panels: Vec<_> = scores.panels.iter().filter_map(|panel| Some((panel, grids(panel)?))).collect();
    let height = panels.len() as u32 * (HEAD + HEIGHT) + MARGIN;
    let width = 2 * MARGIN + 3 * WIDTH + 2 * GUTTER;
    let mut page = (!panels.is_empty()).then(|| Canvas::new(f64::from(width), f64::from(height)))?;
    for (row, (panel, grids)) in panels.iter().enumerate() {
        let top = row as u32 * (HEAD + HEIGHT);
        let ranking = &panel.rank.ranking;
        page.text(f64::from(MARGIN), f64::from(top) + 22.0, &panel.name, TITLE);
        let n = thousands(ranking.pool);
        let rule =
            format!("{SHOWN} each of {n} samples by {}; no near copies among the best", panel.rank.rule);
        page.text(f64::from(MARGIN), f64::from(top) + 39.0, &rule, LABEL);
        let captions = [
            format!("best{}", range(&ranking.best)),
            "random".to_owned(),
            format!("worst{}", range(&ranking.worst)),
        ];
        for (column, (caption, tiles)) in captions.iter().zip(grids).enumerate() {
            let left = MARGIN + column as u32 * (WIDTH + GUTTER);
            page.text(f64::from(left), f64::from(top + HEAD) - 8.0, caption, LABEL);
            page.picture(left, top + HEAD, tiles.arrange(&tiles.first(SHOWN), ACROSS));
        }
    }
    Some(page)
}

fn grids(panel: &Panel) -> Option<[Tiles; 3]> {
    let open = |name: &str| Tiles::open(&panel.folder.join(name));
    Some([open("best.png")?, open("random.png")?, open("worst.png")?])
}

/// First and last realism of a list, where they are finite.
fn range(chosen: &[Chosen]) -> String {
    let ends = || Some((chosen.first()?.realism?, chosen.last()?.realism?));
    ends().map_or(String::new(), |(first, last)| format!(": realism {first:.2} to {last:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::tests::ranking_file;
    use image::RgbaImage;

    #[test]
    fn three_grids_stand_side_by_side_with_their_realism() {
        let dir = tempfile::tempdir().unwrap();
        let panel = dir.path().join("panels/ink");
        std::fs::create_dir_all(&panel).unwrap();
        std::fs::create_dir(dir.path().join("scores")).unwrap();
        std::fs::write(panel.join("ranking.json"), ranking_file().to_string()).unwrap();
        let read = || Scores::read(&dir.path().join("scores")).unwrap();
        assert!(draw(&read()).is_none(), "no pictures yet");
        for name in ["best", "random", "worst"] {
            RgbaImage::new(8 * 30 + 2, 4 * 30 + 2).save(panel.join(format!("{name}.png"))).unwrap();
        }
        let svg = draw(&read()).unwrap().svg().unwrap();
        assert_eq!(svg.matches("<image").count(), 3);
        for text in [
            "ink",
            "32 each of 1,000 samples by realism, k = 5",
            "best: realism 2.50 to 1.75",
            "worst: realism 0.25 to 0.25",
        ] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
    }
}
