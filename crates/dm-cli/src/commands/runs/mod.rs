//! `dm runs`: lists run folders, shows one, compares two, and removes what is no longer needed.

pub mod compare;
pub mod curves;
mod list;
mod prune;
pub mod read;
mod show;
pub mod summary;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::terminal::Terminal;

/// List runs, show one, compare two, or free the disk space of finished ones.
///
/// A run is complete, running (a process holds the lock of its folder), stopped (it was interrupted or its process died, and
/// `dm train --resume` continues it), empty, or unreadable.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    list: list::Args,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Show(show::Args),
    Compare(compare::Args),
    Prune(prune::Args),
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    match &args.command {
        None => list::run(&args.list, terminal)?,
        Some(Command::Show(args)) => show::run(args, terminal)?,
        Some(Command::Compare(args)) => compare::run(args, terminal)?,
        Some(Command::Prune(args)) => prune::run(args, terminal)?,
    }
    Ok(ExitCode::SUCCESS)
}
