//! `dm train --epochs`, `--seeds` and `--find-lr`, and a checkpoint that is damaged, through the binary.

use std::fs;
use std::path::Path;

use crate::common::{arg, dm, ok, refused, small_config};

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_finished_run_is_extended_and_a_damaged_checkpoint_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    let train = |run: &str, more: &[&str]| {
        let fixed = ["train", arg(&config), "--run", run, "--set", "training.sample_count=0"];
        dm(dir.path(), &[&fixed[..], more].concat())
    };
    assert!(train("whole", &["--epochs", "3"]).status.success());
    assert!(train("extended", &["--epochs", "1"]).status.success());
    let output = train("extended", &["--epochs", "3"]);
    assert_eq!(output.status.code(), Some(2), "an existing run needs --resume");

    let newest = dir.path().join("extended/checkpoint.safetensors");
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() - 1]).unwrap();
    let output = train("extended", &["--epochs", "3", "--resume"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("checkpoint.safetensors")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    let expected = "continuing from extended/checkpoint-00000002.safetensors after step 2";
    assert!(lines[0].contains(expected), "{}", lines[0]);
    let model = |run: &str| fs::read(dir.path().join(run).join("model.safetensors")).unwrap();
    assert!(model("whole") == model("extended"));
}

#[test]
fn several_seeds_are_trained_one_after_another() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    let fixed = ["train", arg(&config), "--epochs", "1", "--set", "training.sample_count=0"];
    ok(dir.path(), &[&fixed[..], &["--seeds", "3,5"]].concat());
    ok(dir.path(), &[&fixed[..], &["--set", "seed=5", "--run", "alone"]].concat());
    assert_eq!(names(&dir.path().join("runs")), ["small-s3", "small-s5"]);
    let model = |run: &str| fs::read(dir.path().join(run).join("model.safetensors")).unwrap();
    assert!(model("runs/small-s5") == model("alone") && model("runs/small-s3") != model("alone"));
    let text = ok(dir.path(), &[&fixed[..], &["--seeds", "3,5", "--resume"]].concat());
    assert_eq!(text.matches("is complete").count(), 2, "{text}");
    refused(dir.path(), &[&fixed[..], &["--seeds", "3,3"]].concat(), &["--seeds", "3 twice"]);
}

#[test]
fn the_learning_rate_finder_suggests_a_rate_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for config in
        [small_config(dir.path(), "ink", "softmax"), crate::common::small_classifier_config(dir.path())]
    {
        let data = crate::common::root().join("data/mnist");
        let text = ok(dir.path(), &["train", arg(&config), "--find-lr", "--data", arg(&data)]);
        assert!(text.contains("mean loss of the last steps"), "{text}");
        let suggestion = text.lines().last().unwrap();
        let rate =
            suggestion.split("optimizer.learning_rate=").nth(1).and_then(|rest| rest.split(',').next());
        let rate: f64 = rate.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
        assert!((1e-6..1.0).contains(&rate), "{rate}");
    }
    assert_eq!(names(dir.path()), ["classifier.toml", "ink.toml"]);
    let config = small_config(dir.path(), "ink", "softmax");
    refused(dir.path(), &["train", arg(&config), "--find-lr", "--resume"], &["--find-lr", "--resume"]);
}
