//! The workspace: its root, its programs, and listing and writing files. Only this file knows where cargo puts its builds.

use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the workspace, the folder above this crate.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The cargo that runs this program, or the cargo that built it.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into())
}

/// Builds `dm` and returns the path of its binary.
pub fn build_dm() -> Result<PathBuf> {
    build(&["-p", "dm-cli"])
}

/// Builds the benchmark program of `cargo xtask bench` and returns its path. It is built as a part of the whole workspace, as
/// tests are: built alone it would get other features below candle, and all of candle would be compiled a second time.
pub fn build_bench() -> Result<PathBuf> {
    build(&["--workspace", "--bench", "against_torch"])
}

/// Runs `cargo build` and returns the last executable that it names.
fn build(arguments: &[&str]) -> Result<PathBuf> {
    let command = format!("cargo build {}", arguments.join(" "));
    let output = Command::new(cargo())
        .args(["build", "--locked", "--message-format", "json-render-diagnostics"])
        .args(arguments)
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo build")?;
    ensure!(output.status.success(), "{command} failed ({})", output.status);
    let messages = String::from_utf8_lossy(&output.stdout);
    executable(&messages).with_context(|| format!("{command}: found no executable in its messages"))
}

/// The last executable among the messages of a build.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().rev().filter_map(|line| serde_json::from_str(line).ok());
    messages.into_iter().find_map(|message: serde_json::Value| Some(message["executable"].as_str()?.into()))
}

/// The entries of a folder, sorted by name.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut paths = read().with_context(|| folder.display().to_string())?;
    paths.sort();
    Ok(paths)
}

/// All files below a folder. Links to folders are not followed.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() && !path.is_symlink() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// Writes the whole file or nothing: the bytes go to the file `PATH.part`, which is then renamed. Nothing is synced to the disk.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = beside(path, ".part");
    std::fs::write(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, path))
        .with_context(|| format!("{}: cannot write", path.display()))
}

/// The path with `ending` added to its name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
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
