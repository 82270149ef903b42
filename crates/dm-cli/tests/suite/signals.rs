//! Signals through the binary: they stop commands with exit code 130, a run is saved first, and SIGUSR1 saves without
//! stopping. A run folder has one writer, which others can name.

#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{arg, ok, refused, small_config};

/// The signals that end `dm`, as arguments of `kill`.
const ENDING: [&str; 2] = ["-INT", "-TERM"];
/// The time within which a process must end after such a signal.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts `dm` with `args` in `dir`.
fn start(dir: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("dm"));
    command.current_dir(dir).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits until `condition` holds while `child` runs.
fn wait_until(child: &mut Child, condition: impl Fn() -> bool) {
    while !condition() {
        assert!(child.try_wait().unwrap().is_none(), "the process ended early");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The exit code of `child`, which has been asked to end. A process that goes on is killed, so that the test does not wait forever.
fn exit_code(child: &mut Child) -> Option<i32> {
    let asked = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if asked.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the process did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The number of steps that the metrics of the run folder `run` report.
fn steps(run: &Path) -> usize {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    text.lines().filter(|line| line.contains("\"event\":\"step\"")).count()
}

/// A run that would take very long and saves only when it is asked to.
const ENDLESS: [&str; 8] = [
    "--set",
    "training.epochs=100000",
    "--set",
    "training.checkpoint_every=1000000",
    "--set",
    "training.max_images=30000",
    "--set",
    "training.sample_count=0",
];

#[test]
fn a_run_saves_on_request_and_when_it_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    for signal in ENDING {
        let run = dir.path().join(signal);
        let args = [&["train", arg(&config), "--resume", "--run", arg(&run)], &ENDLESS[..]].concat();
        let checkpoint = run.join("checkpoint.safetensors");
        let mut child = start(dir.path(), &args);
        wait_until(&mut child, || steps(&run) > 2);
        assert!(!checkpoint.exists());
        send(&child, "-USR1");
        wait_until(&mut child, || checkpoint.exists());
        let (saved, now) = (fs::read(&checkpoint).unwrap(), steps(&run));
        wait_until(&mut child, || steps(&run) > now);
        send(&child, signal);
        assert_eq!(exit_code(&mut child), Some(130), "{signal}");
        assert!(
            fs::read(&checkpoint).unwrap() != saved,
            "{signal}: the run was not saved when it was stopped"
        );
        let before = steps(&run);
        let mut child = start(dir.path(), &args);
        wait_until(&mut child, || steps(&run) > before);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// A program that is started to ignore hang-ups, as by `nohup`, still ignores them. Ctrl-C stops it even if it was started to
/// ignore Ctrl-C, as a shell does with the background jobs of a script.
#[test]
#[cfg(target_os = "linux")]
fn an_ignored_hang_up_stays_ignored_and_an_ignored_ctrl_c_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    let run = dir.path().join("run");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP INT; exec \"$0\" \"$@\""]).arg(assert_cmd::cargo::cargo_bin("dm"));
    command.args(["train", arg(&config), "--run", arg(&run)]).args(ENDLESS).current_dir(dir.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(&mut child, || steps(&run) > 0);
    send(&child, "-HUP");
    let now = steps(&run);
    wait_until(&mut child, || steps(&run) > now + 5);
    send(&child, "-INT");
    assert_eq!(exit_code(&mut child), Some(130));
}

#[test]
fn other_commands_stop_as_well_and_leave_nothing_incomplete() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    ok(dir.path(), &["train", arg(&config), "--run", "run", "--set", "training.epochs=1"]);
    let data = crate::common::root().join("data/mnist");
    let commands: [&[&str]; 2] = [
        &["sample", "run", "-n", "100000", "--out", "out"],
        &[
            "restore",
            "run",
            "--count",
            "5000",
            "--timesteps",
            "20",
            "--data",
            arg(&data),
            "--out",
            "out/r.png",
        ],
    ];
    for command in commands {
        for signal in ENDING {
            let mut child = start(dir.path(), command);
            std::thread::sleep(Duration::from_millis(1500));
            assert!(child.try_wait().unwrap().is_none(), "{command:?} ended before it could be stopped");
            send(&child, signal);
            assert_eq!(exit_code(&mut child), Some(130), "{command:?} {signal}");
            let out = fs::read_dir(dir.path().join("out")).into_iter().flatten().flatten();
            assert!(out.count() == 0, "{command:?}");
        }
    }
}

#[test]
fn a_run_folder_has_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    let args = [&["train", arg(&config), "--resume", "--run", "run"], &ENDLESS[..]].concat();
    let run = dir.path().join("run");
    let mut first = start(dir.path(), &args);
    wait_until(&mut first, || steps(&run) > 0);
    let holder = format!("process {} on ", first.id());
    refused(dir.path(), &args, &["another process is training into this folder", &holder, " since ", "UTC"]);
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock of a killed process is free, and what it left is removed.
    fs::write(run.join(".writing-abc"), "left behind").unwrap();
    let mut second = start(dir.path(), &args);
    wait_until(&mut second, || !run.join(".writing-abc").exists());
    let lock = fs::read_to_string(run.join(".lock")).unwrap();
    assert!(lock.starts_with(&format!("process {} on ", second.id())), "{lock}");
    second.kill().unwrap();
    second.wait().unwrap();
}
