//! `cargo xtask`: sweeps, figures, benchmarks and checks of this workspace. The only crate of the workspace that it uses is
//! `dm-record`: a sweep starts the `dm` binary and reads the files of the runs, a benchmark starts a bench program.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

mod bench;
mod build_time;
mod ci;
mod figures;
mod hooks;
mod machine;
mod markdown;
mod records;
mod report;
mod signal;
mod sweep;
mod tables;
mod tidy;
#[cfg(unix)]
mod torture;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Tasks of this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Train and sample every run of a study, then write a summary and figures
    Sweep(sweep::Args),
    /// Draw the figures of runs or of evaluations again
    Figures(sweep::FigureArgs),
    /// Make report/report.pdf from its sources and the recorded runs
    Report(report::Args),
    /// Write the tables of README.md and of the model cards from the recorded runs
    Tables(tables::Args),
    /// Measure the speed of the engine, compared with PyTorch and over batch sizes and threads
    Bench(bench::Args),
    /// Measure how long the first build takes in a fresh clone, and the tests
    BuildTime(build_time::Args),
    /// Inject faults into real runs and check that dm keeps its promises
    #[cfg(unix)]
    Torture(torture::Args),
    /// Run every check that CI runs, cheapest first
    Ci(ci::Args),
    /// Check conventions that the compiler does not check: first lines and lengths of files, stray files, the commands of CI
    Tidy,
    /// Make git use the hooks in .githooks: fmt and tidy run before a commit, ci before a push to main
    Hooks,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Sweep(args) => sweep::run(&args),
        Task::Figures(args) => sweep::redraw(&args),
        Task::Report(args) => report::run(&args),
        Task::Tables(args) => tables::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::BuildTime(args) => build_time::run(&args),
        #[cfg(unix)]
        Task::Torture(args) => torture::run(&args),
        Task::Ci(args) => ci::run(&args),
        Task::Tidy => tidy::run(),
        Task::Hooks => hooks::run(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
