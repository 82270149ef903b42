//! `cargo xtask hooks`: git hooks that protect main. Every commit must pass fmt and tidy, every push to main all of
//! ci. Hooks of other origin are left alone unless told otherwise.

use crate::workspace::root;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// How we know our own hooks.
const MARK: &str = "# Installed by `cargo xtask hooks`.";

const PRE_COMMIT: &str = r"
# git sets variables for its hooks that would mislead a git run by a test.
unset $(git rev-parse --local-env-vars)
cargo fmt --all --check && exec cargo xtask tidy
";

const PRE_PUSH: &str = r#"
# Only a push to main must pass; standard input names what is pushed.
to_main=
while read -r local_ref local_oid remote_ref remote_oid; do
    [ "$remote_ref" = refs/heads/main ] && to_main=yes
done
[ -z "$to_main" ] && exit 0
unset $(git rev-parse --local-env-vars)
exec cargo xtask ci
"#;

/// How to install.
#[derive(clap::Args)]
pub struct Args {
    /// Overwrite hooks that something else installed
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let dir = hooks_dir(root())?;
    install(&dir, args.force)?;
    println!("pre-commit (fmt, tidy) and pre-push to main (ci) installed in {}", dir.display());
    Ok(ExitCode::SUCCESS)
}

/// Where git looks for hooks: `core.hooksPath`, or the folder in `.git` that all worktrees share.
fn hooks_dir(root: &Path) -> Result<PathBuf> {
    let git = Command::new("git").args(["rev-parse", "--git-path", "hooks"]).current_dir(root).output();
    let output = git.context("starting git")?;
    ensure!(output.status.success(), "{}: not a git repository", root.display());
    Ok(root.join(String::from_utf8_lossy(&output.stdout).trim()))
}

fn install(dir: &Path, force: bool) -> Result<()> {
    let hooks = [("pre-commit", PRE_COMMIT), ("pre-push", PRE_PUSH)];
    for (name, _) in hooks {
        let path = dir.join(name);
        let foreign = std::fs::read_to_string(&path).is_ok_and(|text| !text.contains(MARK));
        if foreign && !force {
            bail!("{}: a hook of another origin is there; --force overwrites it", path.display());
        }
    }
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    for (name, body) in hooks {
        let path = dir.join(name);
        let text = format!("#!/bin/sh\n{MARK}{body}");
        crate::workspace::write_atomically(&path, text.as_bytes())?;
        make_executable(&path)?;
    }
    Ok(())
}

fn make_executable(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).with_context(|| path.display().to_string())?;
    }
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_hooks_are_renewed_and_foreign_ones_kept() {
        let dir = tempfile::tempdir().unwrap();
        install(dir.path(), false).unwrap();
        install(dir.path(), false).unwrap();
        let hook = dir.path().join("pre-push");
        std::fs::write(&hook, "#!/bin/sh\nmy own\n").unwrap();
        let error = install(dir.path(), false).unwrap_err().to_string();
        assert!(error.contains("pre-push: a hook of another origin"), "{error}");
        assert!(std::fs::read_to_string(&hook).unwrap().contains("my own"));
        install(dir.path(), true).unwrap();
        assert!(std::fs::read_to_string(&hook).unwrap().contains(MARK));
    }

    #[cfg(unix)]
    #[test]
    fn a_push_elsewhere_costs_nothing_and_a_push_to_main_runs_ci() {
        use std::io::Write;
        use std::process::Stdio;
        let dir = tempfile::tempdir().unwrap();
        install(dir.path(), false).unwrap();
        // A cargo that only says what it was asked.
        let cargo = dir.path().join("cargo");
        std::fs::write(&cargo, "#!/bin/sh\necho \"cargo $*\"\n").unwrap();
        make_executable(&cargo).unwrap();
        let push = |remote: &str| {
            let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
            let mut hook = Command::new(dir.path().join("pre-push"))
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
