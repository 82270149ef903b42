//! The table of speeds in README.md, from the file that `cargo xtask bench --json` wrote.

use crate::markdown::{self, thousands, words};
use crate::records::read_json;
use anyhow::Result;
use dm_record::BenchFile;
use std::path::Path;

const FILE: &str = "report/bench.json";

/// The recorded results.
pub fn bench(root: &Path) -> Result<BenchFile> {
    read_json(&root.join(FILE))
}

/// Steps of both networks, and the time of an image.
pub fn speed(root: &Path) -> Result<String> {
    let bench = bench(root)?;
    let milliseconds = |ms: f64| format!("{ms:.0} ms");
    let mut rows =
        vec![words(["", "`dm`", "fastest other program", "times as fast", "memory over the least other"])];
    for step in &bench.rows {
        let work = if step.work == "train" { "training step" } else { "forward pass" };
        let share = step.ours_peak_mb.zip(step.peer_peak_mb).map(|(ours, peer)| ours / peer);
        rows.push(vec![
            format!("`{}`, {work} of {} images", step.net, thousands(step.batch)),
            milliseconds(step.ours_ms),
            format!("{} ({})", milliseconds(step.peer_best_ms), program(&step.peer_best)),
            format!("{:.1}", step.ratio),
            share.map_or(String::new(), |share| format!("{share:.2}")),
        ]);
    }
    for image in &bench.sampling {
        rows.push(vec![
            format!("`{}`, an image of {} evaluations", image.model, thousands(image.nfe)),
            milliseconds(image.ours_ms_per_image),
            milliseconds(image.peer_network_alone_ms_per_image),
            format!("{:.1}", image.ratio),
            String::new(),
        ]);
    }
    let BenchFile { machine, rounds, programs, .. } = &bench;
    let only_torch =
        bench.rows.iter().flat_map(|row| row.peer_ms.keys()).all(|peer| program(peer) == "PyTorch");
    let what = if only_torch { "--against-torch" } else { "--against-peers" };
    let note = format!(
        "Medians of {rounds} rounds in turns on {} threads of one machine ({}): {}. PyTorch's time is that of its fastest variant \
         (eager, `channels_last` or compiled); for an image the other time is that of the network alone. The file `{FILE}` is \
         written by `cargo xtask bench {what} --rounds {rounds} --json {FILE}`.",
        machine.threads,
        machine.cpu,
        versions(programs)
    );
    Ok(format!("{}\n\n{note}", markdown::table(&rows, 1)))
}

/// The names and versions of all programs, ours first, without what follows the version.
fn versions(programs: &[String]) -> String {
    let mut names = programs.iter().map(|program| program.split([',', '-']).next().unwrap_or_default());
    let ours = names.next().unwrap_or_default();
    format!("{ours} against {}", names.collect::<Vec<_>>().join(", "))
}

/// The program that a bench worker belongs to.
fn program(worker: &str) -> &str {
    match worker {
        "onnxruntime" => "ONNX Runtime",
        "openvino" => "OpenVINO",
        "jax" => "JAX",
        _ => "PyTorch",
    }
}
