//! Fréchet distance over epochs of processes that were trained from several seeds: a line through the mean of the seeds, and a band
//! from the smallest to the largest value.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Grid, dots, line, page};
use super::run::Run;
use super::style::{DOT, THICK, colour, shade};
use crate::markdown::thousands;
use crate::records::{distinct, range};
use dm_record::EvalLine;
use kuva::plot::band::BandPlot;
use std::collections::BTreeMap;

const GRID: Grid = Grid { columns: 1, width: 560.0, height: 360.0, first_width: None };

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    let names = distinct(runs.iter().filter_map(|run| run.group.as_deref()));
    let groups: Vec<_> = names.into_iter().map(|name| (name, values(runs, name))).collect();
    let points = || groups.iter().flat_map(|(_, values)| values.iter().map(|(&epoch, fd)| (epoch, fd)));
    let y = Axis::log_around(points().flat_map(|(_, fd)| fd.clone()))?;
    let x = Axis::linear(0.0, points().map(|(epoch, _)| epoch as f64).fold(1.0, f64::max));
    let evaluation = runs.iter().find_map(|run| run.metrics.evaluations.last())?;
    let mut plots = Vec::new();
    for (place, (name, values)) in groups.iter().enumerate().filter(|(_, (_, values))| !values.is_empty()) {
        let epochs: Vec<f64> = values.keys().map(|&epoch| epoch as f64).collect();
        let (low, high): (Vec<_>, Vec<_>) =
            values.values().filter_map(|fd| range(fd.iter().copied())).unzip();
        let band = BandPlot::new(epochs.clone(), low, high);
        plots.push(band.with_color(shade(place, 0.5)).with_opacity(0.5).into());
        let mean = |fd: &Vec<f64>| fd.iter().sum::<f64>() / fd.len() as f64;
        let means: Vec<_> = epochs.into_iter().zip(values.values().map(mean)).collect();
        plots.push(line(means.clone(), &colour(place), THICK).with_legend(*name).into());
        plots.push(dots(means, &colour(place), DOT).into());
    }
    let chart = Chart {
        title: "Learning curves".into(),
        y_label: format!("Fréchet distance, {}", conditions(evaluation)),
        x_label: "epoch; lines: mean over training seeds, bands: all of them".into(),
        x,
        y,
        plots,
    };
    page(vec![chart], GRID)
}

/// How the samples of a line were drawn.
fn conditions(evaluation: &EvalLine) -> String {
    format!("{} samples of {} evaluations", thousands(evaluation.n), evaluation.nfe)
}

/// The distances of the runs of a group after each epoch.
fn values(runs: &[Run], group: &str) -> BTreeMap<u64, Vec<f64>> {
    let mut values: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.group.as_deref() == Some(group)) {
        for line in &run.metrics.evaluations {
            if let Some(fd) = line.fd {
                values.entry(line.epoch).or_default().push(fd);
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::run::tests::run;
    use crate::records::fixtures::eval_line;

    #[test]
    fn a_group_is_one_line_with_a_dot_for_every_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let with = |name: &str, group: Option<&str>, text: &str| {
            let folder = dir.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("metrics.jsonl"), text).unwrap();
            let mut run = run("a", &folder);
            run.group = group.map(str::to_owned);
            run
        };
        let lines = |fd: f64| eval_line(1, 2.0 * fd, "null") + &eval_line(2, fd, "null");
        let runs = [
            with("a", Some("Ink"), &lines(40.0)),
            with("b", Some("Ink"), &lines(50.0)),
            with("c", None, &lines(9.0)),
        ];
        let found = values(&runs, "Ink");
        assert_eq!(found[&2], [40.0, 50.0]);
        let svg = draw(&runs).unwrap().svg().unwrap();
        assert!(svg.contains("Ink") && svg.contains("1,000 samples"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(draw(&runs[2..]).is_none());
    }
}
