//! The git revision that a run records.

use std::process::Command;

/// The git revision of the working directory, with `-dirty` behind it if files have changed. `None` outside a repository.
pub fn git_revision() -> Option<String> {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
