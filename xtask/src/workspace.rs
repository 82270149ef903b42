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
