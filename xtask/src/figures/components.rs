//! Features along two principal components. The components are fitted on real images only, so that they are the same for all
//! models.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Grid, dots, page};
use super::style::{FAINT, colour};
use crate::markdown::thousands;
use crate::records::Scores;
use dm_record::PcaFile;

const GRID: Grid = Grid { columns: 2, width: 390.0, height: 410.0, first_width: None };
const RADIUS: f64 = 1.9;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let views = scores.panels.iter().filter_map(|panels| Some((&panels.name, panels.pca.as_ref()?)));
    page(views.enumerate().filter_map(|(place, (name, pca))| chart(place, name, pca)).collect(), GRID)
}

fn chart(place: usize, name: &str, pca: &PcaFile) -> Option<Chart> {
    let axis =
        |axis: usize| Axis::around(pca.reference.iter().chain(&pca.generated).map(|point| point[axis]));
    let label = |name: &str, share: f64| format!("{name} component, {:.0} % of the variance", 100.0 * share);
    let cloud = |name: &str, colour: &str, points: &[[f64; 2]]| {
        let legend = format!("{name}, {} images", thousands(points.len()));
        dots(points.iter().map(|&[x, y]| (x, y)), colour, RADIUS).with_legend(legend).into()
    };
    Some(Chart {
        title: name.to_owned(),
        y_label: label("second", pca.explained[1]),
        x_label: label("first", pca.explained[0]),
        x: axis(0)?,
        y: axis(1)?,
        plots: vec![cloud("real", FAINT, &pca.reference), cloud("generated", &colour(place), &pca.generated)],
    })
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::records::Scores;
    use crate::records::fixtures::{folder, pca_file, ranking_file};

    #[test]
    fn both_clouds_are_drawn_point_by_point() {
        let scores = folder(&[("ink/pca.json", pca_file()), ("ink/ranking.json", ranking_file())]).unwrap();
        let svg = draw(&scores).unwrap().svg().unwrap();
        // Two real points, one generated, one of each in the legend.
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(svg.contains("31 % of the variance"));
        assert!(draw(&Scores::default()).is_none());
    }
}
