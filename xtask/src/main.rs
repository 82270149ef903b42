//! `cargo xtask`: sweeps, figures, benches and checks around the workspace. It depends on no other crate of it: a
//! sweep spawns the `dm` binary and reads the files of its runs, a bench spawns a bench program. What a diffusion model is stays out of here.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

mod bench;
mod ci;
mod figures;
mod hooks;
mod measured;
mod record;
mod report;
mod scores;
mod sweep;
mod tables;
mod tidy;
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
    /// Train and sample every run of a profile, then write a summary and figures
    Sweep(sweep::Args),
    /// Draw the figures of finished or running runs again, or those of evaluations
    Figures(sweep::FigureArgs),
    /// Set report/report.pdf from its sources and the recorded runs
    Report(report::Args),
    /// Write the tables of README.md and of the model cards from the recorded runs
    Tables(tables::Args),
    /// Measure the engine: against PyTorch, and how it scales
    Bench(bench::Args),
    /// Run every check that CI runs, cheapest first
    Ci(ci::Args),
    /// Check the habits no compiler checks: file heads, sizes, stale paths, stray files
    Tidy,
    /// Install git hooks: pre-commit runs fmt and tidy, pre-push to main runs ci
    Hooks(hooks::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Sweep(args) => sweep::run(&args),
        Task::Figures(args) => sweep::redraw(&args),
        Task::Report(args) => report::run(&args),
        Task::Tables(args) => tables::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Ci(args) => ci::run(&args),
        Task::Tidy => tidy::run(),
        Task::Hooks(args) => hooks::run(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
