//! A long run keeps only the last checkpoints and the best one.

use super::findings::Findings;
use super::lab::Lab;
use super::process::finish;
use super::run_files::checkpoints;
use anyhow::{Result, ensure};

/// How many of the newest checkpoints a run keeps unless its config says otherwise.
const KEPT: usize = 2;

pub fn test(lab: &mut Lab) -> Result<Findings> {
    let mut findings = Findings::of("a run that saves 60 times, then `dm runs prune --yes`");
    let config = lab.config("long", "kind = \"ink\"", "epochs = 15\ncheckpoint_every = 1")?;
    let ended = finish(lab.command(&["train", &config, "--run", "runs/long", "--no-tensorboard"]))?;
    ensure!(ended.is(0), "training: {}", ended.said());
    let run = lab.path("runs/long");
    let kept = checkpoints(&run)?.len();
    findings.count(if kept <= KEPT { Ok(()) } else { Err(format!("{kept} checkpoints were kept")) });
    let before = size(&run)?;
    let ended = finish(lab.command(&["runs", "prune", "--yes"]))?;
    ensure!(ended.is(0), "dm runs prune: {}", ended.said());
    let after = size(&run)?;
    findings.count(if after < before && run.join("model.safetensors").is_file() {
        Ok(())
    } else {
        Err(format!("dm runs prune: {before} bytes before, {after} bytes after"))
    });
    findings.figure =
        format!("{kept} checkpoints kept; pruning freed {:.0} %", 100.0 * (1.0 - after / before));
    Ok(findings)
}

/// Size of all files in bytes.
fn size(run: &std::path::Path) -> Result<f64> {
    let files = crate::workspace::files_below(run)?;
    Ok(files.iter().filter_map(|path| path.metadata().ok()).map(|data| data.len() as f64).sum())
}
