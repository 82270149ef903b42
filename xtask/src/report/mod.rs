//! `cargo xtask report`: makes figures, tables and `report/report.pdf` from the Typst sources in `report/` and the recorded files
//! beside them, with the same bytes on every machine. Typst is large, so it is behind the feature `report`. A build without the
//! feature builds and runs xtask again with the feature. The rules of the text (a limit of words, no number typed by hand) need
//! only Typst's parser, which is behind the feature `text`.

#[cfg(feature = "text")]
mod text;
#[cfg(feature = "report")]
mod typst_world;

#[cfg(not(feature = "report"))]
use crate::workspace::cargo;
use crate::workspace::root;
use anyhow::{Context, Result};
#[cfg(not(feature = "report"))]
use std::process::Command;
use std::process::ExitCode;

/// The arguments of `cargo xtask report`.
#[derive(clap::Args)]
pub struct Args {
    /// Only check the text: count its words, section by section, and look for numbers typed by hand
    #[arg(long)]
    count: bool,
    /// Write nothing; fail if figures, tables or report.pdf do not match their sources
    #[arg(long, conflicts_with = "count")]
    check: bool,
}

/// Checks the text, then makes the report.
#[cfg(feature = "text")]
pub fn run(args: &Args) -> Result<ExitCode> {
    text::check(&root().join("report"), args.count)?;
    if args.count {
        return Ok(ExitCode::SUCCESS);
    }
    typeset(args.check)
}

/// Does the same by a build with the parser.
#[cfg(not(feature = "text"))]
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.count {
        return built_with("text", &["--count"]);
    }
    typeset(args.check)
}

/// Makes figures, tables and PDF. With `check`, makes them in a copy of the folder and compares both.
#[cfg(feature = "report")]
fn typeset(check: bool) -> Result<ExitCode> {
    let folder = root().join("report");
    if !check {
        typst_world::make(&folder)?;
        crate::tables::refresh(root(), false)?;
        return Ok(ExitCode::SUCCESS);
    }
    let copy = tempfile::tempdir().context("making a folder for the copy")?;
    typst_world::copy(&folder, copy.path())?;
    typst_world::make(copy.path())?;
    let mut stale = typst_world::differing(copy.path(), &folder)?;
    stale.extend(crate::tables::refresh(root(), true)?.into_iter().map(Into::into));
    for path in &stale {
        println!("{}: does not match its sources; run cargo xtask report", path.display());
    }
    Ok(if stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Does the same by a build with Typst.
#[cfg(not(feature = "report"))]
fn typeset(check: bool) -> Result<ExitCode> {
    eprintln!("building Typst, which takes a quarter of an hour the first time");
    built_with("report", if check { &["--check"] } else { &[] })
}

/// Runs this task by a build with `feature`.
#[cfg(not(feature = "report"))]
fn built_with(feature: &str, flags: &[&str]) -> Result<ExitCode> {
    let mut command = Command::new(cargo());
    command.args(["run", "--quiet", "--locked", "-p", "xtask", "--features", feature, "--", "report"]);
    let status = command.args(flags).current_dir(root()).status().context("starting cargo run")?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(2)).unwrap_or(2)))
}
