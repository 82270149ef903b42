//! `dm runs show RUN`: one run with its curves and its last samples.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Result;
use dm_nn::picture::grid;
use dm_train::RunConfig;
use serde::Serialize;

use super::curves::{Curves, Points};
use super::read::{Run, SAMPLES, State};
use super::summary::Summary;
use crate::chart::{self, Curve, Style};
use crate::graphics::Pictures;
use crate::output_args::OutputArgs;
use crate::preview;
use crate::terminal::Terminal;
use crate::units;

/// Height of the chart of losses, and of the other charts.
const LOSS_HEIGHT: usize = 12;
const OTHER_HEIGHT: usize = 6;

/// Show a run: its progress, its curves, and its last samples.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, or the name of one in runs.
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// A run in its JSON form.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    summary: Summary,
    curves: Curves,
    config: RunConfig,
    /// The last picture of samples.
    picture: Option<String>,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<()> {
    let run = Run::open(&args.run)?;
    let (picture, pictures) = (run.last_picture(), Terminal::pictures()?);
    let shown = Shown {
        summary: Summary::of(&run, SystemTime::now()),
        curves: Curves::of(&run),
        config: run.config()?,
        picture: picture.as_ref().map(|(_, path)| path.display().to_string()),
    };
    args.output.finish(terminal, &shown, || {
        let (width, colors) = (Terminal::width(), terminal.colors());
        let mut lines = header(&shown);
        for chart in charts(&shown.curves, width, colors) {
            lines.push(String::new());
            lines.extend(chart);
        }
        if let Some((epoch, path)) = picture {
            lines.push(String::new());
            lines.extend(samples(&shown.config, epoch, &path, width, pictures));
        }
        lines
    })
}

/// The run in numbers.
fn header(shown: &Shown) -> Vec<String> {
    let summary = &shown.summary;
    let state = match summary.state {
        State::Stopped => "stopped; continue it with `dm train CONFIG --resume`",
        state => state.name(),
    };
    let steps = summary.step.zip(summary.steps);
    let steps =
        steps.map(|(step, steps)| format!("{} of {}", units::thousands(step), units::thousands(steps)));
    let losses = [("training", summary.train_loss), ("validation", summary.val_loss)];
    let losses = losses.into_iter().filter(|(_, loss)| loss.is_some());
    let losses: Vec<String> = losses.map(|(name, loss)| format!("{name} {}", units::number(loss))).collect();
    let samples =
        summary.fd_n.map_or(String::new(), |n| format!(" ({} samples)", units::thousands(n as u64)));
    let age = summary.age_s.map_or(String::new(), |age| format!(", last change {} ago", units::span(age)));
    let speed = summary
        .images_per_s
        .map_or(String::new(), |_| format!(", {} images/s", units::number(summary.images_per_s)));
    let entries = [
        ("state", Some(state.to_owned())),
        ("epochs", steps.map(|steps| format!("{} ({steps} steps)", summary.progress()))),
        ("loss", (!losses.is_empty()).then(|| losses.join(", "))),
        (
            "accuracy",
            summary.test_accuracy.map(|share| format!("{} of the test images", units::percent(share))),
        ),
        ("FD", summary.fd.map(|_| format!("{}{samples}", units::number(summary.fd)))),
        ("time", summary.wall_s.map(|seconds| format!("{}{speed}", units::span(seconds.max(0.0) as u64)))),
        ("parameters", summary.parameters.map(|count| units::thousands(count as u64))),
        ("disk", Some(format!("{}{age}", units::bytes(summary.bytes)))),
    ];
    let entries = entries.into_iter().filter_map(|(name, text)| Some(format!("{name:<10}  {}", text?)));
    std::iter::once(summary.path.clone()).chain(entries).collect()
}

/// The charts of a run: its losses, and what else it measures.
fn charts(curves: &Curves, width: usize, colors: bool) -> Vec<Vec<String>> {
    let curve =
        |name: &str, points: &Points, style| Curve { name: name.to_owned(), points: points.clone(), style };
    let losses = [
        curve("training", &curves.train_loss, Style::Line),
        curve("validation", &curves.val_loss, Style::Marks),
    ];
    let others = [("accuracy", &curves.test_accuracy), ("FD", &curves.fd)];
    let others = others.map(|(title, points)| {
        let curves = [curve("", points, Style::Marks)];
        if points.len() > 1 {
            chart::lines(title, "epochs", &curves, width, OTHER_HEIGHT, colors)
        } else {
            Vec::new()
        }
    });
    let losses = chart::lines("loss", "epochs", &losses, width, LOSS_HEIGHT, colors);
    std::iter::once(losses).chain(others).filter(|lines| !lines.is_empty()).collect()
}

/// The first samples of the picture at `path`, as many as fit.
fn samples(config: &RunConfig, epoch: u64, path: &Path, width: usize, pictures: Pictures) -> Vec<String> {
    let file = path.file_name().unwrap_or_default();
    let title = format!("samples after epoch {epoch}: {SAMPLES}/{}", Path::new(file).display());
    let shape = if let RunConfig::Diffusion(config) = config { config.image } else { None };
    // Channels that are not colours are shown side by side, each as a grey image.
    let shape = shape.map(|shape| if shape.channels == 3 { shape } else { shape.with_channels(1) });
    let images = shape.map(|shape| grid::read(path, shape).map(|images| (shape, images)));
    let lines = match images {
        None => Vec::new(),
        Some(Ok((shape, images))) => preview::lines(shape, &images, width, pictures),
        Some(Err(error)) => vec![error.to_string()],
    };
    std::iter::once(title).chain(lines).collect()
}
