//! Fréchet distance over network evaluations by the first classifier: one line per model and sampler with several numbers of
//! evaluations, with the range of real images as a band. One chart per group of comparable tables.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Estimate, Grid, band, estimates, line, page};
use super::style::{DOT, THICK, colour};
use crate::records::{FRECHET, Scores, Table, baseline_range, sampling_label};
use kuva::render::plots::Plot;

const GRID: Grid = Grid { columns: 1, width: 640.0, height: 400.0, first_width: None };

/// A named line of estimates.
pub type Series = (String, Vec<Estimate>);

pub fn draw(scores: &Scores) -> Option<Canvas> {
    // Other classifiers have the same tables.
    let first = scores.comparable().into_iter().filter(|group| group[0].classes.is_some());
    let charts = first.filter_map(|group| {
        let mut series = series(&group);
        series.retain(|(_, points)| points.len() > 1);
        let title = "Fréchet distance over network evaluations";
        chart(title.into(), "network evaluations per image".into(), &group, &series)
    });
    page(charts.collect(), GRID)
}

/// The estimates of every model and sampler, in order of evaluations.
fn series(group: &[&Table]) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for table in group {
        let (Some(model), Some(nfe)) = (&table.target.model, table.target.nfe) else { continue };
        let Some(row) = table.row(FRECHET) else { continue };
        let Some(value) = row.value else { continue };
        let name = format!("{model}, {}", sampling_label(&table.target).as_deref().unwrap_or("?"));
        let point = (nfe as f64, value, row.interval);
        match series.iter_mut().find(|(other, _)| *other == name) {
            Some((_, points)) => points.push(point),
            None => series.push((name, vec![point])),
        }
    }
    series.iter_mut().for_each(|(_, points)| points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    series
}

/// A chart of the Fréchet distances of comparable tables over any quantity.
pub fn chart(title: String, x_label: String, group: &[&Table], series: &[Series]) -> Option<Chart> {
    let real = group.iter().find_map(|table| baseline_range(table.row(FRECHET)?.real_baseline.as_ref()?));
    let points = || series.iter().flat_map(|(_, points)| points);
    let ends = points().filter_map(|point| point.2).flatten();
    let shown: Vec<f64> =
        points().map(|point| point.1).chain(ends).chain(real.into_iter().flat_map(|(l, h)| [l, h])).collect();
    // The end of an interval may be below 0, which a logarithmic axis cannot show.
    let y = Axis::log_around(shown.into_iter().filter(|&value| value > 0.0))?;
    let x = Axis::log_around(points().map(|point| point.0))?;
    let mut plots: Vec<Plot> = Vec::new();
    if let Some((low, high)) = real {
        plots.push(band(x, low, high).into());
    }
    for (place, (name, points)) in series.iter().enumerate() {
        let colour = colour(place);
        plots.push(line(points.iter().map(|&(x, y, _)| (x, y)), &colour, THICK).into());
        plots.push(estimates(points, y.low, &colour, DOT).with_legend(name.as_str()).into());
    }
    let y_label = format!("{}; grey: real images, same n", group[0].conditions());
    Some(Chart { title, y_label, x_label, x, y, plots })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::{folder, score_file};

    #[test]
    fn a_line_joins_the_evaluations_of_one_model_by_the_first_classifier() {
        let files = [
            ("a.json", score_file("ink", 100, 2.0)),
            ("b.json", score_file("ink", 20, 4.0)),
            ("c.json", score_file("ddpm", 100, 3.0)),
        ];
        let scores = folder(&files).unwrap();
        let found = series(&scores.comparable()[0]);
        assert_eq!(found[0].0, "ink, ancestral");
        assert_eq!(found[0].1.iter().map(|p| (p.0, p.1)).collect::<Vec<_>>(), [(20.0, 4.0), (100.0, 2.0)]);
        let svg = draw(&scores).unwrap().svg().unwrap();
        for text in ["ink, ancestral", "features of classifier", "grey: real images"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("ddpm") && !svg.contains("classifier-2"), "{svg}");
        // One number of evaluations is no curve.
        assert!(draw(&folder(&files[..1]).unwrap()).is_none());
    }
}
