//! Frechet distance over network evaluations, a line for each model and sampler, the floor as a band. Only what compares
//! shares a chart: one judge, one n, one reference.

use super::axes::{Band, Chart, Line, Place};
use super::canvas::Canvas;
use super::style::{DOT, THICK, THIN, run_colour, text_width};
use super::ticks::Scale;
use crate::scores::{Scores, Table};

const MEASURE: &str = "frechet distance";
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 340.0;

/// Evaluations, value, interval.
type Point = (f64, f64, Option<[f64; 2]>);

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let groups = scores.comparable();
    let groups: Vec<_> = groups.iter().map(|group| (group, series(group))).collect();
    // A model at one number of evaluations says nothing of them.
    let groups: Vec<_> =
        groups.into_iter().filter(|(_, series)| series.iter().any(|(_, points)| points.len() > 1)).collect();
    let mut page = (!groups.is_empty()).then(|| Canvas::new(WIDTH, groups.len() as f64 * HEIGHT))?;
    for (place, (group, series)) in groups.iter().enumerate() {
        let place = Place { left: 0.0, top: place as f64 * HEIGHT, width: WIDTH, height: HEIGHT };
        if let Some(chart) = chart(series, super::floor(group, MEASURE)) {
            Chart { y_label: &group[0].conditions(), ..chart }.draw_in(&mut page, &place);
        }
    }
    Some(page)
}

/// The points of every model and sampler, by rising evaluations.
fn series(group: &[&Table]) -> Vec<(String, Vec<Point>)> {
    let mut series: Vec<(String, Vec<Point>)> = Vec::new();
    for table in group {
        let (Some(model), Some(steps)) = (&table.target.model, table.target.steps) else { continue };
        let Some((row, value)) = table.row(MEASURE).and_then(|row| Some((row, row.value?))) else { continue };
        let name = format!("{model}, {}", table.target.walk().as_deref().unwrap_or("?"));
        let point = (steps as f64, value, row.interval);
        match series.iter_mut().find(|(other, _)| *other == name) {
            Some((_, points)) => points.push(point),
            None => series.push((name, vec![point])),
        }
    }
    series.iter_mut().for_each(|(_, points)| points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    series
}

fn chart(series: &[(String, Vec<Point>)], floor: Option<(f64, f64)>) -> Option<Chart<'static>> {
    let points = || series.iter().flat_map(|(_, points)| points);
    let ends = points().filter_map(|point| point.2).flatten();
    let floors = floor.map(|(low, high)| [low, high]).into_iter().flatten();
    // The end of an interval below 0 is no value of a distance, and has no place on a logarithmic scale.
    let shown = points().map(|point| point.1).chain(ends).chain(floors);
    let y = Scale::around(shown.filter(|&value| value > 0.0))?;
    // Names stand right of the last points.
    let widest = series.iter().map(|(name, _)| text_width(name, 11)).fold(0.0, f64::max);
    let x = Scale::around(points().map(|point| point.0))?.with_room((widest / WIDTH).min(0.5));
    let mut lines = Vec::new();
    for (place, (name, points)) in series.iter().enumerate() {
        let colour = run_colour(place);
        for &(x, _, interval) in points {
            let points = interval.map(|[low, high]| vec![(x, low.max(y.low)), (x, high)]);
            let (points, colour) = (points.unwrap_or_default(), colour.clone());
            lines.push(Line { colour, width: THIN, points, ..Line::default() });
        }
        let points = points.iter().map(|&(x, value, _)| (x, value)).collect();
        let (label, width) = (Some(name.clone()), THICK);
        lines.push(Line { label, colour, width, dot: DOT, points, ..Line::default() });
    }
    Some(Chart {
        title: "Frechet distance over network evaluations",
        y_label: "",
        x_label: "network evaluations per image, log scale",
        x,
        whole_x: false,
        y,
        band: floor.map(|range| Band { legend: "floor: real images, same n".into(), range }),
        lines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::tests::{folder, score_file};

    #[test]
    fn a_line_joins_the_evaluations_of_one_model_and_judges_do_not_mix() {
        let files = [
            ("a.json", score_file("ink", 100, 2.0)),
            ("b.json", score_file("ink", 20, 4.0)),
            ("c.json", score_file("ddpm", 100, 3.0)),
        ];
        let scores = folder(&files).unwrap();
        let groups = scores.comparable();
        let found = series(&groups[0]);
        assert_eq!(found[0].0, "ink, bridge");
        assert_eq!(found[0].1.iter().map(|p| (p.0, p.1)).collect::<Vec<_>>(), [(20.0, 4.0), (100.0, 2.0)]);
        let svg = draw(&scores).unwrap().svg().unwrap();
        for text in ["ink, bridge", "ddpm, bridge", "seen by judge-2", "floor"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn one_number_of_evaluations_is_no_curve() {
        let scores = folder(&[("a.json", score_file("ink", 100, 2.0))]).unwrap();
        assert!(draw(&scores).is_none());
    }
}
