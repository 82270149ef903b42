//! The curves of processes that were trained from several seeds: distance over epochs, distance over network evaluations, precision
//! over recall, and when the class is decided. A line goes through the means of the seeds; a band, where there is one, from the
//! smallest to the largest value.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Grid, band, dots, line, page};
use super::run::Run;
use super::style::{DOT, THICK, colour, shade};
use crate::markdown::thousands;
use crate::records::{FRECHET, Table, baseline_range, distinct, range};
use kuva::plot::band::BandPlot;
use kuva::render::plots::Plot;

const GRID: Grid = Grid { columns: 2, width: 430.0, height: 340.0, first_width: None };

/// A named curve: places on the x axis in ascending order, with the values of all training seeds.
type Curve = (String, Vec<(f64, Vec<f64>)>);

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    let charts =
        [over_epochs(runs), over_evaluations(runs), precision_over_recall(runs), class_decided(runs)];
    page(charts.into_iter().flatten().collect(), GRID)
}

/// The distances that were measured while a run was trained.
fn over_epochs(runs: &[Run]) -> Option<Chart> {
    let curves = curves(runs, |run| {
        run.metrics.evaluations.iter().filter_map(|line| Some((line.epoch as f64, line.fd?))).collect()
    });
    let evaluation = runs.iter().find_map(|run| run.metrics.evaluations.last())?;
    Some(Chart {
        title: "While the network is trained".into(),
        y_label: format!(
            "Fréchet distance of {} images, {} evaluations",
            thousands(evaluation.n),
            evaluation.nfe
        ),
        x_label: "epoch".into(),
        x: Axis::linear(0.0, range(places(&curves))?.1),
        y: Axis::log_around(values(&curves))?,
        plots: plots(&curves),
    })
}

fn over_evaluations(runs: &[Run]) -> Option<Chart> {
    let curves = curves(runs, |run| score_over_evaluations(run, FRECHET));
    let x = Axis::log_around(places(&curves))?;
    let first = runs.iter().find_map(|run| tables(run).into_iter().next())?;
    let real = first.row(FRECHET)?.real_baseline.as_ref().and_then(baseline_range);
    let mut drawn: Vec<Plot> = real.iter().map(|&(low, high)| band(x, low, high).into()).collect();
    drawn.extend(plots(&curves));
    let all: Vec<f64> =
        values(&curves).into_iter().chain(real.into_iter().flat_map(<[f64; 2]>::from)).collect();
    Some(Chart {
        title: "Over network evaluations".into(),
        y_label: format!("Fréchet distance of {} images; grey: real images", thousands(first.target.n)),
        x_label: "network evaluations per image".into(),
        x,
        y: Axis::log_around(all)?,
        plots: drawn,
    })
}

/// The means of precision and recall, joined in the order of network evaluations.
fn precision_over_recall(runs: &[Run]) -> Option<Chart> {
    let means = |score| -> Vec<(String, Vec<f64>)> {
        let means = |(name, points): Curve| (name, points.iter().map(|point| mean(&point.1)).collect());
        curves(runs, |run| score_over_evaluations(run, score)).into_iter().map(means).collect()
    };
    let (precision, recall) = (means("precision"), means("recall"));
    let mut drawn = Vec::new();
    for (place, ((name, precision), (_, recall))) in precision.iter().zip(&recall).enumerate() {
        let points: Vec<(f64, f64)> = recall.iter().copied().zip(precision.iter().copied()).collect();
        drawn.push(line(points.clone(), &colour(place), THICK).with_legend(name.as_str()).into());
        drawn.push(dots(points.clone(), &colour(place), DOT).into());
        // The last of them has the most evaluations.
        drawn.push(dots(points.last().copied(), &colour(place), 2.0 * DOT).into());
    }
    Some(Chart {
        title: "Precision over recall".into(),
        y_label: "precision; a larger dot has the most evaluations".into(),
        x_label: "recall".into(),
        x: Axis::around(recall.iter().flat_map(|(_, values)| values.clone()))?,
        y: Axis::around(precision.iter().flat_map(|(_, values)| values.clone()))?,
        plots: drawn,
    })
}

/// The share of degraded images whose class a classifier reads from the network's estimate.
fn class_decided(runs: &[Run]) -> Option<Chart> {
    let curves = curves(runs, |run| {
        let rows = run.evaluations.restorations.iter().flat_map(|file| &file.restoration);
        rows.filter_map(|row| Some((row.t as f64 / row.timesteps.max(1) as f64, row.estimate.accuracy?)))
            .collect()
    });
    let n = runs.iter().find_map(|run| run.evaluations.restorations.first())?.n;
    values(&curves).first()?;
    Some(Chart {
        title: "When the class is decided".into(),
        y_label: format!("share of {} estimates of x_0 with the right class", thousands(n)),
        x_label: "timestep t / T".into(),
        x: Axis::linear(0.0, 1.0),
        y: Axis::linear(0.0, 1.05),
        plots: plots(&curves),
    })
}

/// The evaluations that can be compared with each other; where there are several kinds, the one of most evaluations.
fn tables(run: &Run) -> Vec<&Table> {
    run.evaluations.comparable().into_iter().rev().max_by_key(Vec::len).unwrap_or_default()
}

fn score_over_evaluations(run: &Run, score: &str) -> Vec<(f64, f64)> {
    let point = |table: &Table| Some((table.target.nfe? as f64, table.row(score)?.value?));
    tables(run).into_iter().filter_map(point).collect()
}

/// One curve for each group of runs, from the points of its runs; groups without points are left out.
fn curves(runs: &[Run], points: impl Fn(&Run) -> Vec<(f64, f64)>) -> Vec<Curve> {
    let names = distinct(runs.iter().filter_map(|run| run.group.as_deref()));
    let curve = |name: &str| {
        let of_group = runs.iter().filter(|run| run.group.as_deref() == Some(name));
        let mut all: Vec<(f64, f64)> = of_group.flat_map(&points).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let at = |part: &[(f64, f64)]| (part[0].0, part.iter().map(|point| point.1).collect());
        (name.to_owned(), all.chunk_by(|a, b| a.0 == b.0).map(at).collect::<Vec<_>>())
    };
    names.into_iter().map(curve).filter(|(_, points)| !points.is_empty()).collect()
}

fn places(curves: &[Curve]) -> Vec<f64> {
    curves.iter().flat_map(|(_, points)| points.iter().map(|point| point.0)).collect()
}

fn values(curves: &[Curve]) -> Vec<f64> {
    curves.iter().flat_map(|(_, points)| points.iter().flat_map(|point| point.1.clone())).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn plots(curves: &[Curve]) -> Vec<Plot> {
    let mut plots: Vec<Plot> = Vec::new();
    for (place, (name, points)) in curves.iter().enumerate() {
        let ranges =
            points.iter().filter_map(|(x, values)| range(values.iter().copied()).map(|ends| (*x, ends)));
        let (x, (low, high)): (Vec<_>, (Vec<_>, Vec<_>)) = ranges.unzip();
        plots.push(BandPlot::new(x, low, high).with_color(shade(place, 0.5)).with_opacity(0.5).into());
        let means: Vec<(f64, f64)> = points.iter().map(|(x, values)| (*x, mean(values))).collect();
        plots.push(line(means.clone(), &colour(place), THICK).with_legend(name.as_str()).into());
        plots.push(dots(means, &colour(place), DOT).into());
    }
    plots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::run::tests::run;
    use crate::records::fixtures::{eval_line, folder, restoration_file, score_file};

    #[test]
    fn a_group_is_one_line_in_every_chart() {
        let dir = tempfile::tempdir().unwrap();
        let with = |name: &str, group: Option<&str>, fd: f64| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            let text = eval_line(1, 2.0 * fd, "null") + &eval_line(2, fd, "null");
            std::fs::write(path.join("metrics.jsonl"), text).unwrap();
            let mut restoration = restoration_file(name);
            for row in restoration["restoration"].as_array_mut().unwrap() {
                row["estimate"]["accuracy"] = 0.5.into();
            }
            let mut run = run("a", &path);
            run.group = group.map(str::to_owned);
            let files = [
                ("nfe-5.json", score_file(name, 5, 3.0 * fd)),
                ("nfe-10.json", score_file(name, 10, fd)),
                ("decided.json", restoration),
            ];
            run.evaluations = folder(&files).unwrap();
            run
        };
        let runs = [with("a", Some("Ink"), 40.0), with("b", Some("Ink"), 50.0), with("c", None, 9.0)];
        let found = curves(&runs, |run| score_over_evaluations(run, FRECHET));
        assert_eq!(found, [("Ink".to_owned(), vec![(5.0, vec![120.0, 150.0]), (10.0, vec![40.0, 50.0])])]);
        let svg = draw(&runs).unwrap().svg().unwrap();
        for text in [
            "While the network is trained",
            "Over network evaluations",
            "Precision over",
            "decided",
            "1,000 images",
        ] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert!(draw(&runs[2..]).is_none());
    }
}
