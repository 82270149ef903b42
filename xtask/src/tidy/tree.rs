//! The files that tidy examines.

use crate::workspace::{entries, files_below};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders at the top level that hold the outputs of builds and runs, and git's own folder.
const OUTPUTS: [&str; 4] = ["target", "runs", "out", ".git"];

/// The files of the workspace: the path from the root, with `/` between its parts, and the text of text files.
#[derive(Default)]
pub struct Tree {
    pub files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads every file that git tracks or does not ignore.
    pub fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        for path in list(root)? {
            // A listed file that is missing was deleted and not committed yet.
            let Ok(bytes) = std::fs::read(root.join(&path)) else { continue };
            tree.files.insert(path, String::from_utf8(bytes).ok());
        }
        Ok(tree)
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }
}

fn list(root: &Path) -> Result<Vec<String>> {
    let git = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("starting git")?;
    if git.status.success() {
        let names = git.stdout.split(|&byte| byte == 0).filter(|name| !name.is_empty());
        return Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect());
    }
    // There is no repository, as in an unpacked archive. Everything but the outputs of builds and runs is listed.
    let mut files = Vec::new();
    for path in entries(root)?.into_iter().filter(|path| !OUTPUTS.iter().any(|name| path.ends_with(name))) {
        files.extend(if path.is_dir() { files_below(&path)? } else { vec![path] });
    }
    let relative = |path: &PathBuf| {
        let path = path.strip_prefix(root).ok()?;
        Some(path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/"))
    };
    Ok(files.iter().filter_map(relative).collect())
}
