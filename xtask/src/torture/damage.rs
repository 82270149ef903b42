//! The newest checkpoint of an interrupted run is damaged: `--resume` must refuse it by name, continue from the one before, and
//! end with the model of an undamaged run. Every damaged data file must be refused.

use super::findings::Findings;
use super::lab::Lab;
use super::process::{finish, kill, start};
use super::run_files::{checkpoints, contents, copy, first_difference, steps};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// Truncations are made at multiples of this many bytes.
const PAGE: usize = 4096;

pub fn test(lab: &mut Lab) -> Result<Findings> {
    let config = lab.config("damaged", "kind = \"ink\"", "epochs = 8\ncheckpoint_every = 3")?;
    let train = |run| ["train", &config, "--run", run, "--resume", "--no-tensorboard"];
    let ended = finish(lab.command(&train("undamaged")))?;
    ensure!(ended.is(0), "training: {}", ended.said());
    let whole = contents(&lab.path("undamaged"))?;

    let mut child = start(lab.command(&train("half")))?;
    while steps(&lab.path("half")) < 16 && child.try_wait()?.is_none() {
        sleep(Duration::from_micros(200));
    }
    ensure!(kill(&mut child)?, "the run ended before it could be killed");
    let newest = checkpoints(&lab.path("half"))?.pop().context("a killed run has a checkpoint")?;
    let bytes = std::fs::read(&newest).with_context(|| newest.display().to_string())?;

    let mut findings = Findings::default();
    let damages = damages(lab, &bytes);
    findings.test = format!(
        "{} damaged checkpoints (bytes all over the header, bits anywhere, truncations every {PAGE} bytes)",
        damages.len()
    );
    for (what, damaged) in damages {
        std::fs::remove_dir_all(lab.path("damaged")).ok();
        copy(&lab.path("half"), &lab.path("damaged"))?;
        let target = lab.path("damaged").join(newest.strip_prefix(lab.path("half"))?);
        std::fs::write(&target, damaged).with_context(|| target.display().to_string())?;
        let outcome = resumes(lab, &train("damaged"), &target, &whole)?;
        findings.count(outcome.map_err(|why| format!("{what}: {why}")));
    }
    Ok(findings)
}

/// Kinds of damage with the damaged bytes.
fn damages(lab: &mut Lab, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let length: [u8; 8] = bytes[..8].try_into().unwrap_or_default();
    let header = 8 + u64::from_le_bytes(length) as usize;
    let mut damages = Vec::new();
    let flip = |at: usize, bit: u64| {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1 << bit;
        damaged
    };
    // The tests of dm-train damage every byte of a header; here every trial resumes a run.
    let step = if lab.quick { header / 15 } else { header / 300 };
    for at in (0..header).step_by(step.max(1)) {
        let bit = lab.below(8);
        damages.push((format!("bit {bit} of byte {at} of the header"), flip(at, bit)));
    }
    for _ in 0..lab.trials(1000, 10) {
        let (at, bit) = (lab.below(bytes.len() as u64) as usize, lab.below(8));
        damages.push((format!("bit {bit} of byte {at}"), flip(at, bit)));
    }
    let pages: Vec<usize> = (0..bytes.len()).step_by(PAGE).collect();
    let step = if lab.quick { pages.len().div_ceil(5) } else { 1 };
    for &length in pages.iter().step_by(step.max(1)) {
        damages.push((format!("truncated to {length} bytes"), bytes[..length].to_vec()));
    }
    damages
}

/// Whether a run with a damaged checkpoint names the file and ends as the undamaged run did.
fn resumes(
    lab: &Lab,
    train: &[&str],
    damaged: &Path,
    whole: &BTreeMap<String, Vec<u8>>,
) -> Result<Result<(), String>> {
    let ended = finish(lab.command(train))?;
    let name = damaged.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !ended.is(0) {
        return Ok(Err(ended.said()));
    }
    if !ended.stderr.contains(&name) {
        return Ok(Err(format!("nothing was said about {name}")));
    }
    Ok(match first_difference(whole, &contents(&lab.path("damaged"))?) {
        None => Ok(()),
        Some(what) => Err(format!("{what} differs from the undamaged run")),
    })
}
