//! Features along two principal components, which are fitted on real images only so that every model is seen from the same
//! side: real images grey, generated ones over them.

use super::axes::{Chart, Line, Place};
use super::canvas::Canvas;
use super::style::{FAINT, run_colour};
use super::ticks::Scale;
use crate::scores::{Scores, View};

const SIDE: f64 = 400.0;
const RADIUS: f64 = 1.9;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let views = &scores.views;
    let mut page = (!views.is_empty()).then(|| Canvas::new(views.len() as f64 * SIDE, SIDE))?;
    for (place, view) in views.iter().enumerate() {
        let label = format!("second component, {:.0} % of the variance", 100.0 * view.explained[1]);
        let across = format!("first component, {:.0} % of the variance", 100.0 * view.explained[0]);
        let chart = Chart {
            title: &view.name,
            y_label: &label,
            x_label: &across,
            x: linear(view, 0)?,
            whole_x: false,
            y: linear(view, 1)?,
            band: None,
            lines: vec![
                cloud("real", FAINT.into(), &view.reference),
                cloud("generated", run_colour(place), &view.generated),
            ],
        };
        let left = place as f64 * SIDE;
        chart.draw_in(&mut page, &Place { left, top: 0.0, width: SIDE, height: SIDE });
    }
    Some(page)
}

fn cloud(name: &str, colour: String, points: &[[f64; 2]]) -> Line {
    let points = points.iter().map(|&[x, y]| (x, y)).collect();
    Line { legend: Some(name.into()), colour, dot: RADIUS, points, ..Line::default() }
}

/// A linear scale around all points.
fn linear(view: &View, axis: usize) -> Option<Scale> {
    let values = || view.reference.iter().chain(&view.generated).map(|point| point[axis]);
    let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let air = 0.04 * (high - low).max(1e-9);
    (low <= high).then(|| Scale::linear(low - air, high + air))
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::scores::Scores;
    use crate::scores::tests::folder;
    use serde_json::json;

    #[test]
    fn both_clouds_are_drawn_point_by_point() {
        let view = json!({ "schema": 1, "fitted_on": 9, "explained": [0.31, 0.2],
                           "reference": [[0.0, 1.0], [2.0, -1.0]], "generated": [[1.0, 0.5]] });
        let scores = folder(&[("ink/pca.json", view)]).unwrap();
        let svg = draw(&scores).unwrap().svg().unwrap();
        // Two real points, one generated, one of each in the legend.
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(svg.contains("31 % of the variance"));
        assert!(draw(&Scores::default()).is_none());
    }
}
