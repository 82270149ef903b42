//! `cargo xtask report`: the Typst sources in `report/` and the recorded files beside them become figures, tables and
//! `report/report.pdf`, the same to the last byte on every machine. The typesetter is large, so it sits behind the feature
//! `report`; without it this task builds the task once more with it. The rules of the text (how many words, no number
//! typed by hand) need less of it, the feature `text`.

#[cfg(feature = "report")]
mod press;
#[cfg(feature = "text")]
mod text;

#[cfg(not(feature = "report"))]
use crate::workspace::cargo;
use crate::workspace::root;
use anyhow::{Context, Result};
#[cfg(not(feature = "report"))]
use std::process::Command;
use std::process::ExitCode;

/// What to do with the report.
#[derive(clap::Args)]
pub struct Args {
    /// Only check the text: count its words, section by section, and look for numbers typed by hand
    #[arg(long)]
    count: bool,
    /// Write nothing; fail if figures, tables or report.pdf are not what their sources make
    #[arg(long, conflicts_with = "count")]
    check: bool,
}

/// Checks the text, then sets it.
#[cfg(feature = "text")]
pub fn run(args: &Args) -> Result<ExitCode> {
    text::check(&root().join("report"), args.count)?;
    if args.count {
        return Ok(ExitCode::SUCCESS);
    }
    set(args.check)
}

/// The same by a build that can read it.
#[cfg(not(feature = "text"))]
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.count {
        return built_with("text", &["--count"]);
    }
    set(args.check)
}

/// Makes everything, or with `check` the same in a copy of the folder, to compare.
#[cfg(feature = "report")]
fn set(check: bool) -> Result<ExitCode> {
    let folder = root().join("report");
    if !check {
        press::make(&folder)?;
        crate::tables::refresh(root(), false)?;
        return Ok(ExitCode::SUCCESS);
    }
    let copy = tempfile::tempdir().context("making a folder for the copy")?;
    press::copy(&folder, copy.path())?;
    press::make(copy.path())?;
    let mut stale = press::differing(copy.path(), &folder)?;
    stale.extend(crate::tables::refresh(root(), true)?.into_iter().map(Into::into));
    for path in &stale {
        println!("{}: not what its sources make; run cargo xtask report", path.display());
    }
    Ok(if stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The same by a build that has the typesetter.
#[cfg(not(feature = "report"))]
fn set(check: bool) -> Result<ExitCode> {
    eprintln!("building the typesetter, which takes a quarter of an hour the first time");
    built_with("report", if check { &["--check"] } else { &[] })
}

/// This task by a build of this tool that has a feature.
#[cfg(not(feature = "report"))]
fn built_with(feature: &str, flags: &[&str]) -> Result<ExitCode> {
    let mut command = Command::new(cargo());
    command.args(["run", "--quiet", "--locked", "-p", "xtask", "--features", feature, "--", "report"]);
    let status = command.args(flags).current_dir(root()).status().context("starting cargo run")?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(2)).unwrap_or(2)))
}
