//! `cargo xtask report`: the Typst sources in `report/` and the recorded files beside them become `report/report.pdf`,
//! the same to the last byte on every machine. The typesetter is large, so it sits behind the feature `report`; without
//! it this task builds the task once more with it.

#[cfg(feature = "report")]
mod count;
#[cfg(feature = "report")]
mod press;

use anyhow::Result;
use std::process::ExitCode;

/// What to do with the report.
#[derive(clap::Args)]
pub struct Args {
    /// Only count the words, section by section
    #[arg(long)]
    count: bool,
    /// Write nothing; fail if report.pdf is not what its sources make
    #[arg(long, conflicts_with = "count")]
    check: bool,
}

#[cfg(feature = "report")]
pub fn run(args: &Args) -> Result<ExitCode> {
    use crate::workspace::{root, write_atomically};
    use anyhow::ensure;

    let folder = root().join("report");
    let words = count::sections(&folder)?;
    if args.count {
        for (section, words) in &words {
            println!("{words:5}  {section}");
        }
    }
    let total: usize = words.iter().map(|(_, words)| words).sum();
    println!("{total:5}  words of at most {} (captions, tables and bibliography out)", count::MOST);
    ensure!(total <= count::MOST, "report: found {total} words, expected at most {}", count::MOST);
    if args.count {
        return Ok(ExitCode::SUCCESS);
    }
    crate::sweep::draw_recorded(&folder)?;
    let pdf = press::pdf(&folder, "report.typ")?;
    let path = folder.join("report.pdf");
    if args.check {
        let found = std::fs::read(&path).unwrap_or_default();
        ensure!(found == pdf, "{}: not what its sources make; run cargo xtask report", path.display());
    } else {
        write_atomically(&path, &pdf)?;
    }
    println!("{}: {:.1} MB", path.display(), pdf.len() as f64 / 1e6);
    Ok(ExitCode::SUCCESS)
}

/// The same by a build that has the typesetter.
#[cfg(not(feature = "report"))]
pub fn run(args: &Args) -> Result<ExitCode> {
    use crate::workspace::{cargo, root};
    use anyhow::Context;

    eprintln!("building the typesetter, which takes a quarter of an hour the first time");
    let mut command = std::process::Command::new(cargo());
    command.args(["run", "--quiet", "--locked", "-p", "xtask", "--features", "report", "--", "report"]);
    let flags = [("--count", args.count), ("--check", args.check)];
    command.args(flags.iter().filter(|(_, given)| *given).map(|(flag, _)| flag));
    let status = command.current_dir(root()).status().context("starting cargo run")?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(2)).unwrap_or(2)))
}
