//! Checks what `crates/ARCHITECTURE.md` states: the crates that a crate may use, no cycles among the files of a crate, no fixed
//! image shape, and paths that exist.

mod modules;
mod source;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The page that describes the architecture.
const MAP: &str = "crates/ARCHITECTURE.md";

/// Development dependencies outside the layers. The examples of dm-train score their samples.
const FOR_EXAMPLES: [(&str, &str); 1] = [("dm-train", "dm-eval")];

/// Library files that may contain MNIST's shape, each with the reason.
const KNOW_MNIST: [(&str, &str); 11] = [
    ("dm-degrade/src/schema1.rs", "the shape that files of schema 1 mean"),
    ("dm-record/src/target.rs", "the shape that files of schema 1 mean"),
    ("dm-train/src/config/diffusion.rs", "the shape that configs of schema 1 mean"),
    ("dm-eval/src/classifier.rs", "the shape that classifier files of schema 1 mean"),
    ("dm-nn/src/data/hub.rs", "the shape of the data set that it downloads"),
    ("dm-nn/src/engine/conv/fft/transform.rs", "a fast path for short rows"),
    ("dm-degrade/src/heat/spread.rs", "a fast path for short rows"),
    ("dm-degrade/src/degradations/ink/sums.rs", "a fast path for short rows"),
    ("dm-degrade/src/degradations/fade.rs", "a default as a share of the side"),
    ("dm-degrade/src/degradations/snow.rs", "defaults as shares of the side"),
    ("dm-degrade/src/degradations/morph/runes.rs", "defaults as shares of the side"),
];

/// Lints that the front page of every library turns on, so that no input ends the program.
const NO_PANIC: &str =
    "#![warn(clippy::expect_used, clippy::panic, clippy::unreachable, clippy::unimplemented";
/// A lint of the library files that read what may come from anywhere.
const NO_INDEXING: &str = "clippy::indexing_slicing";
/// These files; a lint in a `mod.rs` is one of the whole folder.
const PARSERS: [&str; 25] = [
    "dm-record/src/lib.rs",
    "dm-nn/src/data/mod.rs",
    "dm-nn/src/params/mod.rs",
    "dm-nn/src/archive.rs",
    "dm-nn/src/file_kind.rs",
    "dm-nn/src/one_line.rs",
    "dm-nn/src/storage.rs",
    "dm-degrade/src/model.rs",
    "dm-degrade/src/model_config.rs",
    "dm-degrade/src/schema1.rs",
    "dm-train/src/config/mod.rs",
    "dm-train/src/import/mod.rs",
    "dm-train/src/checkpoint.rs",
    "dm-train/src/checkpoint_files.rs",
    "dm-train/src/json.rs",
    "dm-train/src/manifest.rs",
    "dm-train/src/run_folder.rs",
    "dm-train/src/run_lock.rs",
    "dm-train/src/schema1.rs",
    "dm-train/src/observers/json_lines.rs",
    "dm-train/src/tensorboard/proto.rs",
    "dm-eval/src/cache.rs",
    "dm-eval/src/classifier.rs",
    "dm-cli/src/commands/runs/read.rs",
    "dm-cli/src/locate.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn map() -> String {
    std::fs::read_to_string(root().join(MAP)).unwrap()
}

/// Each member of the workspace and the members it may depend on, from the first table of the map.
fn layers(map: &str) -> BTreeMap<&str, Vec<&str>> {
    let section = map.split("\n## ").find(|section| section.starts_with("Layers\n")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        (in_backticks(cells[1]).next().unwrap(), in_backticks(cells[3]).collect())
    })
    .collect()
}

/// The texts between backticks.
fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn packages() -> Vec<Value> {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1", "--locked"]);
    let metadata: Value = serde_json::from_str(&text).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

#[test]
fn dependencies_follow_the_layers() {
    let map = map();
    let layers = layers(&map);
    let packages = packages();
    let members: BTreeSet<_> = packages.iter().map(|package| text(package, "name")).collect();
    assert_eq!(members, layers.keys().copied().collect());
    for package in &packages {
        let name = text(package, "name");
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = text(dependency, "name");
            let kind = dependency["kind"].as_str().unwrap_or("normal");
            let inside = layers.contains_key(to) || !dependency["path"].is_null();
            let for_examples = kind == "dev" && FOR_EXAMPLES.contains(&(name, to));
            let allowed = !inside || layers[name].contains(&to) || for_examples;
            assert!(allowed, "{name} -> {to} ({kind}): the table of layers in {MAP} does not allow this");
            let terminal = ["clap", "indicatif", "signal-hook", "terminal_size", "anyhow"].contains(&to);
            let library = !["dm-cli", "xtask"].contains(&name);
            assert!(!(library && terminal && kind == "normal"), "{name} -> {to}: a library has no terminal");
        }
    }
    let dm_cli = packages.iter().find(|package| text(package, "name") == "dm-cli").unwrap();
    let targets = dm_cli["targets"].as_array().unwrap();
    assert!(targets.iter().any(|target| text(target, "name") == "dm" && target["kind"][0] == "bin"));
}

#[test]
fn running_dm_needs_no_other_build_than_testing_it() {
    // All packages that the chosen ones depend on, with the features that they are built with.
    let features = |chosen: &[&str]| -> BTreeSet<String> {
        let format = ["tree", "--locked", "--prefix", "none", "--no-dedupe", "--format", "{p} [{f}]"];
        cargo(&[&format, chosen].concat()).lines().map(str::to_owned).collect()
    };
    let tested = features(&["--workspace"]);
    let run = features(&["--package", "dm-cli", "--edges", "normal,build"]);
    let only_for_run: Vec<_> = run.difference(&tested).collect();
    assert!(
        only_for_run.is_empty(),
        "a development dependency changes the features of what dm is built from, so that `cargo test --workspace` and \
         `cargo run` each build these and everything above them: {only_for_run:#?}"
    );
}

#[test]
fn the_files_of_a_crate_form_no_cycles() {
    let mut found = Vec::new();
    for package in packages() {
        let src = Path::new(text(&package, "manifest_path")).with_file_name("src");
        for entry in ["lib.rs", "main.rs"].map(|file| src.join(file)) {
            if entry.is_file() {
                let cycles = modules::Crate::read(&entry).cycles();
                found.extend(cycles.into_iter().map(|cycle| format!("{}: {cycle}", text(&package, "name"))));
            }
        }
    }
    assert!(found.is_empty(), "cycles of files that use each other:\n{}", found.join("\n"));
}

#[test]
fn no_input_can_end_a_library() {
    let read = |file: &str| std::fs::read_to_string(root().join("crates").join(file)).unwrap();
    for library in ["dm-record", "dm-nn", "dm-degrade", "dm-train", "dm-eval"] {
        assert!(read(&format!("{library}/src/lib.rs")).contains(NO_PANIC), "{library} lacks {NO_PANIC}");
    }
    for file in PARSERS {
        assert!(read(file).contains(NO_INDEXING), "{file} lacks {NO_INDEXING}");
    }
}

#[test]
fn no_library_fixes_the_shape_of_images() {
    let mut found = Vec::new();
    for package in packages() {
        let src = Path::new(text(&package, "manifest_path")).with_file_name("src");
        let name = text(&package, "name").to_owned();
        if ["xtask", "dm-cli"].contains(&name.as_str()) {
            continue;
        }
        for (file, code) in modules::Crate::read(&src.join("lib.rs")).files() {
            let path = format!("{name}/src/{file}");
            let fixed = ["SIDE", "PIXELS", "CLASSES", "28", "784"];
            let known = KNOW_MNIST.iter().any(|(known, _)| *known == path);
            let words = source::words(code).filter(|word| !known && fixed.contains(word));
            found.extend(words.map(|word| format!("{path}: {word}")));
        }
    }
    assert!(found.is_empty(), "names or numbers of one image shape:\n{}", found.join("\n"));
}

#[test]
fn the_map_of_the_code_names_files_that_exist() {
    let map = map();
    // A path has two parts or more and begins with a lower-case letter, unlike `DIR/grid.png` and `a::b`.
    let is_path = |name: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
        let parts = name.trim_end_matches('/').split('/').count();
        parts > 1 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(plain)
    };
    let names = map.lines().flat_map(in_backticks).filter(is_path);
    let missing: Vec<_> = names
        .filter(|name| !root().join(name).exists() && !root().join("crates").join(name).exists())
        .collect();
    assert!(missing.is_empty(), "{MAP} names files that do not exist: {missing:?}");
}
