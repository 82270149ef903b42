//! Validation loss over the timestep t/T in bins, one chart per run, one line for each of a few epochs. The figure shows at
//! which timesteps a model still improves.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, SMALL, dots, line, page};
use super::choose::denser_early;
use super::run::Run;
use super::style::{DOT, THICK, shade};

const MOST_LINES: usize = 4;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    page(runs.iter().filter_map(chart).collect(), SMALL)
}

fn chart(run: &Run) -> Option<Chart> {
    let epochs: Vec<_> = run.metrics.epochs.iter().filter(|line| line.val_loss_by_t.len() > 1).collect();
    let chosen = denser_early(epochs.len(), MOST_LINES);
    let (mut plots, mut losses) = (Vec::new(), Vec::new());
    for (order, epoch) in chosen.iter().map(|&index| epochs[index]).enumerate() {
        let bins = epoch.val_loss_by_t.len() as f64;
        let place = |(bin, loss): (usize, &Option<f64>)| Some(((bin as f64 + 0.5) / bins, (*loss)?));
        let points: Vec<_> = epoch.val_loss_by_t.iter().enumerate().filter_map(place).collect();
        let colour = shade(run.place, 0.35 + 0.65 * (order + 1) as f64 / chosen.len() as f64);
        losses.extend(points.iter().map(|point| point.1));
        plots.push(line(points.clone(), &colour, THICK).with_legend(format!("epoch {}", epoch.epoch)).into());
        plots.push(dots(points, &colour, DOT).into());
    }
    Some(Chart {
        title: run.title.clone(),
        y_label: run.loss.clone(),
        x_label: "timestep t / T".into(),
        x: Axis::linear(0.0, 1.0),
        y: Axis::log_around(losses)?,
        plots,
    })
}
