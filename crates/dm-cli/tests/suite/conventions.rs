//! What people expect of a program: its version, completions that a shell accepts, manual pages, documented exit codes, JSON, and
//! pages that name only options and keys that exist.

#![allow(clippy::print_stderr, reason = "a skipped check says so")]

use std::fs;
use std::process::Command;

use crate::common::{arg, dm, ok, refused, root};
use dm_nn::data::SampleSet;
use dm_train::RunConfig;
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
    for text in [
        "Exit codes:",
        "  0    done",
        "  2    ",
        "  130  ",
        "DM_DATA",
        "DM_PICTURES",
        "DM_SIMD",
        "NO_COLOR",
        "COLUMNS",
    ] {
        assert!(help.contains(text), "{text}: {help}");
    }
    assert_eq!(dm(dir.path(), &["info", "nothing"]).status.code(), Some(2));
    // Without a command, the commands are listed as an error.
    let bare = dm(dir.path(), &[]);
    assert_eq!((bare.status.code(), bare.stdout.is_empty()), (Some(2), true));
    let listed = String::from_utf8_lossy(&bare.stderr).into_owned();
    assert!(commands(&listed).contains(&"sample"), "{listed}");
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

/// The calls of `dm` on a Markdown page: the lines of code blocks and the code in sentences that begin with `dm`.
fn calls(page: &str) -> Vec<String> {
    let (mut calls, mut is_block) = (Vec::new(), false);
    for line in page.replace("\\\n", " ").lines() {
        if line.starts_with("```") {
            is_block = !is_block;
        } else if is_block || line.starts_with("    ") {
            calls.push(line.trim().to_owned());
        } else {
            calls.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    calls.retain(|call| call.starts_with("dm "));
    calls
}

/// The words of a call after `dm`, as a shell divides them: by spaces outside single quotes, up to a comment.
fn words(call: &str) -> Vec<String> {
    let (mut words, mut is_quoted) = (vec![String::new()], false);
    for c in call.split(" #").next().unwrap().chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.into_iter().skip(1).filter(|word| !word.is_empty()).collect()
}

#[test]
fn the_pages_name_options_and_keys_that_exist() {
    let dir = tempfile::tempdir().unwrap();
    let top = ok(dir.path(), &["--help"]);
    for page in ["README.md", "crates/TUTORIAL.md", "crates/PHOTONS.md", "crates/SCALING.md", "crates/GPU.md"]
    {
        let calls = calls(&fs::read_to_string(root().join(page)).unwrap());
        assert!(!calls.is_empty(), "{page}");
        for call in calls {
            let words = words(&call);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            assert!(commands(&top).contains(&words[0]), "{page}: {call}");
            let mut help = ok(dir.path(), &[words[0], "--help"]);
            let has_commands = help.contains("Commands:\n");
            if words.len() > 1 && has_commands && commands(&help).contains(&words[1]) {
                help = ok(dir.path(), &[words[0], words[1], "--help"]);
            }
            let options: Vec<&str> = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
            for option in words.iter().filter(|word| word.starts_with('-')) {
                assert!(options.contains(option), "{page}: {option} in {call}");
            }
            // The config of a training is read with its changes.
            if words[0] == "train" && words.len() > 1 && words[1].starts_with("data/") {
                let sets = words.windows(2).filter(|pair| pair[0] == "--set");
                let sets: Vec<String> = sets.map(|pair| pair[1].to_owned()).collect();
                let config = RunConfig::read(&root().join(words[1]), &sets);
                assert!(config.is_ok(), "{page}: {call}: {}", config.err().unwrap());
            }
        }
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

/// Lanes, sums and with them the rounding differ between instruction sets, the images hardly.
#[test]
fn the_instruction_set_can_be_chosen_and_changes_no_more_than_rounding() {
    let dir = tempfile::tempdir().unwrap();
    let with = |set: &str| {
        let mut command = assert_cmd::Command::cargo_bin("dm").unwrap();
        command.current_dir(dir.path()).env("DM_DATA", root().join("data")).env("DM_SIMD", set);
        command.args(["sample", "ddpm-unet", "-n", "3", "--nfe", "4", "--out", set]).output().unwrap()
    };
    let refused = String::from_utf8(with("sse9").stderr).unwrap();
    assert!(refused.contains("DM_SIMD: found `sse9`, expected one that this machine has: "), "{refused}");
    let sets = refused.trim_end().rsplit(": ").next().unwrap().split(", ").map(str::to_owned);
    let images: Vec<SampleSet> = sets
        .map(|set| {
            let output = with(&set);
            assert!(output.status.success(), "{set}: {}", String::from_utf8_lossy(&output.stderr));
            SampleSet::read(&dir.path().join(set).join("images.safetensors")).unwrap()
        })
        .collect();
    for other in &images[1..] {
        let differences = images[0].pixels.iter().zip(&other.pixels).map(|(a, b)| a.abs_diff(*b));
        assert!(differences.max().unwrap() <= 2);
    }
}
