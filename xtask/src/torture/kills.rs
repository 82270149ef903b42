//! SIGKILL at random moments of a run that writes a checkpoint after every step: the next start must find a checkpoint that
//! loads, and no file under a temporary name may stay.

use super::findings::Findings;
use super::lab::Lab;
use super::process::{finish, kill, start, wait};
use super::run_files::{checkpoints, orphans, steps};
use crate::signal;
use anyhow::{Result, ensure};
use std::thread::sleep;
use std::time::Duration;

/// A start waits at most so long for its first step.
const PATIENCE: Duration = Duration::from_secs(20);
/// The latest moment of a kill after the first step of a start, in milliseconds.
const LATEST: u64 = 120;

pub fn test(lab: &mut Lab) -> Result<Findings> {
    let n = lab.trials(500, 20);
    let mut findings =
        Findings::of(format!("SIGKILL at {n} random moments of a run that saves after every step"));
    let config = lab.config("killed", "kind = \"ink\"", "epochs = 100000\ncheckpoint_every = 1")?;
    let args = ["train", &config, "--run", "killed", "--resume", "--no-tensorboard"];
    let run = lab.path("killed");
    let mut reached = 0;
    for trial in 0..n {
        let mut child = start(lab.command(&args))?;
        // Some kills fall into the start itself.
        let early = trial % 5 == 4;
        let mut waited = Duration::ZERO;
        while !early && steps(&run) <= reached && waited < PATIENCE {
            if child.try_wait()?.is_some() {
                break;
            }
            sleep(Duration::from_millis(1));
            waited += Duration::from_millis(1);
        }
        sleep(Duration::from_micros(lab.below(1000 * LATEST)));
        let killed = kill(&mut child)?;
        let now = steps(&run);
        findings.count(if !killed {
            Err(format!("trial {trial}: the run ended by itself: {}", finish(lab.command(&args))?.said()))
        } else if !early && now <= reached {
            Err(format!("trial {trial}: no step in {} s after a kill at step {reached}", PATIENCE.as_secs()))
        } else {
            Ok(())
        });
        reached = now;
    }
    findings.count(last_start(lab, &config)?);
    findings.figure = format!("{reached} steps went on across {n} kills");
    Ok(findings)
}

/// The last start finishes the epoch that is under way. Nothing may be left that no start needs.
fn last_start(lab: &Lab, config: &str) -> Result<Result<(), String>> {
    let run = lab.path("killed");
    let mut child =
        start(lab.command(&["train", config, "--run", "killed", "--resume", "--no-tensorboard"]))?;
    sleep(Duration::from_secs(1));
    signal::send(&child, "TERM")?;
    ensure!(wait(&mut child, Duration::from_secs(10))?.is_some(), "the last start did not stop");
    let left = orphans(&run)?;
    if !left.is_empty() {
        return Ok(Err(format!("files left under temporary names: {}", left.join(", "))));
    }
    Ok(if checkpoints(&run)?.is_empty() { Err("no checkpoint".to_owned()) } else { Ok(()) })
}
