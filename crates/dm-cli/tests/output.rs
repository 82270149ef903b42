//! Standard output that cannot be written to, and errors of the command line.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![cfg(unix)]

mod common;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Command, Stdio};

use common::{dm, refused};

/// Runs `dm` with its standard output in `file`; returns the exit code and the errors.
fn into(file: File, args: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("dm"));
    let output = command.current_dir(dir.path()).args(args).stdout(file).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn an_unwritable_standard_output_is_an_error() {
    for args in [&["degrade", "--list"][..], &["--help"], &["--version"], &["sample", "--help"]] {
        // A full device, and a file that is open for reading only.
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let read_only = File::open("/dev/null").unwrap();
        for file in [full, read_only] {
            let (code, error) = into(file, args);
            assert_eq!(code, Some(2), "dm {args:?}: {error}");
            assert!(error.starts_with("error: ") && error.contains("stdout"), "dm {args:?}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("dm"))
        .args(["degrade", "--list", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert!(child.wait().unwrap().success() && error.is_empty(), "{error}");
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
    refused(dir.path(), &["sample", "--spacing", "power:0.5"], &["--spacing", "power:0.5", "1 to 10"]);
    refused(dir.path(), &["sample", "--steps", "3"], &["--steps"]);
    refused(dir.path(), &["sample", "-n", "many"], &["'many'", "-n"]);
    refused(dir.path(), &["sample", "--seed", "9223372036854775808"], &["--seed", "9223372036854775807"]);
    refused(dir.path(), &["degrade"], &["required", "NAME"]);
    refused(dir.path(), &["likelihood", "--reference", "there"], &["--reference", "there", "test", "train"]);
    let help = dm(dir.path(), &["sample", "--help"]);
    assert!(help.status.success() && !help.stdout.contains(&0x1b) && help.stderr.is_empty());
}
