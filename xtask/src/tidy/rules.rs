//! The rules of tidy, one function each. A finding is a line with the path of a file and what is wrong with the file. Checks of
//! rustfmt and clippy are not repeated here.

use super::tree::Tree;
use crate::ci;
use std::path::Path;

type Rule = fn(&Tree) -> Vec<String>;

pub const RULES: [Rule; 5] = [heads, sizes, test_command, top_level, ci_calls_ci];

/// The largest number of lines of a file.
const LONGEST: usize = 500;
/// Allowed entries of the top level, besides names that begin with a dot.
const TOP_LEVEL: [&str; 15] = [
    "Cargo.toml",
    "Cargo.lock",
    "crates",
    "fuzz",
    "xtask",
    "data",
    "report",
    "Dockerfile",
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "deny.toml",
    "rustfmt.toml",
    "clippy.toml",
];

fn rust(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.texts().filter(|(path, _)| Path::new(path).extension().is_some_and(|extension| extension == "rs"))
}

/// All findings, sorted.
pub fn check(tree: &Tree) -> Vec<String> {
    let mut findings: Vec<_> = RULES.iter().flat_map(|rule| rule(tree)).collect();
    findings.sort();
    findings
}

/// Every file begins with a line that says what it contains.
fn heads(tree: &Tree) -> Vec<String> {
    let headless = rust(tree).filter(|(_, text)| {
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("//!").is_none_or(|words| words.trim().is_empty())
    });
    headless
        .map(|(path, _)| format!("{path}:1: begins without a `//!` line that says what it contains"))
        .collect()
}

/// No file is long, because a file should hold one idea.
fn sizes(tree: &Tree) -> Vec<String> {
    let measured = rust(tree).map(|(path, text)| (path, text.lines().count()));
    let long = measured.filter(|&(_, lines)| lines > LONGEST);
    long.map(|(path, lines)| format!("{path}: {lines} lines, at most {LONGEST}: split the file by idea"))
        .collect()
}

/// README.md and CI run the tests with the same command.
fn test_command(tree: &Tree) -> Vec<String> {
    let command = format!("cargo {}", ci::TEST.join(" "));
    // A comment or a pipe may follow the command, other arguments may not.
    let is_command = |line: &str| {
        line.trim().strip_prefix(&command).is_some_and(|rest| {
            let rest = rest.trim_start();
            rest.is_empty() || rest.starts_with(['#', '|']) || rest.starts_with("2>")
        })
    };
    let mut findings = Vec::new();
    for path in ["README.md", ".ci/run"] {
        if !tree.text(path).is_some_and(|text| text.lines().any(is_command)) {
            findings.push(format!("{path}: has no line with the test command `{command}`"));
        }
    }
    findings
}

/// The top level contains only the parts of the project.
fn top_level(tree: &Tree) -> Vec<String> {
    let entries = tree.files.keys().filter_map(|path| path.split('/').next());
    let mut strays: Vec<&str> =
        entries.filter(|entry| !entry.starts_with('.') && !TOP_LEVEL.contains(entry)).collect();
    strays.dedup();
    strays.into_iter().map(|entry| format!("{entry}: does not belong at the top level")).collect()
}

/// Both entry points of CI run the same checks.
fn ci_calls_ci(tree: &Tree) -> Vec<String> {
    let calls = [(".ci/run", "cargo xtask ci"), (".gitlab-ci.yml", ".ci/run")];
    let silent =
        calls.into_iter().filter(|(path, call)| !tree.text(path).is_some_and(|text| text.contains(call)));
    silent.map(|(path, call)| format!("{path}: does not call `{call}`")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small workspace in which every rule holds.
    fn good() -> Tree {
        let files = [
            ("crates/a/src/lib.rs", "//! What it contains.\n\nfn f() {}\n"),
            ("README.md", "# dm\n\n    cargo test --workspace --locked\n"),
            (".ci/run", "cargo test --workspace --locked 2>&1 | tee log\ncargo xtask ci --skip test\n"),
            (".gitlab-ci.yml", "script:\n  - bash .ci/run\n"),
            ("Cargo.toml", "[workspace]\n"),
        ];
        Tree { files: files.map(|(path, text)| (path.to_owned(), Some(text.to_owned()))).into() }
    }

    /// Checks that replacing or adding one file gives one finding, which contains `expected`.
    fn one(path: &str, text: &str, expected: &str) {
        let mut tree = good();
        tree.files.insert(path.into(), Some(text.into()));
        let found = check(&tree);
        assert!(found.len() == 1 && found[0].contains(expected), "expected {expected:?}, found {found:?}");
    }

    #[test]
    fn every_rule_finds_the_file_that_breaks_it() {
        let mut tree = good();
        tree.files.insert("data/models/ink.safetensors".into(), None);
        tree.files.insert("crates/a/src/b.rs".into(), Some(format!("//! B.\n{}", "// line\n".repeat(499))));
        assert_eq!(check(&tree), Vec::<String>::new());
        one("crates/a/src/b.rs", "fn f() {}\n", "b.rs:1: begins without a `//!` line");
        one("crates/a/src/b.rs", "//!\nfn f() {}\n", "b.rs:1: begins without");
        one("crates/a/src/b.rs", "/// Not a head.\nfn f() {}\n", "b.rs:1: begins without");
        one("crates/a/src/b.rs", &format!("//! B.\n{}", "// line\n".repeat(500)), "501 lines, at most 500");
        one("README.md", "cargo test\n", "README.md: has no line with the test command");
        one("README.md", "cargo test --workspace --locked --release\n", "README.md: has no line");
        one(".ci/run", "cargo test --all\ncargo xtask ci\n", ".ci/run: has no line with the test command");
        one("notes.txt", "x\n", "notes.txt: does not belong at the top level");
        one("src/main.rs", "//! X.\n", "src: does not belong at the top level");
        one(".ci/run", "cargo test --workspace --locked\n", ".ci/run: does not call `cargo xtask ci`");
        one(".gitlab-ci.yml", "script: [make]\n", ".gitlab-ci.yml: does not call `.ci/run`");
    }
}
