//! What people expect of a program: its version, completions that a shell accepts, manual pages, documented exit codes, and JSON.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a skipped check says so")]

mod common;

use std::fs;
use std::process::Command;

use common::{arg, dm, ok, refused, root};
use serde_json::Value;

/// The commands that `dm --help` lists.
fn commands(help: &str) -> Vec<&str> {
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // Descriptions that continue on a second line are indented further.
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn the_version_names_the_revision_and_the_features() {
    let dir = tempfile::tempdir().unwrap();
    let version = ok(dir.path(), &["--version"]);
    let words = format!("dm {} (revision ", env!("CARGO_PKG_VERSION"));
    assert!(version.starts_with(&words) && version.ends_with(")\n"), "{version}");
    assert!(version.contains("features: ") && version.lines().count() == 1, "{version}");
    assert_eq!(ok(dir.path(), &["sample", "--version"]), version);
    assert_eq!(ok(dir.path(), &["-V"]), version);
}

#[test]
fn the_help_documents_exit_codes_and_places() {
    let dir = tempfile::tempdir().unwrap();
    let help = ok(dir.path(), &["--help"]);
    for text in
        ["Exit codes:", "  0    done", "  2    ", "  130  ", "DM_DATA", "DM_PICTURES", "NO_COLOR", "COLUMNS"]
    {
        assert!(help.contains(text), "{text}: {help}");
    }
    assert_eq!(dm(dir.path(), &["info", "nothing"]).status.code(), Some(2));
}

#[test]
fn shells_accept_the_completions() {
    let dir = tempfile::tempdir().unwrap();
    let help = ok(dir.path(), &["--help"]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = ok(dir.path(), &["completions", shell]);
        for name in commands(&help) {
            assert!(script.contains(name), "{shell}: {name}");
        }
        let path = dir.path().join(shell);
        fs::write(&path, &script).unwrap();
        if ["bash", "zsh", "fish"].contains(&shell) {
            match Command::new(shell).arg("-n").arg(&path).output() {
                Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
                Err(_) => eprintln!("skipped: {shell} is not installed"),
            }
        }
    }
    let complete = "source ./bash; COMP_WORDS=(dm sample --spac); COMP_CWORD=2; _dm dm --spac sample; echo ${COMPREPLY[0]}";
    if let Ok(output) = Command::new("bash").args(["-c", complete]).current_dir(dir.path()).output() {
        assert_eq!(String::from_utf8_lossy(&output.stdout), "--spacing\n");
    }
    refused(dir.path(), &["completions", "cmd"], &["'cmd'", "bash", "fish"]);
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let help = ok(dir.path(), &["--help"]);
    let text = ok(dir.path(), &["man", "pages/man1"]);
    let pages = dir.path().join("pages/man1");
    let names: Vec<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(text, format!("pages/man1: {} pages\n", names.len()));
    for name in commands(&help).into_iter().filter(|&name| name != "help") {
        assert!(names.contains(&format!("dm-{name}.1")), "{name} in {names:?}");
    }
    assert!(names.contains(&"dm-data-check.1".to_owned()), "{names:?}");
    let page = fs::read_to_string(pages.join("dm-sample.1")).unwrap();
    assert!(page.contains(".TH DM\\-SAMPLE 1") || page.contains(".TH DM-SAMPLE 1"), "{page}");
    assert!(page.contains("spacing") && page.contains("safetensors"));
    let shown = fs::read_to_string(pages.join("dm.1")).unwrap();
    assert!(shown.contains("Exit codes"), "{shown}");
    match Command::new("man").args(["-l", "-Tutf8"]).arg(pages.join("dm.1")).env("MANPAGER", "cat").output() {
        Ok(output) => assert!(String::from_utf8_lossy(&output.stdout).contains("DM_DATA")),
        Err(_) => eprintln!("skipped: man is not installed"),
    }
}

#[test]
fn reports_have_a_json_form() {
    let dir = tempfile::tempdir().unwrap();
    let mnist = root().join("data/mnist");
    let json = |args: &[&str]| -> Value { serde_json::from_str(&ok(dir.path(), args)).unwrap() };
    let data = json(&["data", "check", arg(&mnist), "--json"]);
    assert_eq!((&data["train"]["n"], &data["test"]["class_counts"][0]), (&60_000.into(), &980.into()));
    assert_eq!((&data["is_mnist"], &data["image"]["width"]), (&true.into(), &28.into()));
    assert!(dir.path().join("out/contact_sheet.png").is_file());
    let info = json(&["info", "--json"]);
    assert_eq!((&info["kind"], &info["parameters"]), (&"diffusion".into(), &670_177.into()));
    assert!(info["config"].as_str().unwrap().contains("[degradation]"), "{info}");
    let restore =
        ["restore", "--count", "2", "--timesteps", "2", "--nfe", "2", "--data", arg(&mnist), "--json"];
    let restored = json(&[&restore[..], &["--scores", "scores.json"]].concat());
    let written: Value = serde_json::from_slice(&fs::read(dir.path().join("scores.json")).unwrap()).unwrap();
    assert_eq!(restored, written);
    assert_eq!(restored["restoration"][1]["t"], 1000);
}
