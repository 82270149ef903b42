//! `cargo xtask build-time`: how long a newcomer waits. Clones the commit that is checked out, and times the first command of
//! README.md with an empty cargo home, then the test command with an empty target folder. Writes `report/build.json`.

use crate::ci::TEST;
use crate::machine;
use crate::workspace::{cargo, root, write_atomically};
use anyhow::{Context, Result, ensure};
use dm_record::Machine;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Where the result is kept.
pub const FILE: &str = "report/build.json";

/// The arguments of the command that shows samples.
const SAMPLE: [&str; 7] = ["run", "--locked", "-p", "dm-cli", "--", "sample", "--show"];

/// How many of the longest compilations are kept.
const LONGEST: usize = 10;

/// The arguments of `cargo xtask build-time`.
#[derive(clap::Args)]
pub struct Args;

/// The result of `cargo xtask build-time`.
#[derive(Debug, Serialize, Deserialize)]
pub struct BuildFile {
    /// The machine.
    pub machine: Machine,
    /// The commit that was built.
    pub revision: String,
    /// The commands, in the order in which they ran.
    pub commands: Vec<BuildTime>,
}

/// One command with everything that it downloads and compiles.
#[derive(Debug, Serialize, Deserialize)]
pub struct BuildTime {
    /// The command as README.md has it.
    pub command: String,
    /// What was empty before the command: the cargo home or the target folder.
    pub from: String,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Number of compilations, build scripts and their runs included.
    pub units: usize,
    /// The longest compilations.
    pub longest: Vec<UnitTime>,
}

/// The compilation of a crate, or the compilation or run of its build script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitTime {
    /// Name of the crate.
    pub name: String,
    /// Kind of the unit, as cargo writes it; empty for a library.
    #[serde(default)]
    pub target: String,
    /// Seconds from start to end. Others may run at the same time.
    #[serde(rename = "duration")]
    pub seconds: f64,
}

pub fn run(_: &Args) -> Result<ExitCode> {
    let dir = tempfile::tempdir().context("creating a temporary folder")?;
    let (clone, home) = (dir.path().join("dm"), dir.path().join("cargo-home"));
    git(dir.path(), &["clone", "--quiet", "--no-hardlinks", &root().to_string_lossy(), "dm"])?;
    let revision = git(&clone, &["rev-parse", "HEAD"])?;
    std::fs::create_dir(&home).with_context(|| home.display().to_string())?;
    copy_registry_settings(&home)?;

    let machine = machine::this();
    let mut commands = Vec::new();
    commands.push(time(&clone, &home, &SAMPLE, "an empty cargo home")?);
    let target = clone.join("target");
    std::fs::remove_dir_all(&target).with_context(|| target.display().to_string())?;
    commands.push(time(&clone, &home, &TEST, "an empty target folder")?);

    let file = BuildFile { machine, revision: revision.trim().to_owned(), commands };
    let text = serde_json::to_string_pretty(&file)? + "\n";
    write_atomically(&root().join(FILE), text.as_bytes())?;
    for command in &file.commands {
        println!("{}: {:.0} s from {}", command.command, command.seconds, command.from);
    }
    println!("written to {FILE}; cargo xtask tables puts the times into README.md");
    Ok(ExitCode::SUCCESS)
}

/// Runs cargo in `clone` with its own `home`, with cargo's progress on the terminal.
fn time(clone: &Path, home: &Path, arguments: &[&str], from: &str) -> Result<BuildTime> {
    let command = format!("cargo {}", arguments.join(" "));
    println!("{command}, from {from}");
    let began = Instant::now();
    let status = Command::new(cargo())
        // The chart of compilations is written beside the build and costs nothing that can be measured.
        .args([arguments[0], "--timings"])
        .args(&arguments[1..])
        .env("CARGO_HOME", home)
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(clone)
        .status()
        .with_context(|| format!("starting {command}"))?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(status.success(), "{command} failed ({status})");
    let chart = clone.join("target/cargo-timings/cargo-timing.html");
    let html = std::fs::read_to_string(&chart).with_context(|| chart.display().to_string())?;
    let mut units = units(&html).with_context(|| format!("{}: found no list of units", chart.display()))?;
    let n = units.len();
    units.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    units.truncate(LONGEST);
    Ok(BuildTime { command, from: from.to_owned(), seconds, units: n, longest: units })
}

/// The units in the page that `cargo --timings` writes.
fn units(html: &str) -> Option<Vec<UnitTime>> {
    let (_, data) = html.split_once("UNIT_DATA = ")?;
    serde_json::Deserializer::from_str(data).into_iter().next()?.ok()
}

/// Where crates come from is a setting of the machine, not a part of the cache that is emptied.
fn copy_registry_settings(home: &Path) -> Result<()> {
    let user = std::env::var_os("CARGO_HOME").map(Into::into);
    let Some(user) = user.or_else(|| Some(std::env::home_dir()?.join(".cargo"))) else { return Ok(()) };
    let from = user.join("config.toml");
    if from.exists() {
        std::fs::copy(&from, home.join("config.toml")).with_context(|| from.display().to_string())?;
    }
    Ok(())
}

/// Runs git in `folder` and returns what it prints.
fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").args(arguments).current_dir(folder).output().context("starting git")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {} failed: {}", arguments.join(" "), error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_are_read_from_the_page_of_cargo() {
        let html = "<script>\nDURATION = 3;\nconst UNIT_DATA = [\n  {\"i\": 0, \"name\": \"a\", \"target\": \"\", \
                    \"duration\": 1.5, \"sections\": null},\n  {\"i\": 1, \"name\": \"b\", \"target\": \" build script\", \
                    \"duration\": 2.0}\n];\nconst CONCURRENCY_DATA = [];\n</script>";
        let read = units(html).unwrap();
        assert_eq!(read[0], UnitTime { name: "a".into(), target: String::new(), seconds: 1.5 });
        assert_eq!(read[1].target, " build script");
        assert!(units("<html>").is_none());
    }
}
