//! Training and validation loss over epochs, one chart per run: their losses are different things, so no two runs
//! share an axis.

use super::Run;
use super::axes::{Chart, Line, canvas};
use super::canvas::Canvas;
use super::style::{DOT, FAINT, QUIET, THICK, THIN, run_colour};
use super::ticks::Scale;
use crate::record::EpochRow;

/// How far above the epochs' losses the first steps may reach before they are cut off, in parts of the range of
/// those losses; with fewer epochs than this nothing is cut.
const HEADROOM: f64 = 0.6;
const EPOCHS_TO_CUT: usize = 3;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    let charts: Vec<_> = runs.iter().filter_map(chart).collect();
    let mut page = (!charts.is_empty()).then(|| canvas(charts.len()))?;
    for (place, chart) in charts.iter().enumerate() {
        chart.draw(&mut page, place);
    }
    Some(page)
}

fn chart(run: &Run) -> Option<Chart<'_>> {
    let per_epoch = run.steps_per_epoch;
    let steps: Vec<(f64, f64)> =
        run.metrics.steps.iter().filter_map(|row| Some((row.step as f64 / per_epoch, row.loss?))).collect();
    let of_epochs = |shift: f64, loss: fn(&EpochRow) -> Option<f64>| -> Vec<(f64, f64)> {
        let rows = run.metrics.epochs.iter();
        rows.filter_map(|row| Some((row.step as f64 / per_epoch + shift, loss(row)?))).collect()
    };
    // A mean over an epoch belongs to its middle; drawn at its end it would seem to lag behind validation.
    let train = of_epochs(-0.5, |row| row.train_loss);
    let validation = of_epochs(0.0, |row| row.val_loss);

    let losses = |points: &[(f64, f64)]| points.iter().map(|point| point.1).collect::<Vec<_>>();
    let of_epochs = losses(&train).into_iter().chain(losses(&validation));
    let (lowest, highest) = of_epochs
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), loss| (low.min(loss), high.max(loss)));
    let cut = train.len() >= EPOCHS_TO_CUT;
    let ceiling = if cut { highest + HEADROOM * (highest - lowest) } else { f64::INFINITY };
    let shown = losses(&steps).into_iter().chain(losses(&train)).chain(losses(&validation));
    let y = Scale::around(shown.filter(|&loss| loss <= ceiling))?;
    let last = steps.iter().chain(&validation).map(|point| point.0).fold(0.0, f64::max);
    let dot = if validation.len() <= 12 { DOT } else { 0.0 };
    let line = |legend: &str, colour: &str, width, dot, points| Line {
        legend: Some(legend.into()),
        colour: colour.into(),
        width,
        dot,
        points,
        ..Line::default()
    };
    Some(Chart {
        title: &run.title,
        y_label: &run.loss,
        x_label: "epoch",
        x: Scale::linear(0.0, if last > 0.0 { last } else { 1.0 }),
        whole_x: last >= 3.0,
        y,
        band: None,
        lines: vec![
            line("steps", FAINT, THIN, 0.0, steps),
            line("training", QUIET, 1.6, dot, train),
            line("validation", &run_colour(run.place), THICK, dot, validation),
        ],
    })
}
