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
    /// Run only the steps of this stage of CI [default: all stages except coverage]
    #[arg(long, value_enum, value_name = "STAGE")]
    stage: Option<Stage>,
}

/// The stages of CI, which .gitlab-ci.yml runs as jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// Checks that compile little or nothing
    Quick,
    /// Warnings and documentation
    Lint,
    Test,
    /// Whole sweeps, and a build for GPUs
    E2e,
    /// The tests once more, with their coverage of the code
    Coverage,
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
    Torture,
    Smoke,
    Zoo,
    Cuda,
    Coverage,
}

/// Where cargo llvm-cov writes its result, as GitLab reads it.
const COVERAGE: &str = "target/coverage.xml";
/// A file of the toolkit that `.ci/cuda fetch` has downloaded.
const TOOLKIT: &str = "target/cuda/pyvenv.cfg";

impl Step {
    /// The stage that the step belongs to.
    fn stage(self) -> Stage {
        match self {
            Self::Fmt | Self::Tidy | Self::Tables | Self::Words | Self::Deny | Self::Machete => Stage::Quick,
            Self::Clippy | Self::Doc => Stage::Lint,
            Self::Test => Stage::Test,
            Self::Torture | Self::Smoke | Self::Zoo | Self::Cuda => Stage::E2e,
            Self::Coverage => Stage::Coverage,
        }
    }

    /// Whether the step runs in `stage`. Without a stage, all steps run whose result is not that of another step.
    fn is_in(self, stage: Option<Stage>) -> bool {
        stage.map_or(self != Self::Coverage, |stage| self.stage() == stage)
    }

    /// Why the step cannot run on this machine.
    fn obstacle(self) -> Result<Option<String>> {
        let tool = match self {
            Self::Machete => "machete",
            Self::Deny => "deny",
            Self::Coverage => "llvm-cov",
            Self::Cuda if !root().join(TOOLKIT).is_file() => {
                return Ok(Some("there is no CUDA toolkit (.ci/cuda fetch)".into()));
            }
            _ => return Ok(None),
        };
        let missing = || format!("cargo-{tool} is not installed (cargo install cargo-{tool} --locked)");
        Ok((!is_installed(tool)?).then(missing))
    }

    /// The arguments of cargo. The first argument is a subcommand, `xtask`, or a script.
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
            Self::Torture => &["xtask", "torture", "--quick"],
            Self::Smoke => &["xtask", "sweep", "--profile", "smoke", "--clean"],
            Self::Zoo => &["xtask", "sweep", "--study", "zoo", "--profile", "smoke", "--clean"],
            Self::Cuda => &[".ci/cuda", "check"],
            Self::Coverage => {
                &["llvm-cov", "--workspace", "--locked", "--cobertura", "--output-path", COVERAGE]
            }
        }
    }

    /// The command line.
    fn command_line(self) -> String {
        let words = self.words().join(" ");
        if self == Self::Cuda { words } else { format!("cargo {words}") }
    }

    /// Runs the step; returns whether it succeeded.
    fn run(self) -> Result<bool> {
        if self == Self::Deny {
            // Offline, cargo-deny needs the crates of every platform. A build has fetched only those of this platform.
            let fetched =
                Command::new(cargo()).args(["fetch", "--quiet", "--locked"]).current_dir(root()).status();
            if !fetched.context("starting cargo fetch")?.success() {
                return Ok(false);
            }
        }
        let words = self.words();
        let mut command = if let Some((&"xtask", rest)) = words.split_first() {
            // The step runs this binary itself, so that no nested cargo checks whether the binary is up to date.
            let mut command = Command::new(std::env::current_exe().context("finding this binary")?);
            command.args(rest);
            command
        } else if self == Self::Cuda {
            let mut command = Command::new("bash");
            command.args(words);
            command
        } else {
            let mut command = Command::new(cargo());
            // cargo-machete takes this variable, which `cargo run` has set, as a sign that cargo did not start it.
            command.args(words).env_remove("CARGO_PKG_NAME");
            command
        };
        if self == Self::Doc {
            command.env("RUSTDOCFLAGS", "-D warnings");
        }
        let status = command.current_dir(root()).status().with_context(|| format!("starting {self:?}"))?;
        Ok(status.success())
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut report = Vec::new();
    for &step in Step::value_variants().iter().filter(|step| step.is_in(args.stage)) {
        let name = step.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        if args.skip.contains(&step) {
            report.push(format!("{name:8} left out"));
            continue;
        }
        println!("\n==> {name}: {}", step.command_line());
        if let Some(obstacle) = step.obstacle()? {
            println!("skipped: {obstacle}");
            report.push(format!("{name:8} skipped   {obstacle}"));
            continue;
        }
        let began = Instant::now();
        let passed = step.run()?;
        let seconds = began.elapsed().as_secs_f64();
        if !passed {
            println!("\n{}\n{name:8} FAILED    {seconds:7.1} s", report.join("\n"));
            return Ok(ExitCode::FAILURE);
        }
        report.push(format!("{name:8} ok        {seconds:7.1} s"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// The words of the lines of `.gitlab-ci.yml` that run a stage.
    fn jobs(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.trim().strip_prefix("- bash .ci/run ")).collect()
    }

    #[test]
    fn gitlab_runs_every_stage_by_the_script_that_runs_it_here() {
        let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
        let (gitlab, script) = (read(".gitlab-ci.yml"), read(".ci/run"));
        let stages = Stage::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let stages: Vec<String> = stages.map(|stage| stage.get_name().to_owned()).collect();
        assert_eq!(jobs(&gitlab), stages);
        assert!(script.contains("cargo xtask ci --stage \"$stage\""), "{script}");
        // Every stage has a step, and the coverage is where the job looks for it.
        for stage in Stage::value_variants() {
            assert!(
                Step::value_variants().iter().any(|step| step.is_in(Some(*stage))),
                "{stage:?} has no step"
            );
        }
        assert!(gitlab.contains(&format!("path: {COVERAGE}")), "{gitlab}");
        assert!(gitlab.contains("junit: target/junit.xml") && script.contains("target/junit.xml"));
        // This program understands the sweep that is started by hand.
        let sweep = gitlab.lines().find_map(|line| line.trim().strip_prefix("- cargo xtask "));
        let words = sweep.expect("a manual sweep").replace("$STUDY", "digits").replace("$PROFILE", "laptop");
        let parsed = crate::Cli::try_parse_from(std::iter::once("xtask").chain(words.split(' ')));
        assert!(parsed.is_ok(), "{words}: {:?}", parsed.err().map(|error| error.to_string()));
    }
}
