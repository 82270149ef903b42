//! Fréchet distance over a parameter of a degradation, such as the density of Ink, for models that differ in this parameter only.
//! One line per number of evaluations, one chart per varied parameter.

use super::canvas::Canvas;
use super::chart::{Grid, page};
use super::evaluations::{Series, chart};
use crate::records::{FRECHET, Scores, Table, sampling_label};
use std::collections::BTreeMap;

const GRID: Grid = Grid { columns: 1, width: 560.0, height: 360.0, first_width: None };
/// Least number of values of a parameter for a line.
const VALUES: usize = 3;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let groups = scores.comparable();
    let studies = groups.iter().flat_map(|group| studies(group).into_iter().map(move |study| (group, study)));
    let charts = studies.filter_map(|(group, (name, series))| {
        chart(format!("Fréchet distance over {name}"), name, group, &series)
    });
    page(charts.collect(), GRID)
}

/// Every varied parameter, with a line for each number of evaluations.
fn studies(group: &[&Table]) -> Vec<(String, Vec<Series>)> {
    // The key is the name of the parameter and all other parameters of the model. Models with the same key form a line.
    let mut alike: BTreeMap<(String, String), BTreeMap<usize, Series>> = BTreeMap::new();
    for table in group {
        let (Some(nfe), Some(row)) = (table.target.nfe, table.row(FRECHET)) else { continue };
        let Some(value) = row.value else { continue };
        let kind = table.target.degradation.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default();
        for (key, x) in &table.target.degradation {
            let Some(x) = x.as_f64() else { continue };
            let mut rest = table.target.degradation.clone();
            rest.remove(key);
            let rest = format!("{rest:?} {}", sampling_label(&table.target).unwrap_or_default());
            let study = alike.entry((format!("{key} of {kind}"), rest)).or_default();
            let series = study.entry(nfe).or_insert_with(|| (format!("{nfe} evaluations"), Vec::new()));
            series.1.push((x, value, row.interval));
        }
    }
    let mut found = Vec::new();
    for ((name, _), study) in alike {
        let lines: Vec<_> = study.into_values().filter_map(by_rising_value).collect();
        if !lines.is_empty() {
            found.push((name, lines));
        }
    }
    found
}

/// A series in order of the parameter, if it has enough values.
fn by_rising_value((name, mut points): Series) -> Option<Series> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Models with the same value differ in something else; the first one is kept.
    points.dedup_by_key(|point| point.0);
    (points.len() >= VALUES).then_some((name, points))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::{folder, score_file};

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
            ["over density of ink", "density of ink, log scale", "100 evaluations", "grey: real images"]
        {
            assert!(svg.contains(text), "{text}");
        }
        // Two values make no line.
        assert!(draw(&folder(&files[..2]).unwrap()).is_none());
    }
}
