//! Training and validation loss over epochs. Every run has its own chart, because losses of different runs are different
//! quantities.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, SMALL, dots, line, page};
use super::run::Run;
use super::style::{DOT, FAINT, QUIET, THICK, THIN, colour};
use dm_record::EpochLine;

/// Losses of single steps are cut off this far above the losses of epochs, as a share of the range of the latter. Nothing is cut
/// off for fewer than `EPOCHS_TO_CUT` epochs.
const HEADROOM: f64 = 0.6;
const EPOCHS_TO_CUT: usize = 3;
/// Epochs are also drawn as dots if there are at most this many. A single epoch makes no line.
const EPOCHS_WITH_DOTS: usize = 12;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    page(runs.iter().filter_map(chart).collect(), SMALL)
}

fn chart(run: &Run) -> Option<Chart> {
    let per_epoch = run.steps_per_epoch;
    let steps = run.metrics.steps.iter().filter_map(|line| Some((line.step as f64 / per_epoch, line.loss?)));
    let of_epochs = |shift: f64, loss: fn(&EpochLine) -> Option<f64>| -> Vec<(f64, f64)> {
        let lines = run.metrics.epochs.iter();
        lines.filter_map(|line| Some((line.step as f64 / per_epoch + shift, loss(line)?))).collect()
    };
    // The mean training loss of an epoch is drawn at the middle of the epoch. At the end it would seem to lag behind validation.
    let train = of_epochs(-0.5, |line| line.train_loss);
    let validation = of_epochs(0.0, |line| line.val_loss);

    let losses = || train.iter().chain(&validation).map(|point| point.1);
    let (lowest, highest) =
        (losses().fold(f64::INFINITY, f64::min), losses().fold(f64::NEG_INFINITY, f64::max));
    let cut = train.len() >= EPOCHS_TO_CUT;
    let ceiling = if cut { highest + HEADROOM * (highest - lowest) } else { f64::INFINITY };
    let steps: Vec<_> = steps.filter(|point| point.1 <= ceiling).collect();
    let points = || steps.iter().chain(&train).chain(&validation);
    let last = points().map(|point| point.0).fold(0.0, f64::max);
    let mut plots = vec![
        line(steps.clone(), FAINT, THIN).with_legend("steps").into(),
        line(train.clone(), QUIET, 1.6).with_legend("training").into(),
        line(validation.clone(), &colour(run.place), THICK).with_legend("validation").into(),
    ];
    if validation.len() <= EPOCHS_WITH_DOTS {
        plots.push(dots(train.clone(), QUIET, DOT).into());
        plots.push(dots(validation.clone(), &colour(run.place), DOT).into());
    }
    Some(Chart {
        title: run.title.clone(),
        y_label: run.loss.clone(),
        x_label: "epoch".into(),
        x: Axis::linear(0.0, if last > 0.0 { 1.02 * last } else { 1.0 }),
        y: Axis::log_around(points().map(|point| point.1))?,
        plots,
    })
}
