//! The table of speeds in README.md, from the file that `cargo xtask bench --against-torch --json` wrote.

use super::markdown;
use crate::scores::thousands;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::Path;

const FILE: &str = "report/bench.json";

#[derive(Deserialize)]
struct Bench {
    machine: Machine,
    rounds: u64,
    programs: Vec<String>,
    rows: Vec<Step>,
    sampling: Vec<Drawing>,
}

#[derive(Deserialize)]
struct Machine {
    cpu: String,
    threads: u64,
}

#[derive(Deserialize)]
struct Step {
    net: String,
    work: String,
    batch: u64,
    ours_ms: f64,
    torch_best_ms: f64,
    ratio: f64,
    ours_peak_mb: Option<f64>,
    torch_peak_mb: Option<f64>,
}

#[derive(Deserialize)]
struct Drawing {
    model: String,
    evaluations: u64,
    ours_ms_per_image: f64,
    torch_network_alone_ms_per_image: f64,
    ratio: f64,
}

/// Steps of both networks, and the time of an image.
pub fn speed(root: &Path) -> Result<String> {
    let path = root.join(FILE);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let bench: Bench = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let head = ["", "`dm`", "PyTorch", "times as fast", "memory"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for step in &bench.rows {
        let work = if step.work == "train" { "training step" } else { "forward pass" };
        let share = step.ours_peak_mb.zip(step.torch_peak_mb).map(|(ours, torch)| ours / torch);
        rows.push(vec![
            format!("`{}`, {work} of {} images", step.net, thousands(step.batch)),
            milliseconds(step.ours_ms),
            milliseconds(step.torch_best_ms),
            format!("{:.1}", step.ratio),
            share.map_or(String::new(), |share| format!("{share:.2} of PyTorch's")),
        ]);
    }
    for drawing in &bench.sampling {
        rows.push(vec![
            format!("`{}`, an image of {} evaluations", drawing.model, thousands(drawing.evaluations)),
            milliseconds(drawing.ours_ms_per_image),
            milliseconds(drawing.torch_network_alone_ms_per_image),
            format!("{:.1}", drawing.ratio),
            String::new(),
        ]);
    }
    let Bench { machine: Machine { cpu, threads }, rounds, programs, .. } = &bench;
    let note = format!(
        "Medians of {rounds} rounds in turn on {threads} threads of one machine ({cpu}): {}. PyTorch is the best of eager, \
         `channels_last` and compiled; of an image, its network alone. `{FILE}`, made by `cargo xtask bench --against-torch \
         --rounds {rounds} --json {FILE}`.",
        programs.join(" against ")
    );
    Ok(format!("{}\n\n{note}", markdown(&rows)))
}

fn milliseconds(ms: f64) -> String {
    format!("{ms:.0} ms")
}
