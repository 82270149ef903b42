//! Event files of runs, read by TensorBoard itself. The test that does so needs a Python with the package `tensorboard`: the
//! program that the environment variable DM_PYTHON names, or else `python3`. Without the package it says that it is skipped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::common::{arg, dm, ok, python, small_config, small_data};
use serde_json::Value;

/// The event files of a run.
fn event_files(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let is_event_file = |path: &PathBuf| path.to_str().is_some_and(|path| path.contains("tfevents"));
    let mut files: Vec<PathBuf> = entries.filter(is_event_file).collect();
    files.sort();
    files
}

fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs `dm` with `args` and kills it when the metrics of `run` have `lines` lines.
fn kill_at(dir: &Path, args: &[&str], run: &Path, lines: usize) {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("dm"))
        .current_dir(dir)
        .args(args)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default().lines().count() < lines {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn tensorboard_reads_every_number_once_also_of_a_run_that_was_killed() {
    let Some(python) = python("tensorboard") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read_tensorboard.py");
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 300, 300);
    let config = small_config(dir.path(), "ink", "softmax");
    // The first run has event files from its beginning, the second one only since it was resumed.
    for (name, first) in [("events", &[][..]), ("late", &["--no-tensorboard"])] {
        let started = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let run = dir.path().join(name);
        let args = ["train", arg(&config), "--resume", "--run", name, "--data", "data"];
        let sets = [
            "training.epochs=8",
            "training.eval_every=3",
            "training.eval_images=100",
            "training.checkpoint_every=1000",
        ];
        let args: Vec<&str> = args.into_iter().chain(sets.iter().flat_map(|set| ["--set", set])).collect();
        kill_at(dir.path(), &[&args, first].concat(), &run, 13);
        assert_eq!(event_files(&run).len(), usize::from(first.is_empty()));
        ok(dir.path(), &args);
        assert_eq!(event_files(&run).len(), 1 + usize::from(first.is_empty()));

        let output = Command::new(&python).arg(&script).arg(&run).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read: Value = serde_json::from_slice(&output.stdout).unwrap();
        check(&read, &run, started);
    }
}

/// Checks what TensorBoard has read against the files of the run, which began not before the time `started`.
fn check(read: &Value, run: &Path, started: f64) {
    // Every number of metrics.jsonl, as 32-bit numbers by step, and every list of numbers.
    let mut scalars: BTreeMap<String, Vec<(u64, f32)>> = BTreeMap::new();
    let mut lists: BTreeMap<String, Vec<(u64, Vec<f64>)>> = BTreeMap::new();
    for line in metrics(run) {
        let (event, step) = (line["event"].as_str().unwrap(), line["step"].as_u64().unwrap());
        for (key, value) in line.as_object().unwrap().iter().filter(|(key, _)| *key != "step") {
            let tag = format!("{event}/{key}");
            if let Some(number) = value.as_f64() {
                scalars.entry(tag).or_default().push((step, number as f32));
            } else if let Some(list) = value.as_array() {
                let list = list.iter().map(|value| value.as_f64().unwrap_or(0.0)).collect();
                lists.entry(tag).or_default().push((step, list));
            }
        }
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let mut read_scalars: BTreeMap<String, Vec<(u64, f32)>> = BTreeMap::new();
    for (tag, events) in read["scalars"].as_object().unwrap() {
        for event in events.as_array().unwrap() {
            assert!((started..=now).contains(&event[2].as_f64().unwrap()), "{tag}: {event}");
            let point = (event[0].as_u64().unwrap(), event[1].as_f64().unwrap() as f32);
            read_scalars.entry(tag.clone()).or_default().push(point);
        }
    }
    assert_eq!(read_scalars, scalars);
    assert_eq!(scalars["step/loss"].len(), 32);
    assert_eq!(scalars["eval/fd"].iter().map(|(step, _)| *step).collect::<Vec<_>>(), [12, 24, 32]);

    // Losses by timestep: a bar for each tenth of t/T, as high as the loss.
    assert_eq!(lists.keys().collect::<Vec<_>>(), ["epoch/train_loss_by_t", "epoch/val_loss_by_t"]);
    for (tag, expected) in &lists {
        let events = read["histograms"][tag].as_array().unwrap();
        assert_eq!(events.len(), expected.len());
        for (event, (step, list)) in events.iter().zip(expected) {
            let values = |name: &str| -> Vec<f64> { serde_json::from_value(event[1][name].clone()).unwrap() };
            assert_eq!((event[0].as_u64().unwrap(), values("bucket")), (*step, list.clone()));
            assert_eq!(values("bucket_limit"), (1..=10).map(|i| f64::from(i) / 10.0).collect::<Vec<_>>());
            assert!((event[1]["num"].as_f64().unwrap() - list.iter().sum::<f64>()).abs() < 1e-9);
        }
    }

    // The pictures are those of the run folder, bit for bit, and the config is the one that is resolved.
    let images = read["images"]["samples"].as_array().unwrap();
    assert_eq!(images.len(), 8);
    for (i, image) in images.iter().enumerate() {
        let epoch = i as u64 + 1;
        let file = run.join(format!("samples/epoch-{epoch:04}.png"));
        assert_eq!(image[0], 4 * epoch);
        let size = image::image_dimensions(&file).unwrap();
        assert_eq!((&image[1], &image[2]), (&size.0.into(), &size.1.into()));
        let bytes: Vec<u8> = serde_json::from_value(image[3].clone()).unwrap();
        assert!(bytes == fs::read(&file).unwrap(), "epoch {epoch}");
    }
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    let texts = read["texts"]["config"].as_array().unwrap();
    assert!(!texts.is_empty());
    for text in texts {
        assert_eq!(text[1].as_str().unwrap(), format!("```toml\n{config}```\n"));
    }
    let plugins: Vec<&String> = read["plugins"].as_object().unwrap().keys().collect();
    assert_eq!(plugins, ["histograms", "images", "scalars", "text"]);
}

#[test]
fn event_files_that_cannot_be_written_are_reported_once_and_cost_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    ok(dir.path(), &["train", arg(&config), "--run", "plain", "--no-tensorboard"]);
    assert!(event_files(&dir.path().join("plain")).is_empty());

    // A folder lies where the next event file would be, whose name follows that of the last one.
    let run = dir.path().join("blocked");
    fs::create_dir(&run).unwrap();
    fs::copy(dir.path().join("plain/config.toml"), run.join("config.toml")).unwrap();
    fs::write(run.join("events.out.tfevents.9999999998"), "").unwrap();
    fs::create_dir(run.join("events.out.tfevents.9999999999")).unwrap();
    let output = dm(dir.path(), &["train", arg(&config), "--run", "blocked", "--resume"]);
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{messages}");
    let told: Vec<&str> = messages.lines().filter(|line| line.contains("tfevents")).collect();
    assert!(told.len() == 1 && told[0].contains("training continues without TensorBoard"), "{messages}");
    let model = |name: &str| fs::read(dir.path().join(name).join("model.safetensors")).unwrap();
    assert!(model("plain") == model("blocked"));
}

#[test]
fn a_classifier_has_event_files() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 64, 64);
    let config = crate::common::small_classifier_config(dir.path());
    ok(dir.path(), &["train", arg(&config), "--data", "data", "--run", "classifier"]);
    let files = event_files(&dir.path().join("classifier"));
    assert_eq!(files.len(), 1);
    let bytes = fs::read(&files[0]).unwrap();
    assert!(bytes.windows(19).any(|tag| tag == b"epoch/test_accuracy"));
}
