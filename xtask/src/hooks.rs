//! `cargo xtask hooks`: makes git use the hooks in `.githooks`. Every commit must then pass fmt and tidy, and every push to
//! main must pass ci.

use crate::workspace::root;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, ExitCode};

const FOLDER: &str = ".githooks";

pub fn run() -> Result<ExitCode> {
    install(root())?;
    println!("git now uses the hooks in {FOLDER}; to undo it: git config --unset core.hooksPath");
    Ok(ExitCode::SUCCESS)
}

fn install(root: &Path) -> Result<()> {
    let git = Command::new("git").args(["config", "core.hooksPath", FOLDER]).current_dir(root).status();
    ensure!(git.context("starting git")?.success(), "{}: not a git repository", root.display());
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Stdio;

    #[test]
    fn the_folder_of_hooks_is_set_and_the_hooks_can_be_executed() {
        let dir = tempfile::tempdir().unwrap();
        // A repository of its own, so that no surrounding repository is configured.
        let git = |arguments: &[&str]| {
            Command::new("git").args(arguments).current_dir(dir.path()).output().unwrap()
        };
        assert!(git(&["init", "--quiet"]).status.success());
        install(dir.path()).unwrap();
        assert_eq!(git(&["config", "core.hooksPath"]).stdout, b".githooks\n");
        for name in ["pre-commit", "pre-push"] {
            let mode = std::fs::metadata(root().join(FOLDER).join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{name}");
        }
    }

    #[test]
    fn only_a_push_to_main_runs_ci() {
        let dir = tempfile::tempdir().unwrap();
        // A cargo that only prints its arguments.
        let cargo = dir.path().join("cargo");
        std::fs::write(&cargo, "#!/bin/sh\necho \"cargo $*\"\n").unwrap();
        std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
        let push = |remote: &str| {
            let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
            let mut hook = Command::new(root().join(FOLDER).join("pre-push"))
                .env("PATH", path)
                .current_dir(root())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            writeln!(hook.stdin.take().unwrap(), "refs/heads/x 1 {remote} 2").unwrap();
            String::from_utf8(hook.wait_with_output().unwrap().stdout).unwrap()
        };
        assert_eq!(push("refs/heads/topic"), "");
        assert_eq!(push("refs/heads/main"), "cargo xtask ci\n");
    }
}
