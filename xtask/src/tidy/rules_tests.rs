//! Each rule of tidy with an example that breaks it, beside a workspace that breaks none.

use super::{Tree, run};
use std::process::ExitCode;

/// A small workspace in which every rule holds.
fn good() -> Tree {
    let files = [
        (
            "crates/ARCHITECTURE.md",
            "Kernels: `a/src/lib.rs`, `crates/a/src/`; not paths: `a::b`, `DIR/x.png`, `x`.\n",
        ),
        ("crates/a/src/lib.rs", "//! What it holds.\n\nfn f() {}\n"),
        ("README.md", "# dm\n\n    cargo test --workspace --locked\n"),
        (".ci/run", "cargo test --workspace --locked 2>&1 | tee log\ncargo xtask ci --skip test\n"),
        (".gitlab-ci.yml", "script:\n  - bash .ci/run\n"),
        ("Cargo.toml", "[workspace]\n"),
    ];
    Tree { files: files.map(|(path, text)| (path.to_owned(), Some(text.to_owned()))).into() }
}

/// What tidy finds when one file is put in place of another, or beside the others.
fn with(path: &str, text: &str) -> Vec<String> {
    let mut tree = good();
    tree.files.insert(path.into(), Some(text.into()));
    tree.check().iter().map(ToString::to_string).collect()
}

fn one(path: &str, text: &str, expected: &str) {
    let found = with(path, text);
    assert!(found.len() == 1 && found[0].contains(expected), "expected {expected:?}, found {found:?}");
}

#[test]
fn nothing_is_found_where_all_is_well() {
    assert_eq!(good().check(), []);
    let mut tree = good();
    tree.files.insert("data/models/ink.safetensors".into(), None);
    assert_eq!(tree.check(), []);
}

#[test]
fn heads() {
    one("crates/a/src/b.rs", "fn f() {}\n", "b.rs:1: opens without a `//!` line");
    one("crates/a/src/b.rs", "//!\nfn f() {}\n", "b.rs:1: opens without");
    one("crates/a/src/b.rs", "/// Not a head.\nfn f() {}\n", "b.rs:1: opens without");
}

#[test]
fn sizes() {
    let long = format!("//! Long.\n{}", "// line\n".repeat(500));
    one("crates/a/src/b.rs", &long, "501 lines, at most 500");
    assert_eq!(with("crates/a/src/b.rs", &long.replacen("// line\n", "", 1)), Vec::<String>::new());
}

#[test]
fn left_open() {
    let unwrap = ["x.unwrap", "();"].concat();
    one(
        "crates/a/src/b.rs",
        &format!("//! B.\nfn f() {{ {}); }}\n", ["todo", "!("].concat()),
        "left in the code",
    );
    one("crates/a/tests/b.rs", &format!("//! B.\n{}x);\n", ["dbg", "!("].concat()), "b.rs:2: `");
    one("crates/a/src/b.rs", &format!("//! B.\n{unwrap}\n"), "b.rs:2: `.unwrap()` outside tests");
    for fine in [format!("//! B.\n// {unwrap}\n"), format!("//! B.\n#[cfg(test)]\nmod t {{ {unwrap} }}\n")] {
        assert_eq!(with("crates/a/src/b.rs", &fine), Vec::<String>::new());
    }
    assert_eq!(with("crates/a/tests/b.rs", &format!("//! B.\n{unwrap}\n")), Vec::<String>::new());

    // A whole file may be for tests, if its parent says so.
    let mut tree = good();
    let mut put = |path: &str, text: String| drop(tree.files.insert(path.into(), Some(text)));
    put("crates/a/src/oracle.rs", format!("//! O.\n{unwrap}\n"));
    put("crates/a/src/ops/mod.rs", "//! Ops.\n#[cfg(test)]\nmod oracle;\n".into());
    put("crates/a/src/ops/oracle.rs", format!("//! O.\n{unwrap}\n"));
    let found: Vec<_> = tree.check().into_iter().map(|finding| finding.path).collect();
    assert_eq!(found, ["crates/a/src/oracle.rs"]);
}

#[test]
fn whitespace() {
    one("report/report.typ", "a \n", "report.typ:1: space at the end");
    one("Dockerfile", "RUN\tx\n", "Dockerfile:1: tab");
    one("crates/a/src/b.rs", "//! B.\r\nfn f() {}\n", "b.rs:1: space at the end");
    one("data/README.md", "no newline", "does not end in exactly one newline");
    one("data/README.md", "two\n\n", "does not end in exactly one newline");
    assert_eq!(with("data/mnist/LICENSE.md", "as it came \n"), Vec::<String>::new());
}

#[test]
fn known_paths() {
    one("crates/ARCHITECTURE.md", "Here: `a/src/gone.rs`.\n", "ARCHITECTURE.md:1: names `a/src/gone.rs`");
    let mut tree = good();
    tree.files.remove("crates/ARCHITECTURE.md");
    assert_eq!(tree.check()[0].to_string(), "crates/ARCHITECTURE.md: missing");
}

#[test]
fn test_command() {
    one("README.md", "cargo test\n", "README.md: has no line with the test command");
    one("README.md", "cargo test --workspace --locked --release\n", "README.md: has no line");
    one(".ci/run", "cargo test --all\ncargo xtask ci\n", ".ci/run: has no line with the test command");
}

#[test]
fn top_level() {
    one("notes.txt", "x\n", "notes.txt: does not belong at the top level");
    one("src/main.rs", "//! X.\n", "src: does not belong at the top level");
}

#[test]
fn ci_calls_ci() {
    one(".ci/run", "cargo test --workspace --locked\n", ".ci/run: does not call `cargo xtask ci`");
    one(".gitlab-ci.yml", "script: [make]\n", ".gitlab-ci.yml: does not call `.ci/run`");
}

#[test]
fn the_files_of_this_workspace_are_readable() {
    // Whether they are tidy is a check of its own (`cargo xtask tidy`): a test would stop whoever is in mid-edit.
    let code = run().unwrap();
    assert!(code == ExitCode::SUCCESS || code == ExitCode::FAILURE);
}
