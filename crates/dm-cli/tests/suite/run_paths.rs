//! Names and paths of runs: whatever they are, no file outside the run folder is written.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::common::{arg, dm, ok, refused, small_config, small_data};

/// Every file and link below `folder`, with its content or target. Links are not followed.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
            if kind.is_symlink() {
                found
                    .insert(path.clone(), fs::read_link(path).unwrap().into_os_string().into_encoded_bytes());
            } else if kind.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    found
}

/// A folder `work` with a small config and data, in a temporary folder in which everything that is written would be seen.
fn workplace() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("work");
    fs::create_dir(&work).unwrap();
    small_config(&work, "ink", "softmax");
    small_data(&work, 60, 30);
    fs::write(dir.path().join("thesis.tex"), "all my work").unwrap();
    (dir, work)
}

/// The arguments that train the small run.
fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["train", "ink.toml", "--data", "data", "--set", "training.epochs=1"], more].concat()
}

#[test]
fn names_that_are_no_plain_names_are_refused() {
    let (dir, work) = workplace();
    let before = tree(dir.path());
    let text = fs::read_to_string(work.join("ink.toml")).unwrap();
    let long = "a".repeat(10_000);
    let parents = "../".repeat(40) + "tmp/x";
    let absolute = dir.path().join("x").display().to_string();
    let names = [
        "..",
        ".",
        "",
        "../x",
        "a/../../x",
        "a/b",
        "/x",
        "~",
        "~/x",
        ".hidden",
        "a\\b",
        "a\nb",
        "a\u{1b}[2J",
        "a\0b",
        "a\u{202e}b",
        "é",
        " ",
        "a b",
        "$HOME",
        "`id`",
        "*",
        "-\t-",
        &long,
        &parents,
        &absolute,
    ];
    for name in names {
        fs::write(work.join("named.toml"), text.replace("\"small\"", &toml_string(name))).unwrap();
        refused(&work, &["train", "named.toml", "--data", "data"], &["named.toml", "name"]);
        fs::remove_file(work.join("named.toml")).unwrap();
        assert!(tree(dir.path()) == before, "the name {name:?} left something");
    }
    for name in ["../x", "a/b", &parents, &long] {
        refused(&work, &train(&["--set", &format!("name={name}")]), &["name"]);
        assert!(tree(dir.path()) == before, "the name {name:?} left something");
    }
}

/// `text` as a string of TOML, with escapes.
fn toml_string(text: &str) -> String {
    let escaped =
        |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\U{:08x}", c as u32) };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

#[test]
fn a_run_writes_into_its_folder_only() {
    let (dir, work) = workplace();
    let outside = dir.path().join("elsewhere");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, work.join("link")).unwrap();
    let absolute = dir.path().join("absolute").display().to_string();
    // A path that the user names may lie anywhere; a link to a folder is a path like any other.
    let paths = [
        ("deep/in/folders", "work/deep/in/folders"),
        ("../beside", "beside"),
        ("./x/../y", "work/y"),
        ("link/run", "elsewhere/run"),
        (absolute.as_str(), "absolute"),
        ("spaces and \u{e9}", "work/spaces and \u{e9}"),
        ("-dash", "work/-dash"),
    ];
    for (path, real) in paths {
        let before = tree(dir.path());
        ok(&work, &train(&[&format!("--run={path}")]));
        let after = tree(dir.path());
        let run = dir.path().join(real);
        assert!(run.join("model.safetensors").is_file(), "{path}");
        for (file, content) in &after {
            let is_old = before.get(file) == Some(content);
            assert!(is_old || file.starts_with(&run), "--run {path} wrote {}", file.display());
        }
        assert!(before.keys().all(|file| after.contains_key(file)), "--run {path} removed something");
    }
}

#[test]
fn paths_that_cannot_be_run_folders_are_refused() {
    let (dir, work) = workplace();
    let before = tree(dir.path());
    let long = "a".repeat(10_000);
    let deep = "a/".repeat(5_000);
    for path in [&long, &deep, "ink.toml", "data", "ink.toml/run", "/dev/null", "/dev/null/run", "/proc/run"]
    {
        refused(&work, &train(&["--run", path]), &[]);
        let left: Vec<PathBuf> =
            tree(dir.path()).into_keys().filter(|path| !before.contains_key(path)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    // Control characters, which a terminal would obey, are refused.
    refused(&work, &train(&["--run", "a\u{1b}[2J\u{7}b"]), &["\\u{1b}[2J", "no control characters"]);
}

#[test]
fn links_in_a_run_folder_are_refused() {
    let (dir, work) = workplace();
    ok(&work, &train(&[]));
    let run = work.join("runs/small");
    let secret = dir.path().join("thesis.tex");
    fs::create_dir(dir.path().join("private")).unwrap();
    fs::write(dir.path().join("private/epoch-0001.png"), "a picture").unwrap();
    let names: Vec<_> = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.len() > 4, "{names:?}");
    // Every file of a run, one at a time, is a link out of the folder; so is a file that does not exist yet.
    let new = ["checkpoints", "final.png", "manifest.json.tmp"].map(Into::into);
    for name in names.iter().chain(&new) {
        let (path, aside) = (run.join(name), work.join("aside"));
        let existed = path.exists();
        if existed {
            fs::rename(&path, &aside).unwrap();
        }
        let target = if aside.is_dir() { dir.path().join("private") } else { secret.clone() };
        symlink(&target, &path).unwrap();
        let before = tree(dir.path());
        let words = ["symbolic link", name.to_str().unwrap()];
        refused(&work, &train(&["--resume"]), &words);
        assert!(tree(dir.path()) == before, "{}", name.display());
        fs::remove_file(&path).unwrap();
        if existed {
            fs::rename(&aside, &path).unwrap();
        }
    }
    ok(&work, &train(&["--resume"]));
}

#[test]
fn results_replace_links_and_pruning_follows_none() {
    let (dir, work) = workplace();
    let secret = dir.path().join("thesis.tex");
    ok(&work, &train(&[]));
    fs::create_dir(work.join("out")).unwrap();
    for name in ["images.safetensors", "grid.png"] {
        symlink(&secret, work.join("out").join(name)).unwrap();
    }
    ok(&work, &["sample", "runs/small", "-n", "1", "--nfe", "1"]);
    assert!(work.join("out/images.safetensors").symlink_metadata().unwrap().is_file());
    // A run folder outside, and a checkpoint outside, each behind a link.
    let outside = dir.path().join("outside");
    fs::rename(work.join("runs/small"), &outside).unwrap();
    symlink(&outside, work.join("runs/linked")).unwrap();
    ok(&work, &train(&[]));
    let checkpoint = work.join("runs/small/checkpoint.safetensors");
    if checkpoint.exists() {
        let moved = dir.path().join("checkpoint.safetensors");
        fs::rename(&checkpoint, &moved).unwrap();
        symlink(&moved, &checkpoint).unwrap();
    }
    let is_outside = |path: &Path| !path.starts_with(&work);
    let outside = |tree: BTreeMap<PathBuf, Vec<u8>>| {
        tree.into_iter().filter(|(path, _)| is_outside(path)).collect::<BTreeMap<_, _>>()
    };
    let before = outside(tree(dir.path()));
    assert!(before.len() > 5);
    let pruned = dm(&work, &["runs", "prune", "runs", "--yes"]);
    assert!(pruned.status.code().is_some());
    assert!(outside(tree(dir.path())) == before);
    assert_eq!(fs::read(arg(&secret)).unwrap(), b"all my work");
}
