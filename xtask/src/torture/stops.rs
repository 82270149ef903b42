//! SIGINT and SIGTERM at random moments of everything that takes long: the process must save what it promises to save and end
//! within two seconds with the documented exit code.

use super::findings::Findings;
use super::lab::Lab;
use super::process::{start, status_words, wait};
use crate::signal;
use crate::workspace::root;
use anyhow::{Context, Result};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// The time within which a process must end.
const LIMIT: Duration = Duration::from_secs(2);
/// The exit code of an interrupted command.
const INTERRUPTED: i32 = 130;

/// One kind of work.
struct Work {
    name: &'static str,
    /// Arguments of `dm`, or of `cargo xtask` if the first one is `sweep`.
    args: Vec<String>,
    /// The first and the last moment of a signal, in milliseconds after the start.
    moments: (u64, u64),
}

pub fn test(lab: &mut Lab) -> Result<Findings> {
    let n = lab.trials(100, 3);
    let signals = signal::ENDING;
    let mut findings =
        Findings::of(format!("SIG{}, {n} moments each, in six kinds of work", signals.join(" and SIG")));
    let mut slowest = (Duration::ZERO, "");
    for work in works(lab)? {
        for trial in 0..signals.len() * n {
            let name = signals[trial % signals.len()];
            let (from, to) = work.moments;
            let mut child = start(command(lab, &work)?)?;
            sleep(Duration::from_millis(from + lab.below(to - from)));
            signal::send(&child, name)?;
            let ended = wait(&mut child, 15 * LIMIT)?;
            findings.count(match ended {
                None => Err(format!("{}: SIG{name} had no effect for {} s", work.name, 15 * LIMIT.as_secs())),
                Some((_, took)) if took > LIMIT => {
                    Err(format!("{}: SIG{name} took {:.2} s", work.name, took.as_secs_f64()))
                }
                Some((status, _)) if status.code() != Some(INTERRUPTED) => {
                    Err(format!("{}: SIG{name}: {}", work.name, status_words(status)))
                }
                Some(_) => Ok(()),
            });
            if let Some((_, took)) = ended.filter(|(_, took)| *took > slowest.0) {
                slowest = (took, work.name);
            }
        }
    }
    findings.count(goes_on(lab)?);
    findings.figure = format!("slowest stop {:.2} s ({})", slowest.0.as_secs_f64(), slowest.1);
    Ok(findings)
}

/// The run that was stopped so often still resumes.
fn goes_on(lab: &Lab) -> Result<Result<(), String>> {
    let mut child = start(command(lab, &works(lab)?[0])?)?;
    let ended = wait(&mut child, LIMIT)?;
    Ok(match ended {
        // It is still training.
        None => Ok(()),
        Some((status, _)) => Err(format!("the run does not resume: {}", status_words(status))),
    })
}

/// Real networks and real images, so that steps, pictures and evaluations take as long as they take in use.
fn works(lab: &Lab) -> Result<Vec<Work>> {
    let config = root().join("data/configs/ink-unet.toml");
    let config = config.to_str().context("the path of the workspace")?;
    let data = format!("data.path=\"{}\"", root().join("data/mnist").display());
    let work = |name, words: &[&str], moments| Work {
        name,
        args: words.iter().map(|&word| word.to_owned()).collect(),
        moments,
    };
    let train = ["train", config, "--resume", "--no-tensorboard", "--set", &data];
    let pictures = [
        &train[..],
        &["--run", "stopped-pictures", "--set", "training.batch_size=16", "--set", "training.max_images=16"],
        &[
            "--set",
            "training.epochs=100000",
            "--set",
            "training.sample_count=64",
            "--set",
            "sampling.nfe=1000",
        ],
    ];
    let out = lab.path("stopped");
    let out = out.to_str().context("a temporary path")?;
    let picture = format!("{out}/restored.png");
    Ok(vec![
        work("training", &[&train[..], &["--run", "stopped-training"]].concat(), (1000, 4000)),
        work("pictures", &pictures.concat(), (1500, 5000)),
        work("sampling", &["sample", "ink-unet", "-n", "5000", "--out", out], (300, 3000)),
        work("evaluation", &["eval", "ink-unet", "-n", "5000", "--cache", out], (300, 4000)),
        work("restoring", &["restore", "ink-unet", "--count", "1000", "--out", &picture], (300, 3000)),
        work("sweep", &["sweep", "--profile", "smoke", "--clean"], (500, 4000)),
    ])
}

fn command(lab: &Lab, work: &Work) -> Result<Command> {
    let args: Vec<&str> = work.args.iter().map(String::as_str).collect();
    if work.name != "sweep" {
        return Ok(lab.command(&args));
    }
    let mut command = Command::new(std::env::current_exe().context("finding this program")?);
    command
        .args(args)
        .arg("--dm")
        .arg(&lab.dm)
        .arg("--out")
        .arg(lab.path("stopped-sweep"))
        .current_dir(root());
    Ok(command)
}
