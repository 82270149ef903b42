//! The rules of tidy, one function each, in a plain list. Each gives its reason to whoever breaks it. What rustfmt
//! and clippy check already is not repeated, but for code behind a feature that clippy does not see.

use super::{Finding, Tree};
use crate::ci;
use std::path::Path;

type Rule = fn(&Tree) -> Vec<Finding>;

pub const RULES: [Rule; 8] =
    [heads, sizes, left_open, whitespace, known_paths, test_command, top_level, ci_calls_ci];

const LONGEST: usize = 500;
const FOR_TESTS: &str = "#[cfg(test)]";
const ARCHITECTURE: &str = "crates/ARCHITECTURE.md";
/// Entries of the top level, beside names that begin with a dot.
const TOP_LEVEL: [&str; 12] = [
    "Cargo.toml",
    "Cargo.lock",
    "crates",
    "xtask",
    "data",
    "report",
    "Dockerfile",
    "README.md",
    "LICENSE",
    "deny.toml",
    "rustfmt.toml",
    "clippy.toml",
];
const TEXT_ENDINGS: [&str; 10] =
    [".rs", ".toml", ".md", ".yml", ".sh", ".typ", ".bib", ".ci/run", "Dockerfile", ".gitignore"];

fn found(path: &str, line: usize, message: impl Into<String>) -> Finding {
    Finding { path: path.to_owned(), line, message: message.into() }
}

fn rust(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.texts().filter(|(path, _)| Path::new(path).extension().is_some_and(|extension| extension == "rs"))
}

/// Every file opens with what it holds and what it leaves out.
fn heads(tree: &Tree) -> Vec<Finding> {
    let headless = rust(tree).filter(|(_, text)| {
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("//!").is_none_or(|words| words.trim().is_empty())
    });
    headless
        .map(|(path, _)| found(path, 1, "opens without a `//!` line saying what the file holds"))
        .collect()
}

/// A file is one idea; long before this it is two.
fn sizes(tree: &Tree) -> Vec<Finding> {
    let measured = rust(tree).map(|(path, text)| (path, text.lines().count()));
    let long = measured.filter(|&(_, lines)| lines > LONGEST);
    long.map(|(path, lines)| found(path, 0, format!("{lines} lines, at most {LONGEST}: split it by idea")))
        .collect()
}

/// Nothing half done, and no panic on input outside tests.
fn left_open(tree: &Tree) -> Vec<Finding> {
    // Put together here so that this file does not find itself.
    let everywhere = [["todo", "!("], ["unimplemented", "!("], ["dbg", "!("]].map(|words| words.concat());
    let outside_tests = [".unwrap", "()"].concat();
    let for_tests: Vec<_> = rust(tree).flat_map(|(path, text)| modules_for_tests(path, text)).collect();
    let mut findings = Vec::new();
    for (path, text) in rust(tree) {
        let mut in_tests = is_test_file(path) || for_tests.iter().any(|file| file == path);
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let code = line.split("//").next().unwrap_or_default();
            // By custom the tests of a file come last; a mere `mod tests;` is followed by other code.
            let opens_block = lines.peek().is_some_and(|(_, next)| !next.trim_end().ends_with(';'));
            in_tests |= code.trim_start().starts_with(FOR_TESTS) && opens_block;
            for needle in &everywhere {
                if code.contains(needle.as_str()) {
                    findings.push(found(path, number + 1, format!("`{needle}...)` left in the code")));
                }
            }
            if !in_tests && code.contains(&outside_tests) {
                findings.push(found(
                    path,
                    number + 1,
                    format!("`{outside_tests}` outside tests: return an error"),
                ));
            }
        }
    }
    findings
}

/// Files that a `mod` under `#[cfg(test)]` names.
fn modules_for_tests(path: &str, text: &str) -> Vec<String> {
    let (dir, file) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = file.trim_end_matches(".rs");
    let dir = if matches!(stem, "mod" | "lib" | "main") { dir.to_owned() } else { format!("{dir}/{stem}") };
    let pairs = text.lines().zip(text.lines().skip(1));
    let marked = pairs.filter(|(line, _)| line.trim() == FOR_TESTS).map(|(_, next)| next.trim());
    let names = marked.filter_map(|next| next.strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name));
    names.map(|name| format!("{dir}/{name}.rs")).collect()
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("tests.rs") || path.split('/').any(|part| matches!(part, "tests" | "benches" | "fuzz"))
}

/// No tabs, no trailing spaces, one newline at the end.
fn whitespace(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        // Data files are as they came.
        if path.starts_with("data/mnist/") || !TEXT_ENDINGS.iter().any(|ending| path.ends_with(ending)) {
            continue;
        }
        for (number, line) in text.split('\n').enumerate() {
            if line.contains('\t') {
                findings.push(found(path, number + 1, "tab"));
            }
            if line.ends_with([' ', '\t', '\r']) {
                findings.push(found(path, number + 1, "space at the end of the line"));
            }
        }
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            findings.push(found(path, text.lines().count(), "does not end in exactly one newline"));
        }
    }
    findings
}

/// The map of the code names paths that exist, from the root or from `crates/`.
fn known_paths(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(ARCHITECTURE) else {
        return vec![found(ARCHITECTURE, 0, "missing")];
    };
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        // What stands at odd places between backticks is code.
        for name in line.split('`').skip(1).step_by(2).filter(|name| is_path(name)) {
            let name = name.trim_end_matches('/');
            if !tree.has(name) && !tree.has(&format!("crates/{name}")) {
                findings.push(found(ARCHITECTURE, number + 1, format!("names `{name}`, which is not there")));
            }
        }
    }
    findings
}

/// Two parts or more, small first letter, no placeholder: `dm-nn/src/ops`, not `DIR/grid.png` or `a::b`.
fn is_path(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
    let parts = name.trim_end_matches('/').split('/').count();
    parts > 1 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(plain)
}

/// README and CI test with the same words.
fn test_command(tree: &Tree) -> Vec<Finding> {
    let command = format!("cargo {}", ci::TEST.join(" "));
    let mut findings = Vec::new();
    for path in ["README.md", ".ci/run"] {
        let Some(text) = tree.text(path) else {
            findings.push(found(path, 0, "missing"));
            continue;
        };
        // A comment or a pipe may follow the command, other arguments may not.
        let says_it = text.lines().any(|line| {
            let rest = line.trim().strip_prefix(&command);
            rest.is_some_and(|rest| {
                ["", "#", "|", "2"].iter().any(|&next| match next {
                    "" => rest.trim().is_empty(),
                    next => rest.trim_start().starts_with(next),
                })
            })
        });
        if !says_it {
            findings.push(found(path, 0, format!("has no line with the test command `{command}`")));
        }
    }
    findings
}

/// The top level shows what the house consists of, and nothing else.
fn top_level(tree: &Tree) -> Vec<Finding> {
    let mut strays: Vec<&str> = tree
        .files
        .keys()
        .filter_map(|path| path.split('/').next())
        .filter(|entry| !entry.starts_with('.') && !TOP_LEVEL.contains(entry))
        .collect();
    strays.dedup();
    strays.into_iter().map(|entry| found(entry, 0, "does not belong at the top level")).collect()
}

/// Both ways into CI call the same checks.
fn ci_calls_ci(tree: &Tree) -> Vec<Finding> {
    let calls = [(".ci/run", "cargo xtask ci"), (".gitlab-ci.yml", ".ci/run")];
    let silent =
        calls.into_iter().filter(|(path, call)| !tree.text(path).is_some_and(|text| text.contains(call)));
    silent.map(|(path, call)| found(path, 0, format!("does not call `{call}`"))).collect()
}
