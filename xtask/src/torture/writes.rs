//! Places that take no more bytes: a limit on the size of files, a full device, a small file system, a folder that is read-only.
//! That every single write, sync and rename may fail is tested in dm-train, which can inject such failures.

use super::findings::Findings;
use super::lab::Lab;
use super::process::{Ended, finish};
use super::run_files::checkpoints;
use anyhow::{Context, Result, ensure};
use std::process::Command;

pub fn test(lab: &mut Lab) -> Result<Findings> {
    let mut findings =
        Findings::of("limits on the size of files, a full device, a small and a read-only file system");
    let config = lab.config("full", "kind = \"ink\"", "epochs = 3\ncheckpoint_every = 2")?;
    let whole = ["train", &config, "--run", "full-whole", "--no-tensorboard"];
    let ended = finish(lab.command(&whole))?;
    ensure!(ended.is(0), "training: {}", ended.said());
    let largest = checkpoints(&lab.path("full-whole"))?
        .iter()
        .filter_map(|path| path.metadata().ok())
        .map(|data| data.len() / 1024)
        .max()
        .context("a finished run has a checkpoint")?;

    // In blocks of 1 KiB, from nothing to more than the largest file.
    let n = lab.trials(40, 6) as u64;
    for i in 0..n {
        let blocks = largest * 5 / 4 * i / (n - 1);
        let run = format!("limited-{blocks}");
        let ended = limited(lab, blocks, &["train", &config, "--run", &run, "--no-tensorboard"])?;
        findings.count(failed_well(lab, &ended, &run, blocks < largest)?);
    }
    for args in [["info", "full-whole"], ["runs", "."], ["degrade", "--list"]] {
        let ended = finish(shell(lab, "exec \"$0\" \"$@\" > /dev/full", &args))?;
        findings.count(if !ended.is(0) && ended.stderr.contains("stdout") {
            Ok(())
        } else {
            Err(format!("dm {} > /dev/full: {}", args.join(" "), ended.said()))
        });
        let ended = finish(shell(lab, "\"$0\" \"$@\" | true; exit ${PIPESTATUS[0]}", &args))?;
        findings.count(if ended.stderr.is_empty() {
            Ok(())
        } else {
            Err(format!("a closed pipe: {}", ended.said()))
        });
    }
    let mounted = file_systems(lab, &config, &mut findings)?;
    let systems = if mounted { "" } else { "; file systems were not mounted, which needs root" };
    findings.figure = format!("files up to {largest} KiB{systems}");
    Ok(findings)
}

/// `dm` with `args` by way of a shell.
fn shell(lab: &Lab, script: &str, args: &[&str]) -> Command {
    let mut command = Command::new("bash");
    command.arg("-c").arg(script).arg(&lab.dm).args(args).current_dir(lab.dir());
    command
}

/// Runs `dm` with a limit on the size of the files that it writes.
fn limited(lab: &Lab, blocks: u64, args: &[&str]) -> Result<Ended> {
    // The signal that comes with the limit would end the program before it can say anything.
    finish(shell(lab, &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""), args))
}

/// A run without room must fail with a message that names a file below the run, and leave checkpoints that load.
fn failed_well(lab: &Lab, ended: &Ended, run: &str, must_fail: bool) -> Result<Result<(), String>> {
    if ended.is(0) {
        return Ok(if must_fail { Err(format!("{run}: no failure")) } else { Ok(()) });
    }
    if ended.status.code().is_none() || !ended.stderr.contains(run) {
        return Ok(Err(format!("{run}: {}", ended.said())));
    }
    for path in checkpoints(&lab.path(run))? {
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        if let Err(error) = safetensors::SafeTensors::deserialize(&bytes) {
            return Ok(Err(format!("{}: {error}", path.display())));
        }
    }
    Ok(Ok(()))
}

/// Runs in a file system of 256 KiB and in one that is read-only. Returns whether they could be mounted.
fn file_systems(lab: &Lab, config: &str, findings: &mut Findings) -> Result<bool> {
    let place = lab.path("small");
    std::fs::create_dir_all(&place).context("a folder to mount")?;
    let mount = |args: &[&str]| {
        let mut command = Command::new("mount");
        command.args(args).arg(&place);
        finish(command).is_ok_and(|ended| ended.is(0))
    };
    if !mount(&["-t", "tmpfs", "-o", "size=256k", "tmpfs"]) {
        return Ok(false);
    }
    let train = |run| ["train", config, "--run", run, "--no-tensorboard"];
    let small = finish(lab.command(&train("small/run")));
    let checked = small.and_then(|ended| failed_well(lab, &ended, "small/run", true));
    let read_only = mount(&["-o", "remount,ro"]).then(|| finish(lab.command(&train("small/other"))));
    let mut unmount = Command::new("umount");
    unmount.arg(&place);
    finish(unmount)?;
    findings.count(checked?);
    if let Some(ended) = read_only.transpose()? {
        let said = ended.said();
        findings.count(if ended.is(2) && said.contains("small/other") { Ok(()) } else { Err(said) });
    }
    Ok(true)
}
