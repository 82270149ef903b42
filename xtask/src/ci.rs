//! `cargo xtask ci`: the checks that CI runs, cheapest first, each timed. It stops at the first failure and installs nothing.

use crate::workspace::{cargo, root};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// The arguments of the test command. Tidy checks that README.md and `.ci/run` use the same command.
pub const TEST: [&str; 3] = ["test", "--workspace", "--locked"];

/// The arguments of `cargo xtask ci`.
#[derive(clap::Args)]
pub struct Args {
    /// Leave this step out (may be given several times)
    #[arg(long, value_enum, value_name = "STEP")]
    skip: Vec<Step>,
}

/// The checks, cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Step {
    Fmt,
    Tidy,
    Tables,
    Words,
    Deny,
    Machete,
    Clippy,
    Doc,
    Test,
    Smoke,
    Zoo,
}

impl Step {
    /// The arguments of cargo. The first argument is a subcommand or `xtask`.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Fmt => &["fmt", "--all", "--check"],
            Self::Tidy => &["xtask", "tidy"],
            Self::Tables => &["xtask", "tables", "--check"],
            // The tests of the report's text: no numbers typed by hand, not too many words.
            #[rustfmt::skip]
            Self::Words => &[
                "test", "--quiet", "--locked", "-p", "xtask", "--features", "text", "--bin", "xtask", "report::",
            ],
            Self::Deny => &["deny", "--offline", "check", "bans", "licenses", "sources"],
            // Dependencies that no file uses.
            Self::Machete => &["machete"],
            Self::Clippy => &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
            Self::Doc => &["doc", "--workspace", "--no-deps", "--locked"],
            Self::Test => &TEST,
            Self::Smoke => &["xtask", "sweep", "--profile", "smoke", "--clean"],
            Self::Zoo => &["xtask", "sweep", "--study", "zoo", "--profile", "smoke", "--clean"],
        }
    }

    /// Runs the step. `None` if its tool is not installed.
    fn run(self) -> Result<Option<bool>> {
        if self == Self::Machete && !is_installed("machete")? {
            return Ok(None);
        }
        if self == Self::Deny {
            if !is_installed("deny")? {
                return Ok(None);
            }
            // Offline, cargo-deny needs the crates of every platform. A build has fetched only those of this platform.
            let fetched =
                Command::new(cargo()).args(["fetch", "--quiet", "--locked"]).current_dir(root()).status();
            if !fetched.context("starting cargo fetch")?.success() {
                return Ok(Some(false));
            }
        }
        let words = self.words();
        let mut command = if let Some((&"xtask", rest)) = words.split_first() {
            // The step runs this binary itself, so that no nested cargo checks whether the binary is up to date.
            let mut command = Command::new(std::env::current_exe().context("finding this binary")?);
            command.args(rest);
            command
        } else {
            let mut command = Command::new(cargo());
            command.args(words);
            command
        };
        if self == Self::Doc {
            command.env("RUSTDOCFLAGS", "-D warnings");
        }
        let status = command.current_dir(root()).status().with_context(|| format!("starting {self:?}"))?;
        Ok(Some(status.success()))
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut report = Vec::new();
    for &step in Step::value_variants() {
        let name = step.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        if args.skip.contains(&step) {
            report.push(format!("{name:8} left out"));
            continue;
        }
        println!("\n==> {name}: cargo {}", step.words().join(" "));
        let began = Instant::now();
        let passed = step.run()?;
        let seconds = began.elapsed().as_secs_f64();
        match passed {
            Some(true) => report.push(format!("{name:8} ok        {seconds:7.1} s")),
            Some(false) => {
                println!("\n{}\n{name:8} FAILED    {seconds:7.1} s", report.join("\n"));
                return Ok(ExitCode::FAILURE);
            }
            None => {
                println!("skipped: cargo-{name} is not installed (cargo install cargo-{name} --locked)");
                report.push(format!("{name:8} skipped   its tool is not installed"));
            }
        }
    }
    println!("\n{}", report.join("\n"));
    Ok(ExitCode::SUCCESS)
}

/// Whether cargo has this subcommand.
fn is_installed(subcommand: &str) -> Result<bool> {
    let output = Command::new(cargo()).arg("--list").output().context("starting cargo --list")?;
    if !output.status.success() {
        bail!("cargo --list failed ({})", output.status);
    }
    let list = String::from_utf8_lossy(&output.stdout);
    Ok(list.lines().any(|line| line.split_whitespace().next() == Some(subcommand)))
}
