//! Standard output that cannot be written to, for every command, and errors of the command line.

#![cfg(unix)]

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{arg, dm, ok, refused, root, small_classifier_config, small_config, small_data};

/// Runs `dm` in `dir` with its standard output in `file`; returns the exit code and the errors.
fn into(file: File, dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("dm"));
    let output = command.current_dir(dir).args(args).stdout(file).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Runs `dm` in `dir` with its standard output in a pipe whose reader is gone; returns the exit code and the errors.
fn into_a_closed_pipe(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("dm"))
        .current_dir(dir)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    (child.wait().unwrap().code(), error)
}

/// Runs `dm` in `dir` without a standard output; returns the exit code and the errors.
fn without_stdout(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" >&-"]).arg(assert_cmd::cargo::cargo_bin("dm"));
    let output = command.current_dir(dir).args(args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Checks that the only line of `error` says that standard output could not be written to.
fn names_stdout(args: &[&str], (code, error): &(Option<i32>, String)) {
    assert_eq!(*code, Some(2), "dm {args:?}: {error}");
    let last = error.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains("stdout"), "dm {args:?}: {error}");
    assert_eq!(error.matches("error: ").count(), 1, "dm {args:?}: {error}");
}

#[test]
fn an_unwritable_standard_output_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["degrade", "--list"][..], &["--help"], &["--version"], &["sample", "--help"]] {
        // A full device, and a file that is open for reading only.
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let read_only = File::open("/dev/null").unwrap();
        for file in [full, read_only] {
            let ended = into(file, dir.path(), args);
            names_stdout(args, &ended);
            assert_eq!(ended.1.lines().count(), 1, "{}", ended.1);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_closed_standard_output_is_an_error_before_the_work_starts() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    for args in [&["degrade", "--list"][..], &["--version"], &["train", arg(&config)]] {
        let ended = without_stdout(dir.path(), args);
        names_stdout(args, &ended);
        assert_eq!(ended.1.lines().count(), 1, "{}", ended.1);
    }
    assert!(!dir.path().join("runs").exists());
    // A program that redirects to /dev/null wants no output.
    let null = OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
    assert_eq!(into(null, dir.path(), &["degrade", "--list"]), (Some(0), String::new()));
}

/// Every command that prints results, with arguments with which it succeeds after [`prepared`]. `{}` stands for a fresh name.
const COMMANDS: [&str; 21] = [
    "train ink.toml --data data --run {}",
    "train classifier.toml --data data --run {}",
    "runs .",
    "runs . --json",
    "runs show runs/small",
    "runs compare runs/small runs/small",
    "runs prune .",
    "sample runs/small -n 2 --nfe 1 --show",
    "eval samples --data data --classifier runs/small-classifier --metrics score",
    "eval samples --data data --classifier runs/small-classifier --metrics score --json",
    "likelihood runs/small --data data -n 1 --nfe 2",
    "sanity -n 40 --data data --classifier runs/small-classifier",
    "restore runs/small --data data --count 1 --timesteps 1 --nfe 1",
    "degrade ink --data data --count 1 --columns 2",
    "degrade --list",
    "degrade --list --json",
    "degrade --list ink",
    "info runs/small",
    "info runs/small-classifier",
    "import starter.pth --out {}.safetensors",
    "data check data",
];

/// Commands whose output is not a result, or which are tested with what they are for.
const OTHER_COMMANDS: [&str; 7] = ["help", "shards", "serve", "export", "completions", "man", "version"];

/// A folder with the models and data that [`COMMANDS`] use.
fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 200, 100);
    small_config(dir.path(), "ink", "softmax");
    small_classifier_config(dir.path());
    let fixture = root().join("crates/dm-train/tests/fixtures/starter_plane.pth");
    std::fs::copy(fixture, dir.path().join("starter.pth")).unwrap();
    ok(dir.path(), &["train", "ink.toml", "--data", "data"]);
    ok(dir.path(), &["train", "classifier.toml", "--data", "data"]);
    ok(dir.path(), &["sample", "runs/small", "-n", "20", "--nfe", "1", "--out", "samples"]);
    dir
}

#[test]
fn every_command_reports_a_full_device_and_ends_quietly_at_a_closed_pipe() {
    let dir = prepared();
    for (i, line) in COMMANDS.iter().enumerate() {
        let with_name = |name: &str| line.replace("{}", &format!("{name}-{i}"));
        let (full, pipe) = (with_name("full"), with_name("pipe"));
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (full, pipe) = (words(&full), words(&pipe));
        let full: Vec<&str> = full.iter().map(String::as_str).collect();
        let pipe: Vec<&str> = pipe.iter().map(String::as_str).collect();
        let device = OpenOptions::new().write(true).open("/dev/full").unwrap();
        names_stdout(&full, &into(device, dir.path(), &full));
        let (code, error) = into_a_closed_pipe(dir.path(), &pipe);
        assert_eq!(code, Some(0), "dm {pipe:?}: {error}");
        assert!(!error.contains("error") && !error.contains("panic"), "dm {pipe:?}: {error}");
    }
}

#[test]
fn no_command_is_forgotten_here() {
    let dir = tempfile::tempdir().unwrap();
    let help = ok(dir.path(), &["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let tested = |name: &&str| COMMANDS.iter().any(|line| line.split(' ').next() == Some(*name));
    let forgotten: Vec<&str> = commands
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| !tested(name) && !OTHER_COMMANDS.contains(name))
        .collect();
    assert!(forgotten.is_empty(), "{forgotten:?}: not in COMMANDS");
}

#[test]
fn wrong_arguments_are_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    refused(
        dir.path(),
        &["sample", "--sampler", "foo"],
        &["'foo'", "--sampler", "ancestral_2m", "ddpm_notebook"],
    );
    refused(dir.path(), &["sample", "--variance", "big"], &["'big'", "--variance", "posterior", "beta"]);
    refused(dir.path(), &["sample", "--spacing", "power:0.05"], &["--spacing", "power:0.05", "0.1 to 10"]);
    refused(dir.path(), &["sample", "--steps", "3"], &["--steps"]);
    refused(dir.path(), &["sample", "-n", "many"], &["'many'", "-n"]);
    refused(dir.path(), &["sample", "--seed", "9223372036854775808"], &["--seed", "9223372036854775807"]);
    refused(dir.path(), &["degrade"], &["required", "NAME"]);
    refused(dir.path(), &["likelihood", "--reference", "there"], &["--reference", "there", "test", "train"]);
    let help = dm(dir.path(), &["sample", "--help"]);
    assert!(help.status.success() && !help.stdout.contains(&0x1b) && help.stderr.is_empty());
}
