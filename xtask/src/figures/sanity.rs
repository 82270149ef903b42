//! Scores of real images with known corruptions, one row per corruption: the Fréchet distance by every classifier, and precision,
//! recall and the share of copies, which show what the distance does not detect.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Grid, band, dots, line, named_page};
use super::style::{colour, shade};
use crate::markdown::thousands;
use crate::records::Scores;
use dm_record::{CorruptionScores, SanityFile};
use kuva::render::plots::Plot;

const GRID: Grid = Grid { columns: 4, width: 170.0, height: 430.0, first_width: Some(520.0) };

/// A panel: its title, and the value it shows.
type Panel = (&'static str, fn(&CorruptionScores) -> f64);
const PANELS: [Panel; 4] = [
    ("Fréchet distance", |found| found.fd),
    ("precision", |found| found.precision),
    ("recall", |found| found.recall),
    ("copied", |found| found.memorised),
];

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let file = scores.sanity.iter().find(|file| !file.results.is_empty())?;
    let charts: Option<Vec<_>> =
        PANELS.into_iter().enumerate().map(|(place, panel)| chart(place, panel, file)).collect();
    let corruptions = in_order(&file.results[0].corruptions);
    let names: Vec<_> = corruptions.iter().rev().map(|corruption| corruption.name.clone()).collect();
    named_page(charts?, GRID, &names)
}

fn chart(place: usize, (title, value): Panel, file: &SanityFile) -> Option<Chart> {
    let first = in_order(&file.results[0].corruptions);
    let values = file.results.iter().flat_map(|result| result.corruptions.iter().map(value));
    let x = if place == 0 { Axis::log_around(values)? } else { Axis::linear(-0.05, 1.05) };
    // The mildest corruption is on top.
    let row = |index: usize| (first.len() - index) as f64;
    let mut plots: Vec<Plot> = Vec::new();
    // Within a group of severity any order is correct. Every second group has a band.
    let mut banded = true;
    for (index, corruption) in first.iter().enumerate() {
        banded ^= index == 0 || corruption.groups[0] != first[index - 1].groups[0];
        if banded {
            plots.push(band(x, row(index) - 0.5, row(index) + 0.5).into());
        }
    }
    for (classifier, result) in file.results.iter().enumerate() {
        let corruptions = in_order(&result.corruptions);
        let points: Vec<_> =
            corruptions.iter().enumerate().map(|(index, found)| (value(found), row(index))).collect();
        plots.push(line(points.clone(), &shade(classifier, 0.45), 1.2).into());
        let points = dots(points, &colour(classifier), 4.0);
        let named = if place == 0 { points.with_legend(result.classifier.name.as_str()) } else { points };
        plots.push(named.into());
    }
    let (n, of) = (thousands(file.n), thousands(file.reference.n));
    let conditions = format!("{n} training images, corrupted as named, against {of} {}", file.reference.name);
    Some(Chart {
        title: if place == 0 { conditions } else { String::new() },
        y_label: String::new(),
        x_label: title.into(),
        x,
        y: Axis::linear(0.5, first.len() as f64 + 0.5),
        plots,
    })
}

/// The corruptions in order of their groups of severity.
fn in_order(corruptions: &[CorruptionScores]) -> Vec<&CorruptionScores> {
    let mut corruptions: Vec<_> = corruptions.iter().collect();
    corruptions.sort_by_key(|corruption| corruption.groups);
    corruptions
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::records::Scores;
    use crate::records::fixtures::{folder, sanity_file};

    #[test]
    fn every_corruption_has_its_name_and_a_dot_of_each_classifier_in_each_panel() {
        let scores = folder(&[("sanity.json", sanity_file())]).unwrap();
        let svg = draw(&scores).unwrap().svg().unwrap();
        for text in ["real", "noise", "mean", "classifier-2", "2,000 training images", "copied"] {
            assert!(svg.contains(text), "{text}");
        }
        // Three corruptions by two classifiers in four panels, and two in the legend.
        assert_eq!(svg.matches("<circle").count(), 26);
        assert!(draw(&Scores::default()).is_none());
    }
}
