//! Distributions of the distance to the nearest training image, in pixels and in the classifier's features, for generated images
//! and for test images. The curve of a model that copies its training set lies to the left of the curve of test images. Of
//! several evaluations of a model, the one with the most network evaluations is shown.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Grid, line, page};
use super::style::{FAINT, THICK, colour};
use crate::markdown::thousands;
use crate::records::{Scores, Table};
use dm_record::{DistancePercentiles, NearestTraining};

const GRID: Grid = Grid { columns: 2, width: 430.0, height: 350.0, first_width: None };

/// The title of a chart, and its distances.
type Space = (&'static str, fn(&NearestTraining) -> &DistancePercentiles);

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let shown = shown(scores);
    let first = shown.first()?.1;
    let spaces: [Space; 2] = [
        ("Distances in pixels", |found| &found.pixels),
        ("Distances in the classifier's features", |found| &found.features),
    ];
    let charts = spaces.into_iter().enumerate().map(|(place, (title, space))| {
        let unseen = format!("{} test images", thousands(first.n_unseen));
        let mut plots = vec![line(curve(&space(first).unseen), FAINT, 5.0).with_legend(unseen).into()];
        plots.extend(shown.iter().enumerate().map(|(model, (name, found))| {
            let legend = format!("{name}, {} samples", thousands(found.n));
            line(curve(&space(found).generated), &colour(model), THICK).with_legend(legend).into()
        }));
        let distances = shown.iter().flat_map(|(_, found)| [&space(found).generated, &space(found).unseen]);
        let farthest = distances.flatten().copied().fold(0.0, f64::max);
        let n = thousands(first.n_training);
        Chart {
            title: title.into(),
            y_label: format!("share of images at most this far from one of {n} training images"),
            x_label: ["Euclidean distance, pixels in [0, 1]", "Euclidean distance"][place].into(),
            x: Axis::linear(0.0, 1.03 * farthest),
            y: Axis::linear(0.0, 1.0),
            plots,
        }
    });
    page(charts.collect(), GRID)
}

/// Every model of the group of comparable tables with the most images.
fn shown(scores: &Scores) -> Vec<(&str, &NearestTraining)> {
    let mut shown: Vec<(&Table, &str, &NearestTraining)> = Vec::new();
    let groups = scores.comparable();
    let known = |group: &&Vec<&Table>| group.iter().any(|table| table.nearest.is_some());
    let Some(group) = groups.iter().filter(known).max_by_key(|group| group[0].target.n) else {
        return Vec::new();
    };
    for table in group {
        let (Some(model), Some(found)) = (&table.target.model, &table.nearest) else { continue };
        match shown.iter_mut().find(|(_, name, _)| *name == model) {
            Some(old) if old.0.target.nfe < table.target.nfe => *old = (table, model, found),
            Some(_) => {}
            None => shown.push((table, model, found)),
        }
    }
    shown.into_iter().map(|(_, name, found)| (name, found)).collect()
}

/// The cumulative distribution of distances given by their percentiles.
fn curve(percentiles: &[f64]) -> Vec<(f64, f64)> {
    let last = percentiles.len().saturating_sub(1).max(1) as f64;
    percentiles.iter().enumerate().map(|(place, &distance)| (distance, place as f64 / last)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::{folder, score_file};

    #[test]
    fn a_model_is_shown_once_beside_the_test_images() {
        let files = [
            ("a.json", score_file("ink", 20, 2.0)),
            ("b.json", score_file("ink", 100, 4.0)),
            ("c.json", score_file("ddpm", 100, 3.0)),
        ];
        let scores = folder(&files).unwrap();
        let found = shown(&scores);
        assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["ink", "ddpm"]);
        let curve = curve(&found[0].1.pixels.generated);
        assert_eq!((curve[0], curve[100]), ((4.0, 0.0), (6.0, 1.0)));
        let svg = draw(&scores).unwrap().svg().unwrap();
        for text in ["10,000 test images", "ink, 1,000 samples", "one of 60,000"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(draw(&Scores::default()).is_none());
    }
}
