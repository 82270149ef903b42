//! The arrows between the crates of the workspace are the ones drawn in `crates/ARCHITECTURE.md`, and no others:
//! normal, development and build dependencies alike.

#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test itself")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Each member and the members it may depend on.
const ARROWS: [(&str, &[&str]); 6] = [
    ("dm-nn", &[]),
    ("dm-degrade", &["dm-nn"]),
    ("dm-train", &["dm-degrade", "dm-nn"]),
    ("dm-eval", &["dm-nn", "dm-degrade"]),
    ("dm-cli", &["dm-nn", "dm-degrade", "dm-train", "dm-eval"]),
    ("xtask", &[]),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

#[test]
fn the_workspace_has_exactly_these_members() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let members: BTreeSet<_> = packages.iter().map(|package| text(package, "name")).collect();
    let expected: BTreeSet<_> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(members, expected);
}

#[test]
fn dependencies_follow_the_arrows() {
    let allowed: BTreeMap<_, _> = ARROWS.into_iter().collect();
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = text(package, "name");
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = text(dependency, "name");
            let kind = dependency["kind"].as_str().unwrap_or("normal");
            let inside = allowed.contains_key(to) || !dependency["path"].is_null();
            assert!(
                !inside || allowed[name].contains(&to),
                "{name} -> {to} ({kind}) is no arrow of the house"
            );
        }
    }
}

#[test]
fn the_binary_is_called_dm_and_the_lowest_layers_know_no_terminal() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = text(package, "name");
        if name == "dm-cli" {
            let targets = package["targets"].as_array().unwrap();
            assert!(targets.iter().any(|target| text(target, "name") == "dm" && target["kind"][0] == "bin"));
        } else if name != "xtask" {
            let dependencies = package["dependencies"].as_array().unwrap();
            for dependency in dependencies.iter().filter(|dependency| dependency["kind"].is_null()) {
                let to = text(dependency, "name");
                assert!(!["clap", "indicatif", "ctrlc", "anyhow"].contains(&to), "{name} -> {to}");
            }
        }
    }
}

/// Every package below the chosen ones with the features it is built with.
fn features(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--prefix",
            "none",
            "--no-dedupe",
            "--format",
            "{p} [{f}]",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn running_dm_needs_no_other_build_than_testing_it() {
    let tested = features(&["--workspace"]);
    let run = features(&["--package", "dm-cli", "--edges", "normal,build"]);
    let only_for_run: Vec<_> = run.difference(&tested).collect();
    assert!(
        only_for_run.is_empty(),
        "a development dependency changes the features of what dm is built from, so that `cargo test --workspace` and \
         `cargo run` each build these and all that stands on them: {only_for_run:#?}"
    );
}
