//! Fréchet distance over epochs, computed during training from a few samples and extrapolated to infinitely many. One chart per
//! run.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, SMALL, dots, line, page};
use super::run::Run;
use super::style::{DOT, QUIET, THICK, colour};
use crate::markdown::thousands;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    page(runs.iter().filter_map(chart).collect(), SMALL)
}

fn chart(run: &Run) -> Option<Chart> {
    let lines = &run.metrics.evaluations;
    let n = lines.last()?.n;
    let fd: Vec<_> = lines.iter().filter_map(|line| Some((line.epoch as f64, line.fd?))).collect();
    let limit: Vec<_> =
        lines.iter().filter_map(|line| Some((line.epoch as f64, line.fd_infinity?))).collect();
    let points = || fd.iter().chain(&limit);
    let (x, y) = (
        Axis::linear(0.0, points().map(|point| point.0).fold(1.0, f64::max)),
        Axis::log_around(points().map(|point| point.1))?,
    );
    let mut plots = Vec::new();
    for (legend, colour, points) in [
        (format!("n = {}", thousands(n)), colour(run.place), fd),
        ("n = infinity".into(), QUIET.into(), limit),
    ] {
        plots.push(line(points.clone(), &colour, THICK).with_legend(legend).into());
        plots.push(dots(points, &colour, DOT).into());
    }
    Some(Chart {
        title: run.title.clone(),
        y_label: "Fréchet distance of samples".into(),
        x_label: "epoch".into(),
        x,
        y,
        plots,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::run::tests::run;
    use crate::records::fixtures::eval_line;

    #[test]
    fn a_run_that_was_evaluated_has_a_chart() {
        let dir = tempfile::tempdir().unwrap();
        let with = |text: &str| {
            std::fs::write(dir.path().join("metrics.jsonl"), text).unwrap();
            run("ink", dir.path())
        };
        let measured = with(&(eval_line(1, 80.0, "null") + &eval_line(2, 20.0, "15.5")));
        let svg = draw(&[measured]).unwrap().svg().unwrap();
        // Two distances and one limit.
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("n = 1,000") && svg.contains("n = infinity"));
        assert!(draw(&[with("")]).is_none());
    }
}
