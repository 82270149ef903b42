//! A run that is killed at a random step and resumed must end with the bits of a run that was never stopped: parameters,
//! moments, averages, metrics, pictures, and the samples that are drawn from it.

use super::findings::Findings;
use super::lab::{Lab, TRAIN};
use super::process::{finish, kill, start};
use super::run_files::{contents, first_difference, steps};
use anyhow::{Result, ensure};
use std::thread::sleep;
use std::time::Duration;

/// Images per step, as in the config of the lab.
const BATCH: usize = 16;
/// Passes over the data.
const EPOCHS: usize = 10;

pub fn test(lab: &mut Lab) -> Result<Findings> {
    let n = lab.trials(20, 2);
    let mut findings = Findings::of(format!(
        "killed at {n} random steps and the last of an epoch, two processes, 1 and 2 threads"
    ));
    let per_epoch = TRAIN / BATCH;
    let total = EPOCHS * per_epoch;
    for kind in ["gaussian", "ink"] {
        for threads in ["1", "2"] {
            let name = format!("{kind}-{threads}");
            let lines = format!("epochs = {EPOCHS}\ncheckpoint_every = 3");
            let config = lab.config(&name, &format!("kind = \"{kind}\""), &lines)?;
            let whole = train(lab, &config, "whole", threads)?;
            for trial in 0..=n {
                // The last trial waits for the last step of an epoch.
                let at = if trial == n { 5 * per_epoch } else { 1 + lab.below(total as u64 - 1) as usize };
                std::fs::remove_dir_all(lab.path("killed-once")).ok();
                let mut child = start(command(lab, &config, "killed-once", threads))?;
                while steps(&lab.path("killed-once")) < at && child.try_wait()?.is_none() {
                    sleep(Duration::from_micros(200));
                }
                kill(&mut child)?;
                let resumed = train(lab, &config, "killed-once", threads)?;
                findings.count(match first_difference(&whole, &resumed) {
                    None => Ok(()),
                    Some(what) => {
                        Err(format!("{kind}, {threads} threads, killed at step {at}: {what} differs"))
                    }
                });
            }
            std::fs::remove_dir_all(lab.path("whole")).ok();
        }
    }
    findings.figure = format!("{total} steps each");
    Ok(findings)
}

fn command(lab: &Lab, config: &str, run: &str, threads: &str) -> std::process::Command {
    let mut command = lab.command(&["train", config, "--run", run, "--resume", "--no-tensorboard"]);
    command.env("RAYON_NUM_THREADS", threads);
    command
}

/// Trains to the end, draws samples, and returns the contents of both.
fn train(
    lab: &Lab,
    config: &str,
    run: &str,
    threads: &str,
) -> Result<std::collections::BTreeMap<String, Vec<u8>>> {
    let ended = finish(command(lab, config, run, threads))?;
    ensure!(ended.is(0), "training {run}: {}", ended.said());
    let drawn = lab.path(run).join("drawn");
    let drawn = drawn.to_string_lossy();
    let ended = finish(lab.command(&["sample", run, "-n", "5", "--seed", "3", "--out", &drawn]))?;
    ensure!(ended.is(0), "sampling from {run}: {}", ended.said());
    let contents = contents(&lab.path(run))?;
    // The files of samples name the model's path and hash, which contain no time.
    Ok(contents.into_iter().filter(|(name, _)| !name.contains("[model")).collect())
}
