//! Sweeps on a real Slurm cluster of one node, which `slurm/cluster.sh` starts: the order of the jobs, a requeue, the end of the
//! time limit, and a failure. Skipped where Slurm is not installed or this process is not root.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's helpers may panic, and a skipped test says so"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Place, stderr, stdout};

/// The commands that the cluster and the sweep need.
const COMMANDS: [&str; 7] = ["slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "scancel"];

/// A running cluster, which ends with this value.
struct Cluster {
    dir: tempfile::TempDir,
}

impl Cluster {
    /// Starts a cluster; `None` where that is not possible.
    fn start() -> Option<Self> {
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let has = |name: &&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
        let missing: Vec<&str> = COMMANDS.into_iter().filter(|name| !has(name)).collect();
        if !is_root || !missing.is_empty() {
            eprintln!(
                "skipped: needs root and the packages slurm-wlm and munge (root: {is_root}, missing: {missing:?})"
            );
            return None;
        }
        let cluster = Self { dir: tempfile::tempdir().unwrap() };
        let started = cluster.script("start");
        assert!(started.status.success(), "{}", stderr(&started));
        Some(cluster)
    }

    fn script(&self, action: &str) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm/cluster.sh");
        // The programs of the cluster go on, so that they must not hold the pipes of this script open.
        let log = self.dir.path().join(format!("{action}.txt"));
        let file = std::fs::File::create(&log).unwrap();
        let status = Command::new("bash")
            .args([script.as_path(), Path::new(action), self.dir.path()])
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .status()
            .unwrap();
        Output { status, stdout: Vec::new(), stderr: std::fs::read(log).unwrap() }
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("slurm.conf")
    }

    /// `cargo xtask sweep --executor slurm` at `place`.
    fn sweep(&self, place: &Place, more: &[&str]) -> Command {
        let mut command = place.command(&["--executor", "slurm", "--cpus", "1"]);
        command.args(more).env("SLURM_CONF", self.config());
        command
    }

    /// Runs one of Slurm's commands.
    fn slurm(&self, words: &[&str]) -> String {
        let output =
            Command::new(words[0]).args(&words[1..]).env("SLURM_CONF", self.config()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// Waits until a line of squeue for all tasks, as `JOB_TASK NAME STATE REASON`, contains all `words`.
    fn wait_for(&self, words: &[&str]) {
        let began = Instant::now();
        loop {
            let command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %j %T %r"];
            let lines = self.slurm(&command);
            if lines.lines().any(|line| words.iter().all(|word| line.contains(word))) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(90), "no {words:?} in:\n{lines}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.script("stop");
    }
}

/// The ids of the jobs that a sweep has submitted: train, evaluate, figures.
fn ids(place: &Place) -> [String; 3] {
    let text = std::fs::read_to_string(place.path("runs/slurm/jobs.json")).unwrap();
    let jobs: serde_json::Value = serde_json::from_str(&text).unwrap();
    ["train", "evaluate", "figures"].map(|stage| jobs[stage].as_str().unwrap().to_owned())
}

/// The number of calls of `dm` with this name.
fn count(calls: &[String], name: &str) -> usize {
    calls.iter().filter(|call| *call == name).count()
}

#[test]
fn a_sweep_on_a_cluster_survives_requeues_and_time_limits_and_reports_failures() {
    let Some(cluster) = Cluster::start() else { return };
    requeued_and_out_of_time(&cluster);
    failed(&cluster);
    refused(&cluster);
}

/// Run a is requeued while it trains, and run b is told that its time is nearly over. Both continue and finish.
fn requeued_and_out_of_time(cluster: &Cluster) {
    let place = Place::new(&[("a", "\"slow=1\", \"steps=60\""), ("b", "\"slow=1\", \"steps=50\"")]);
    let submitted = cluster.sweep(&place, &["--array-limit", "2", "--partition", "main"]).output().unwrap();
    assert!(submitted.status.success(), "{}", stderr(&submitted));
    let [train, ..] = ids(&place);
    place.wait_for_steps("a", 3);
    place.wait_for_steps("b", 3);

    // A second submission is refused as long as the first one is in the queue.
    let again = cluster.sweep(&place, &[]).output().unwrap();
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("--watch follows them"), "{}", stderr(&again));

    cluster.slurm(&["scontrol", "requeue", &format!("{train}_1")]);
    // What Slurm does two minutes before the time limit.
    cluster.slurm(&["scancel", "--batch", "--signal=USR1", &format!("{train}_2")]);
    cluster.wait_for(&[&format!("{train}_1 "), "PENDING"]);
    let saved = std::fs::read_to_string(place.path("runs/a/checkpoint.safetensors")).unwrap();
    assert!(saved.trim().parse::<u32>().unwrap() < 60, "{saved}");

    let watched = cluster.sweep(&place, &["--watch"]).output().unwrap();
    let (table, lines) = (stdout(&watched), stderr(&watched));
    assert!(watched.status.success(), "{lines}");
    assert!(lines.contains("following the jobs") && lines.contains("in the queue ("), "{lines}");
    assert!(lines.contains("a: complete") && lines.contains("b: complete"), "{lines}");
    assert!(table.contains("| a ") && table.contains("| b "), "{table}");
    let calls = place.calls();
    for (name, times) in [("train", 2), ("train resume", 2), ("sample", 2), ("restore", 2)] {
        assert_eq!(count(&calls, name), times, "{name}: {calls:?}");
    }
    for run in ["a", "b"] {
        let log = std::fs::read_to_string(place.path(&format!("runs/logs/{run}.txt"))).unwrap();
        assert!(log.contains(", start 0, ") && log.contains(", start 1, "), "{log}");
    }
    let figures = std::fs::read_to_string(place.path("runs/logs/slurm/digits-smoke-figures.txt")).unwrap();
    assert!(figures.contains("| a ") && place.path("runs/figures/loss-curves.png").is_file(), "{figures}");

    // Complete runs are not trained again.
    let second = cluster.sweep(&place, &["--watch"]).output().unwrap();
    assert!(second.status.success(), "{}", stderr(&second));
    assert_eq!(place.calls(), Vec::<String>::new());
}

/// Run a fails while it trains. Run b is evaluated nevertheless, and the message names the log.
fn failed(cluster: &Cluster) {
    let place = Place::new(&[("a", "\"fail=1\""), ("b", "")]);
    let watched = cluster.sweep(&place, &["--watch"]).output().unwrap();
    let lines = stderr(&watched);
    assert_eq!(watched.status.code(), Some(1), "{lines}");
    let log = place.path("runs/logs/a.txt").display().to_string();
    for words in ["a failed: Slurm says FAILED", &log, "loss is NaN", "b: complete"] {
        assert!(lines.contains(words), "{words}: {lines}");
    }
    let [_, evaluate, figures] = ids(&place);
    cluster.wait_for(&[&format!("{evaluate}_1 "), "CANCELLED"]);
    cluster.wait_for(&[&format!("{figures} "), "CANCELLED"]);
    // The next submission continues the run.
    let watched = cluster.sweep(&place, &["--watch"]).output().unwrap();
    assert!(watched.status.success(), "{}", stderr(&watched));
    assert_eq!(count(&place.calls(), "train resume"), 1);
}

/// What Slurm refuses is an error, and nothing stays in the queue.
fn refused(cluster: &Cluster) {
    let place = Place::new(&[("a", "")]);
    let output = cluster.sweep(&place, &["--partition", "none-such"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("sbatch failed") && stderr(&output).contains("partition"),
        "{}",
        stderr(&output)
    );
    assert!(!place.path("runs/slurm/jobs.json").exists());
}
