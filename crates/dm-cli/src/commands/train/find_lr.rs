//! `dm train --find-lr`: the loss at rising learning rates, and a suggestion.

use std::process::ExitCode;

use anyhow::Result;
use candle_core::Device;
use dm_nn::data::Dataset;
use dm_train::find_lr::{LrCurve, LrRange, find_lr};
use dm_train::{ClassifierTask, DiffusionTask, RunConfig};

use crate::chart::{self, Curve, Style};
use crate::terminal::Terminal;

/// Number of lines of the chart.
const HEIGHT: usize = 10;

pub fn run(config: &RunConfig, data: &Dataset, device: &Device, terminal: &Terminal) -> Result<ExitCode> {
    let (settings, range) = (config.settings(), LrRange::default());
    let bar = terminal.bar(range.steps as u64, "trying learning rates");
    let mut watch = |point: dm_train::find_lr::LrPoint| {
        bar.inc(1);
        bar.set_message(format!("rate {:.1e}  loss {:.4}", point.learning_rate, point.loss));
    };
    let stop = || false;
    let curve = match config {
        RunConfig::Diffusion(config) => {
            let task = DiffusionTask::from_config(config, data)?;
            find_lr(task, &settings, data, device, range, &stop, &mut watch)?
        }
        RunConfig::Classifier(config) => {
            let task = ClassifierTask::from_config(config, data)?;
            find_lr(task, &settings, data, device, range, &stop, &mut watch)?
        }
    };
    bar.finish();
    terminal.lines(lines(&curve, terminal.colors()))?;
    Ok(ExitCode::SUCCESS)
}

/// The curve and the suggestion.
fn lines(curve: &LrCurve, colors: bool) -> Vec<String> {
    let points = curve.points.iter().map(|point| (point.learning_rate.log10(), point.loss)).collect();
    let curves = [Curve { name: String::new(), points, style: Style::Line }];
    let x_title = "learning rate, as a power of 10";
    let mut lines =
        chart::lines("mean loss of the last steps", x_title, &curves, Terminal::width(), HEIGHT, colors);
    if let (Some(first), Some(last)) = (curve.points.first(), curve.points.last()) {
        lines.push(format!(
            "{} steps, learning rate {:.1e} to {:.1e}",
            curve.points.len(),
            first.learning_rate,
            last.learning_rate
        ));
    }
    lines.push(match curve.suggestion() {
        Some(rate) => format!(
            "suggestion: --set optimizer.learning_rate={rate:.1e}, a tenth of the rate at the lowest loss"
        ),
        None => "no suggestion: the loss did not fall at any learning rate".to_owned(),
    });
    lines
}
