//! Many starts at once: of one run folder, which one process wins, and of evaluations with one cache, which must all print what
//! an evaluation alone prints.

use super::findings::Findings;
use super::lab::Lab;
use super::process::{finish, kill, start};
use super::run_files::steps;
use anyhow::{Context, Result, ensure};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The exit code of a refusal.
const REFUSED: i32 = 2;

pub fn test(lab: &mut Lab) -> Result<Findings> {
    let n = lab.trials(50, 8);
    let mut findings =
        Findings::of(format!("{n} simultaneous starts in one run folder, {n} evaluations on one cache"));
    starts(lab, n, &mut findings)?;
    evaluations(lab, n, &mut findings)?;
    Ok(findings)
}

fn starts(lab: &mut Lab, n: usize, findings: &mut Findings) -> Result<()> {
    let config = lab.config("shared", "kind = \"ink\"", "epochs = 100000\ncheckpoint_every = 50")?;
    let args = ["train", &config, "--run", "shared", "--resume", "--no-tensorboard"];
    let mut children = Vec::new();
    for _ in 0..n {
        let mut command = lab.command(&args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        children.push(command.spawn().context("starting dm")?);
    }
    // All but one end by themselves.
    for _ in 0..3000 {
        let running =
            children.iter_mut().filter_map(|child| child.try_wait().ok()).filter(Option::is_none).count();
        if running <= 1 && steps(&lab.path("shared")) > 0 {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    let (mut winners, mut losers) = (Vec::new(), Vec::new());
    for mut child in children {
        if child.try_wait()?.is_none() { winners.push(child) } else { losers.push(child) }
    }
    let holder = winners.first().map(Child::id);
    for child in losers {
        let output = child.wait_with_output().context("waiting for dm")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let names_holder = holder.is_some_and(|id| said.contains(&id.to_string()));
        findings.count(if output.status.code() == Some(REFUSED) && names_holder {
            Ok(())
        } else {
            Err(format!("a start that lost: {}, said: {}", output.status, said.trim_end()))
        });
    }
    findings.count(if winners.len() == 1 {
        Ok(())
    } else {
        Err(format!("{} starts trained", winners.len()))
    });
    for mut child in winners {
        kill(&mut child)?;
    }
    // The folder is free again.
    let before = steps(&lab.path("shared"));
    let mut child = start(lab.command(&args))?;
    let mut went_on = false;
    for _ in 0..1000 {
        went_on = steps(&lab.path("shared")) > before;
        if went_on || child.try_wait()?.is_some() {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    kill(&mut child)?;
    findings.count(if went_on { Ok(()) } else { Err("the folder is not free after SIGKILL".to_owned()) });
    Ok(())
}

fn evaluations(lab: &mut Lab, n: usize, findings: &mut Findings) -> Result<()> {
    let config = lab.config("judged", "kind = \"ink\"", "epochs = 1\ncheckpoint_every = 50")?;
    let ended = finish(lab.command(&["train", &config, "--run", "judged", "--no-tensorboard"]))?;
    ensure!(ended.is(0), "training: {}", ended.said());
    std::fs::write(lab.path("judge.toml"), JUDGE).context("writing a config")?;
    let ended = finish(lab.command(&["train", "judge.toml", "--run", "judge", "--no-tensorboard"]))?;
    ensure!(ended.is(0), "training a classifier: {}", ended.said());
    let args = |cache| {
        ["eval", "judged", "-n", "24", "--data", "data", "--classifier", "judge", "--cache", cache, "--json"]
    };
    let alone = finish(lab.command(&args("cache-alone")))?;
    ensure!(alone.is(0), "an evaluation alone: {}", alone.said());
    let mut children = Vec::new();
    for _ in 0..n {
        let mut command = lab.command(&args("cache-shared"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        children.push(command.spawn().context("starting dm")?);
    }
    for child in children {
        let output = child.wait_with_output().context("waiting for dm")?;
        let equal = without_time(&String::from_utf8_lossy(&output.stdout)) == without_time(&alone.stdout);
        findings.count(if output.status.success() && equal {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!(
                "an evaluation of many: {}, equal: {equal}, said: {}",
                output.status,
                said.trim_end()
            ))
        });
    }
    Ok(())
}

/// The scores without the line that states how long they took.
fn without_time(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.contains("\"seconds\"")).collect()
}

/// The config of a small classifier.
const JUDGE: &str = "name = \"judge\"\n[data]\npath = \"data\"\n[classifier]\nchannels = [8, 8]\nfeatures = 8\n\
                     [training]\nepochs = 2\nbatch_size = 16\n";
