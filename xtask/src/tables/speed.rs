//! The table of speeds in README.md, from the file that `cargo xtask bench --against-torch --json` wrote.

use super::markdown;
use crate::bench::Figures;
use crate::scores::thousands;
use anyhow::{Context, Result};
use std::path::Path;

const FILE: &str = "report/bench.json";

/// What was measured.
pub fn figures(root: &Path) -> Result<Figures> {
    let path = root.join(FILE);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// Steps of both networks, and the time of an image.
pub fn speed(root: &Path) -> Result<String> {
    let bench = figures(root)?;
    let head = ["", "`dm`", "PyTorch", "times as fast", "memory"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for step in &bench.rows {
        let work = if step.work == "train" { "training step" } else { "forward pass" };
        let share = step.ours_peak_mb.zip(step.torch_peak_mb).map(|(ours, torch)| ours / torch);
        rows.push(vec![
            format!("`{}`, {work} of {} images", step.net, thousands(step.batch as u64)),
            milliseconds(step.ours_ms),
            milliseconds(step.torch_best_ms),
            format!("{:.1}", step.ratio),
            share.map_or(String::new(), |share| format!("{share:.2} of PyTorch's")),
        ]);
    }
    for drawing in &bench.sampling {
        rows.push(vec![
            format!("`{}`, an image of {} evaluations", drawing.model, thousands(drawing.evaluations as u64)),
            milliseconds(drawing.ours_ms_per_image),
            milliseconds(drawing.torch_network_alone_ms_per_image),
            format!("{:.1}", drawing.ratio),
            String::new(),
        ]);
    }
    let Figures { machine, rounds, programs, .. } = &bench;
    let note = format!(
        "Medians of {rounds} rounds in turn on {} threads of one machine ({}): {}. PyTorch is the best of eager, \
         `channels_last` and compiled; of an image, its network alone. `{FILE}`, made by `cargo xtask bench --against-torch \
         --rounds {rounds} --json {FILE}`.",
        machine.threads,
        machine.cpu,
        programs.join(" against ")
    );
    Ok(format!("{}\n\n{note}", markdown(&rows)))
}

fn milliseconds(ms: f64) -> String {
    format!("{ms:.0} ms")
}
