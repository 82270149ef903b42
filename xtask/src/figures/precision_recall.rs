//! Precision against recall, a point for each model seen by the first judge, and the floor of real images: fidelity and
//! diversity apart.

use super::axes::{Chart, Line, Place};
use super::canvas::Canvas;
use super::style::{QUIET, run_colour};
use super::ticks::Scale;
use crate::scores::{Scores, Table};

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 420.0;
const RADIUS: f64 = 5.0;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let groups: Vec<_> = scores
        .comparable()
        .into_iter()
        // What the other judges say comes without classes; their balls are others.
        .filter(|group| group[0].classes.is_some())
        .map(|group| (points(&group), group))
        .filter(|(points, _)| !points.is_empty())
        .collect();
    let mut page = (!groups.is_empty()).then(|| Canvas::new(WIDTH, groups.len() as f64 * HEIGHT))?;
    for (place, (points, group)) in groups.iter().enumerate() {
        let floor = floor(group);
        let all = || points.iter().map(|(_, point)| *point).chain(floor.clone());
        let point = |(place, (name, point)): (usize, &(String, (f64, f64)))| Line {
            label: Some(name.clone()),
            colour: run_colour(place),
            dot: RADIUS,
            points: vec![*point],
            ..Line::default()
        };
        let mut lines: Vec<_> = points.iter().enumerate().map(point).collect();
        let (legend, colour) = (Some("real images, same n".into()), QUIET.into());
        lines.push(Line { legend, colour, dot: 3.2, points: floor.clone(), ..Line::default() });
        let chart = Chart {
            title: "Precision over recall",
            y_label: &group[0].conditions(),
            x_label: "recall: share of real images near generated ones",
            x: shares(all().map(|point| point.0))?,
            whole_x: false,
            y: shares(all().map(|point| point.1))?,
            band: None,
            lines,
        };
        let top = place as f64 * HEIGHT;
        chart.draw_in(&mut page, &Place { left: 0.0, top, width: WIDTH, height: HEIGHT });
    }
    Some(page)
}

/// Name, recall and precision of every table of a model.
fn points(group: &[&Table]) -> Vec<(String, (f64, f64))> {
    let value = |table: &Table, name| table.row(name)?.value;
    let point =
        |table: &&Table| Some((table.name.clone(), (value(table, "recall")?, value(table, "precision")?)));
    group.iter().filter(|table| table.target.model.is_some()).filter_map(point).collect()
}

/// Recall and precision of the batches of real images.
fn floor(group: &[&Table]) -> Vec<(f64, f64)> {
    let values = |name| {
        let floor = group.iter().find_map(|table| table.row(name)?.floor.clone());
        floor.map(|floor| floor.values).unwrap_or_default()
    };
    values("recall").into_iter().zip(values("precision")).filter_map(|(r, p)| Some((r?, p?))).collect()
}

/// A linear scale from a little below the lowest to a little above 1: differences of shares are to be seen as such.
fn shares(values: impl Iterator<Item = f64>) -> Option<Scale> {
    let low = values.filter(|value| value.is_finite()).fold(f64::INFINITY, f64::min);
    low.is_finite().then(|| Scale::linear((low - 0.05).max(0.0), 1.02))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::tests::{folder, score_file};

    #[test]
    fn every_table_of_the_first_judge_is_a_point_beside_the_floor() {
        let files = [("ink-20.json", score_file("ink", 20, 4.0)), ("ddpm.json", score_file("ddpm", 9, 3.0))];
        let scores = folder(&files).unwrap();
        let groups = scores.comparable();
        assert_eq!(points(&groups[0])[1], ("ink-20".into(), (0.7, 0.9)));
        assert_eq!(floor(&groups[0]), [(0.95, 0.95), (0.96, 0.97)]);
        let svg = draw(&scores).unwrap().svg().unwrap();
        assert!(svg.contains("ink-20") && svg.contains("ddpm") && !svg.contains("judge-2"), "{svg}");
    }
}
