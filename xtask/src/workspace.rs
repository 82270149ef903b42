//! Where things are: the workspace root, the target folder and the `dm` binary. Everything else asks here, so no
//! other file of this crate knows the layout of a Cargo build.

use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace, known since compile time: this crate sits directly below it.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The cargo that runs us (it knows the toolchain), or the one that built us.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into())
}

/// Builds `dm` and says where it is.
pub fn build_dm() -> Result<PathBuf> {
    let status = Command::new(cargo())
        .args(["build", "--quiet", "-p", "dm-cli", "--locked"])
        .current_dir(root())
        .status()
        .context("starting cargo build")?;
    ensure!(status.success(), "cargo build -p dm-cli failed ({status})");
    let name = format!("dm{}", std::env::consts::EXE_SUFFIX);
    let path = target_dir()?.join("debug").join(name);
    ensure!(path.is_file(), "{}: expected the binary that cargo build just made", path.display());
    Ok(path)
}

/// Builds the bench program of `cargo xtask bench` and says where it is. As a part of the whole workspace, as tests are:
/// alone it would have other features below candle, and all of candle would be built a second time.
pub fn build_bench() -> Result<PathBuf> {
    let output = Command::new(cargo())
        .args(["build", "--workspace", "--bench", "against_torch", "--locked", "--message-format", "json"])
        .current_dir(root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("starting cargo build")?;
    ensure!(output.status.success(), "cargo build --bench against_torch failed ({})", output.status);
    executable(&String::from_utf8_lossy(&output.stdout))
        .context("cargo build --bench against_torch: named no executable")
}

/// The last executable that cargo's messages name.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().rev().filter_map(|line| serde_json::from_str(line).ok());
    messages.into_iter().find_map(|message: serde_json::Value| Some(message["executable"].as_str()?.into()))
}

/// The target folder, which `CARGO_TARGET_DIR` or a config file may have moved.
fn target_dir() -> Result<PathBuf> {
    let output = Command::new(cargo())
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .context("starting cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("reading cargo metadata")?;
    let dir = metadata["target_directory"].as_str().context("cargo metadata: no target_directory")?;
    Ok(dir.into())
}

/// Writes a whole file or nothing: beside its place first, then renamed over it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let write = || -> std::io::Result<()> {
        std::fs::write(&beside, bytes)?;
        std::fs::rename(&beside, path)
    };
    write().with_context(|| format!("{}: cannot write", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_the_messages_of_a_build() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
            {\"reason\":\"compiler-artifact\",\"executable\":\"/t/against_torch-1f\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages), Some("/t/against_torch-1f".into()));
        assert_eq!(executable("warning: not JSON\n"), None);
    }
}
