//! Validation loss over the level t/T in ten bins, one chart per run, a line for each of a few epochs: where along
//! the process a model still learns.

use super::Run;
use super::axes::{Chart, Line, canvas};
use super::canvas::Canvas;
use super::choose::denser_early;
use super::style::{DOT, THICK, shade};
use super::ticks::Scale;

const MOST_LINES: usize = 4;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    let charts: Vec<_> = runs.iter().filter_map(chart).collect();
    let mut page = (!charts.is_empty()).then(|| canvas(charts.len()))?;
    for (place, chart) in charts.iter().enumerate() {
        chart.draw(&mut page, place);
    }
    Some(page)
}

fn chart(run: &Run) -> Option<Chart<'_>> {
    let rows: Vec<_> = run.metrics.epochs.iter().filter(|row| row.val_loss_by_t.len() > 1).collect();
    let chosen = denser_early(rows.len(), MOST_LINES);
    let lines: Vec<_> = chosen
        .iter()
        .enumerate()
        .map(|(order, &row)| {
            let row = rows[row];
            let bins = row.val_loss_by_t.len() as f64;
            let place = |(bin, loss): (usize, &Option<f64>)| Some(((bin as f64 + 0.5) / bins, (*loss)?));
            let strength = 0.35 + 0.65 * (order + 1) as f64 / chosen.len() as f64;
            Line {
                legend: Some(if order == 0 { format!("epoch {}", row.epoch) } else { row.epoch.to_string() }),
                colour: shade(run.place, strength),
                width: THICK,
                dot: DOT,
                points: row.val_loss_by_t.iter().enumerate().filter_map(place).collect(),
                ..Line::default()
            }
        })
        .collect();
    let y = Scale::around(lines.iter().flat_map(|line| line.points.iter().map(|point| point.1)))?;
    Some(Chart {
        title: &run.title,
        y_label: &run.loss,
        x_label: "level t / T",
        x: Scale::linear(0.0, 1.0),
        whole_x: false,
        y,
        band: None,
        lines,
    })
}
