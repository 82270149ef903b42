//! Frechet distance against a degradation's own parameter, such as Ink's density: models that differ in that parameter
//! alone, a line for each number of evaluations, the floor as a band. One chart for each parameter that was varied.

use super::axes::{Band, Chart, Line, Place};
use super::canvas::Canvas;
use super::style::{DOT, THICK, THIN, run_colour};
use super::ticks::Scale;
use crate::scores::{Scores, Table};
use std::collections::BTreeMap;

const MEASURE: &str = "frechet distance";
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 320.0;

/// Value of the parameter, score, interval.
type Point = (f64, f64, Option<[f64; 2]>);

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let groups = scores.comparable();
    let studies: Vec<_> =
        groups.iter().flat_map(|group| studies(group).into_iter().map(move |study| (group, study))).collect();
    let mut page = (!studies.is_empty()).then(|| Canvas::new(WIDTH, studies.len() as f64 * HEIGHT))?;
    for (place, (group, (name, series))) in studies.iter().enumerate() {
        let place = Place { left: 0.0, top: place as f64 * HEIGHT, width: WIDTH, height: HEIGHT };
        let title = format!("Frechet distance over {name}");
        let x_label = format!("{name}, log scale");
        if let Some(chart) = chart(series, super::floor(group, MEASURE)) {
            let chart = Chart { title: &title, y_label: &group[0].conditions(), ..chart };
            let x_label = if chart.x.log { x_label.as_str() } else { name };
            Chart { x_label, ..chart }.draw_in(&mut page, &place);
        }
    }
    Some(page)
}

/// What was varied, and for each number of evaluations its points by rising value.
type Study = (String, Vec<(String, Vec<Point>)>);

fn studies(group: &[&Table]) -> Vec<Study> {
    // Everything but one parameter, as text, and the points of whoever shares it.
    let mut alike: BTreeMap<(String, String), BTreeMap<u64, Vec<Point>>> = BTreeMap::new();
    for table in group {
        let (Some(steps), Some(row)) = (table.target.steps, table.row(MEASURE)) else { continue };
        let Some(value) = row.value else { continue };
        let kind = table.target.degradation.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default();
        for (key, x) in &table.target.degradation {
            let Some(x) = x.as_f64() else { continue };
            let mut rest = table.target.degradation.clone();
            rest.remove(key);
            let rest = serde_json::Value::Object(rest).to_string();
            let sampler = table.target.walk().unwrap_or_default();
            let study = alike.entry((format!("{key} of {kind}"), format!("{rest} {sampler}"))).or_default();
            study.entry(steps).or_default().push((x, value, row.interval));
        }
    }
    let mut found = Vec::new();
    for ((name, _), by_steps) in alike {
        let series: Vec<_> =
            by_steps.into_iter().filter_map(|(steps, points)| line_of(steps, points)).collect();
        if !series.is_empty() {
            found.push((name, series));
        }
    }
    found
}

/// Values of a parameter that make a line.
const VALUES: usize = 3;

/// The points by rising value, if there are enough.
fn line_of(steps: u64, mut points: Vec<Point>) -> Option<(String, Vec<Point>)> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Two models of one value differ in something else.
    points.dedup_by_key(|point| point.0);
    (points.len() >= VALUES).then(|| (format!("{steps} evaluations"), points))
}

fn chart(series: &[(String, Vec<Point>)], floor: Option<(f64, f64)>) -> Option<Chart<'static>> {
    let points = || series.iter().flat_map(|(_, points)| points);
    let ends = points().filter_map(|point| point.2).flatten();
    let floors = floor.map(|(low, high)| [low, high]).into_iter().flatten();
    let shown = points().map(|point| point.1).chain(ends).chain(floors);
    let y = Scale::around(shown.filter(|&value| value > 0.0))?;
    let mut lines = Vec::new();
    for (place, (name, points)) in series.iter().enumerate() {
        for &(x, _, interval) in points {
            let points = interval.map(|[low, high]| vec![(x, low.max(y.low)), (x, high)]).unwrap_or_default();
            lines.push(Line { colour: run_colour(place), width: THIN, points, ..Line::default() });
        }
        let points = points.iter().map(|&(x, value, _)| (x, value)).collect();
        let (legend, colour) = (Some(name.clone()), run_colour(place));
        lines.push(Line { legend, colour, width: THICK, dot: DOT, points, ..Line::default() });
    }
    Some(Chart {
        title: "",
        y_label: "",
        x_label: "",
        x: Scale::around(points().map(|point| point.0))?,
        whole_x: false,
        y,
        band: floor.map(|range| Band { legend: "floor".into(), range }),
        lines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::tests::{folder, score_file};

    #[test]
    fn models_that_differ_in_one_parameter_make_a_line() {
        let file = |density: f64, spread: f64, fd: f64| {
            let mut file = score_file("ink", 100, fd);
            file["target"]["degradation"]["density"] = density.into();
            file["target"]["degradation"]["sigma_max"] = spread.into();
            file
        };
        let files = [
            ("a.json", file(64.0, 16.0, 2.0)),
            ("b.json", file(4.0, 16.0, 8.0)),
            ("c.json", file(256.0, 16.0, 3.0)),
            ("d.json", file(64.0, 8.0, 5.0)),
            ("e.json", file(64.0, 4.0, 9.0)),
        ];
        let scores = folder(&files).unwrap();
        let found = studies(&scores.comparable()[0]);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["density of ink", "sigma_max of ink"]);
        let points: Vec<_> = found[0].1[0].1.iter().map(|point| (point.0, point.1)).collect();
        assert_eq!(points, [(4.0, 8.0), (64.0, 2.0), (256.0, 3.0)]);
        let svg = draw(&scores).unwrap().svg().unwrap();
        for text in
            ["Frechet distance over density of ink", "density of ink, log scale", "100 evaluations", "floor"]
        {
            assert!(svg.contains(text), "{text}");
        }
        // Two values are no line.
        assert!(draw(&folder(&files[..2]).unwrap()).is_none());
    }
}
