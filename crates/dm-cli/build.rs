//! Tells the program which git revision it is built from. Only optimised builds contain it: a development build asks git when it
//! is run, because it would otherwise be compiled again after every commit.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        if let Some(head) = git(&["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"]) {
            println!("cargo::rerun-if-changed={head}");
        }
        if let Some(revision) = git(&["describe", "--always", "--dirty", "--abbrev=12"]) {
            println!("cargo::rustc-env=DM_REVISION={revision}");
        }
    }
}

/// The output of `git` with these arguments; `None` without git or outside a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
