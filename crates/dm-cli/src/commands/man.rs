//! `dm man`: the manual pages.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap_mangen::Man;
use dm_nn::params::file::write_atomic;

use crate::terminal::Terminal;

/// Write the manual pages: one for dm, and one for each command.
///
/// `dm man ~/.local/share/man/man1` makes `man dm` and `man dm-sample` work.
#[derive(clap::Args)]
pub struct Args {
    /// The folder for the pages.
    folder: PathBuf,
}

/// Writes the pages of `command`.
pub fn run(args: &Args, mut command: clap::Command, terminal: &Terminal) -> Result<ExitCode> {
    std::fs::create_dir_all(&args.folder).with_context(|| args.folder.display().to_string())?;
    // Gives subcommands their full display names, such as `dm-data-check`.
    command.build();
    let count = write(&command, &args.folder)?;
    terminal.line(format!("{}: {count} pages", args.folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of `command` and those of the commands within it; returns their number.
fn write(command: &clap::Command, folder: &Path) -> Result<usize> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    Man::new(command.clone()).title(name.to_uppercase()).render(&mut page)?;
    write_atomic(&folder.join(format!("{name}.1")), &page)?;
    let within =
        command.get_subcommands().filter(|within| within.get_name() != "help" && !within.is_hide_set());
    Ok(1 + within.map(|within| write(within, folder)).sum::<Result<usize>>()?)
}
