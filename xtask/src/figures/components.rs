//! Features along two principal components, which are fitted on real images only so that every model is seen from the same
//! side: real images grey, generated ones over them.

use super::axes::{Chart, Line, Place};
use super::canvas::Canvas;
use super::style::{FAINT, run_colour};
use super::ticks::Scale;
use crate::scores::{Scores, View, thousands};

const SIDE: f64 = 380.0;
/// Views beside each other before a new row begins.
const COLUMNS: usize = 2;
const RADIUS: f64 = 1.9;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let views = scores.panels.iter().filter_map(|panel| Some((&panel.name, panel.view.as_ref()?)));
    let views: Vec<_> = views.collect();
    let rows = views.len().div_ceil(COLUMNS);
    let columns = views.len().min(COLUMNS);
    let mut page = (!views.is_empty()).then(|| Canvas::new(columns as f64 * SIDE, rows as f64 * SIDE))?;
    for (place, &(name, view)) in views.iter().enumerate() {
        let label = format!("second component, {:.0} % of the variance", 100.0 * view.explained[1]);
        let across = format!("first component, {:.0} % of the variance", 100.0 * view.explained[0]);
        let chart = Chart {
            title: name,
            y_label: &label,
            x_label: &across,
            x: linear(view, 0)?,
            whole_x: false,
            y: linear(view, 1)?,
            band: None,
            lines: vec![
                cloud(&legend("real", &view.reference), FAINT.into(), &view.reference),
                cloud(&legend("generated", &view.generated), run_colour(place), &view.generated),
            ],
        };
        let (left, top) = ((place % COLUMNS) as f64 * SIDE, (place / COLUMNS) as f64 * SIDE);
        chart.draw_in(&mut page, &Place { left, top, width: SIDE, height: SIDE });
    }
    Some(page)
}

fn cloud(name: &str, colour: String, points: &[[f64; 2]]) -> Line {
    let points = points.iter().map(|&[x, y]| (x, y)).collect();
    Line { legend: Some(name.into()), colour, dot: RADIUS, points, ..Line::default() }
}

fn legend(name: &str, points: &[[f64; 2]]) -> String {
    format!("{name}, {} images", thousands(points.len() as u64))
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
    use crate::scores::tests::{folder, ranking_file};
    use serde_json::json;

    #[test]
    fn both_clouds_are_drawn_point_by_point() {
        let view = json!({ "schema": 1, "fitted_on": 9, "explained": [0.31, 0.2],
                           "reference": [[0.0, 1.0], [2.0, -1.0]], "generated": [[1.0, 0.5]] });
        let scores = folder(&[("ink/pca.json", view), ("ink/ranking.json", ranking_file())]).unwrap();
        let svg = draw(&scores).unwrap().svg().unwrap();
        // Two real points, one generated, one of each in the legend.
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(svg.contains("31 % of the variance"));
        assert!(draw(&Scores::default()).is_none());
    }
}
