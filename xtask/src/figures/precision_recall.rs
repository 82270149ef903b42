//! Precision (fidelity) over recall (diversity), one point per table of the first classifier, and one per batch of real images.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Grid, dots, page};
use super::style::{QUIET, colour};
use crate::records::{Scores, Table};

const GRID: Grid = Grid { columns: 1, width: 560.0, height: 450.0, first_width: None };

pub fn draw(scores: &Scores) -> Option<Canvas> {
    // Only the tables of the first classifier have classes.
    let groups = scores.comparable().into_iter().filter(|group| group[0].classes.is_some());
    page(groups.filter_map(|group| chart(&group)).collect(), GRID)
}

fn chart(group: &[&Table]) -> Option<Chart> {
    let (names, points): (Vec<_>, Vec<_>) = points(group).into_iter().unzip();
    let real = real_images(group);
    let all = || points.iter().chain(&real);
    let first = points.first()?;
    let labelled = dots(points.iter().copied(), &colour(0), 5.0).with_labels(names).with_repel_labels();
    Some(Chart {
        title: "Precision over recall".into(),
        y_label: format!("precision; {}", group[0].conditions()),
        x_label: "recall: share of real images near generated ones".into(),
        x: shares(all().map(|point| point.0).chain([first.0]))?,
        y: shares(all().map(|point| point.1).chain([first.1]))?,
        plots: vec![
            dots(real.clone(), QUIET, 3.2).with_legend("real images, same n").into(),
            labelled.into(),
        ],
    })
}

/// Name, recall and precision of every table of a model.
fn points(group: &[&Table]) -> Vec<(String, (f64, f64))> {
    let value = |table: &Table, name| table.row(name)?.value;
    let point =
        |table: &&Table| Some((table.name.clone(), (value(table, "recall")?, value(table, "precision")?)));
    group.iter().filter(|table| table.target.model.is_some()).filter_map(point).collect()
}

/// Recall and precision of the batches of real images.
fn real_images(group: &[&Table]) -> Vec<(f64, f64)> {
    let values = |name| {
        let found = group.iter().find_map(|table| table.row(name)?.real_baseline.as_ref());
        found.map(|baseline| baseline.values.clone()).unwrap_or_default()
    };
    values("recall").into_iter().zip(values("precision")).filter_map(|(r, p)| Some((r?, p?))).collect()
}

/// A linear axis from a little below the lowest share to a little above 1.
fn shares(values: impl Iterator<Item = f64>) -> Option<Axis> {
    let low = values.filter(|value| value.is_finite()).fold(f64::INFINITY, f64::min);
    low.is_finite().then(|| Axis::linear((low - 0.05).max(0.0), 1.02))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::{folder, score_file};

    #[test]
    fn every_table_of_the_first_classifier_is_a_point_beside_real_images() {
        let files = [("ink-20.json", score_file("ink", 20, 4.0)), ("ddpm.json", score_file("ddpm", 9, 3.0))];
        let scores = folder(&files).unwrap();
        let groups = scores.comparable();
        assert_eq!(points(&groups[0])[1], ("ink-20".into(), (0.7, 0.9)));
        assert_eq!(real_images(&groups[0]), [(0.95, 0.95), (0.96, 0.97)]);
        let svg = draw(&scores).unwrap().svg().unwrap();
        assert!(svg.contains("ink-20") && svg.contains("ddpm") && !svg.contains("classifier-2"), "{svg}");
    }
}
