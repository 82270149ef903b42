//! Frechet distance over epochs, as it was measured while a model trained: at its few images, and extrapolated from them to
//! infinitely many. One chart per run.

use super::Run;
use super::axes::{Chart, Line, canvas};
use super::canvas::Canvas;
use super::style::{DOT, QUIET, THICK, run_colour};
use super::ticks::Scale;
use crate::scores::thousands;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    let runs: Vec<_> = runs.iter().filter(|run| !run.metrics.evaluations.is_empty()).collect();
    let mut page = (!runs.is_empty()).then(|| canvas(runs.len()))?;
    for (place, run) in runs.iter().enumerate() {
        if let Some(chart) = chart(run) {
            chart.draw(&mut page, place);
        }
    }
    Some(page)
}

fn chart(run: &Run) -> Option<Chart<'_>> {
    let rows = &run.metrics.evaluations;
    let n = rows.last()?.n;
    let limit = rows.iter().filter_map(|row| Some((row.epoch as f64, row.fd_infinity?))).collect();
    let fd: Vec<_> = rows.iter().map(|row| (row.epoch as f64, row.fd)).collect();
    let line = |legend: String, colour: String, points| Line {
        legend: Some(legend),
        colour,
        width: THICK,
        dot: DOT,
        points,
        ..Line::default()
    };
    let lines = vec![
        line(format!("n = {}", thousands(n)), run_colour(run.place), fd),
        line("n = infinity".into(), QUIET.into(), limit),
    ];
    let values = || lines.iter().flat_map(|line| &line.points);
    let last = values().map(|point| point.0).fold(1.0, f64::max);
    Some(Chart {
        title: &run.title,
        y_label: "Frechet distance of samples",
        x_label: "epoch",
        x: Scale::linear(0.0, last),
        whole_x: true,
        y: Scale::around(values().map(|point| point.1))?,
        band: None,
        lines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_measured_has_a_chart() {
        let dir = tempfile::tempdir().unwrap();
        let line = |epoch: u64, fd: f64, limit: &str| {
            format!(
                "{{\"event\":\"eval\",\"step\":{epoch},\"epoch\":{epoch},\"n\":1000,\"n_reference\":10000,\
                 \"fd\":{fd},\"fd_infinity\":{limit},\"precision\":0.5,\"recall\":0.5}}\n"
            )
        };
        let run = |text: &str| {
            std::fs::write(dir.path().join("metrics.jsonl"), text).unwrap();
            Run::read(0, "ink", "nats", dir.path()).unwrap()
        };
        let measured = run(&(line(1, 80.0, "null") + &line(2, 20.0, "15.5")));
        let chart = chart(&measured).unwrap();
        assert_eq!(chart.lines[0].points, [(1.0, 80.0), (2.0, 20.0)]);
        assert_eq!(chart.lines[1].points, [(2.0, 15.5)]);
        let svg = draw(&[measured]).unwrap().svg().unwrap();
        assert!(svg.contains("n = 1,000") && svg.contains("n = infinity"));
        assert!(draw(&[run("")]).is_none());
    }
}
