//! When the class of an image is decided: the share of degraded test images whose class a classifier reads from the network's
//! estimate, over the timestep. One line per model.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Grid, dots, line, page};
use super::style::{DOT, THICK, colour};
use crate::markdown::thousands;
use crate::records::Scores;
use dm_record::RestorationFile;

const GRID: Grid = Grid { columns: 1, width: 560.0, height: 360.0, first_width: None };

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let lines: Vec<_> =
        scores.restorations.iter().map(|file| (file, points(file))).filter(|line| line.1.len() > 1).collect();
    let n = lines.first()?.0.n;
    let mut plots = Vec::new();
    for (place, (file, points)) in lines.into_iter().enumerate() {
        let curve = line(points.clone(), &colour(place), THICK).with_legend(&*file.model);
        plots.extend([curve.into(), dots(points, &colour(place), DOT).into()]);
    }
    let chart = Chart {
        title: "When the class is decided".into(),
        y_label: format!(
            "share of {} test images whose class is read from the estimate of x_0",
            thousands(n)
        ),
        x_label: "timestep t / T".into(),
        x: Axis::linear(0.0, 1.0),
        y: Axis::linear(0.0, 1.05),
        plots,
    };
    page(vec![chart], GRID)
}

/// Accuracy of the estimate over t / T; empty without a classifier.
fn points(file: &RestorationFile) -> Vec<(f64, f64)> {
    let rows = file.restoration.iter();
    rows.filter_map(|row| Some((row.t as f64 / row.timesteps.max(1) as f64, row.estimate.accuracy?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::{folder, restoration_file};

    #[test]
    fn a_model_whose_estimates_were_classified_has_a_line() {
        let mut file = restoration_file("ink");
        assert!(draw(&folder(&[("a.json", file.clone())]).unwrap()).is_none());
        for (row, accuracy) in file["restoration"].as_array_mut().unwrap().iter_mut().zip([0.99, 0.7, 0.2]) {
            row["estimate"]["accuracy"] = accuracy.into();
        }
        let scores = folder(&[("a.json", file)]).unwrap();
        assert_eq!(
            points(&scores.restorations[0]),
            [(300.0 / 900.0, 0.99), (600.0 / 900.0, 0.7), (1.0, 0.2)]
        );
        let svg = draw(&scores).unwrap().svg().unwrap();
        assert!(svg.contains("200 test images") && svg.contains("ink"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 3);
    }
}
