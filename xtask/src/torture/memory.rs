//! The largest resident memory of commands with very many images.

use super::findings::Findings;
use super::lab::Lab;
use super::process::finish;
use crate::workspace::root;
use anyhow::{Context, Result, ensure};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// What a command may use: 2 GB.
const LIMIT: f64 = 2e9;

pub fn test(lab: &mut Lab) -> Result<Findings> {
    let n = lab.trials(100_000, 5_000).to_string();
    let mut findings =
        Findings::of(format!("{n} samples of 28x28, and their evaluation against 60,000 images"));
    let data = root().join("data/mnist");
    let data = data.to_str().context("the path of the workspace")?;
    let lines = "epochs = 1\ncheckpoint_every = 1000\nmax_images = 64";
    let config = lab.config("many", "kind = \"ink\"", lines)?;
    let ended =
        finish(lab.command(&["train", &config, "--run", "many", "--data", data, "--no-tensorboard"]))?;
    ensure!(ended.is(0), "training: {}", ended.said());
    let sample = ["sample", "many", "-n", &n, "--nfe", "1", "--out", "many-drawn"];
    let images = "many-drawn/images.safetensors";
    let eval = ["eval", images, "--data", data, "--reference", "train", "--cache", "many-cache", "-n", &n];
    let mut peaks = Vec::new();
    for (name, args) in [("sampling", &sample[..]), ("evaluation", &eval[..])] {
        let (peak, ended) = peak(lab.command(args))?;
        findings.count(match (ended, peak) {
            (Err(said), _) => Err(format!("{name}: {said}")),
            (Ok(()), peak) if peak > LIMIT => Err(format!("{name}: {:.2} GB", peak / 1e9)),
            (Ok(()), _) => Ok(()),
        });
        peaks.push(format!("{name} {:.2} GB", peak / 1e9));
    }
    findings.figure = peaks.join(", ");
    Ok(findings)
}

/// Runs a command to its end and returns the largest resident memory in bytes, as Linux reports it.
fn peak(mut command: Command) -> Result<(f64, Result<(), String>)> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("starting dm")?;
    let mut peak: f64 = 0.0;
    let status = loop {
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        peak = peak.max(kib.unwrap_or(0.0) * 1024.0);
        if let Some(status) = child.try_wait().context("waiting for dm")? {
            break status;
        }
        sleep(Duration::from_millis(20));
    };
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        std::io::Read::read_to_string(&mut stderr, &mut said).ok();
    }
    let last = said.trim_end().lines().last().unwrap_or("nothing").to_owned();
    Ok((peak, if status.success() { Ok(()) } else { Err(last) }))
}
