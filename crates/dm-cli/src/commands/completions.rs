//! `dm completions`: completions of commands and options for a shell.

use std::process::ExitCode;

use anyhow::Result;
use clap_complete::{Shell, generate};

use crate::terminal::print_result;

/// Print the completions for a shell.
///
/// For bash: `dm completions bash > ~/.local/share/bash-completion/completions/dm`. For zsh: `dm completions zsh > ~/.zfunc/_dm`
/// with `~/.zfunc` in `fpath`. For fish: `dm completions fish > ~/.config/fish/completions/dm.fish`.
#[derive(clap::Args)]
pub struct Args {
    /// The shell.
    shell: Shell,
}

/// Prints the completions of `command`.
pub fn run(args: &Args, mut command: clap::Command) -> Result<ExitCode> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, "dm", &mut script);
    print_result(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
