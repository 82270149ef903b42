//! `training.eval_every` through the binary: the evaluations of a model while it trains. They do not change the training, a
//! killed run loses none of them, and a missing classifier is an error before training starts.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{arg, ok, refused, small_config, small_data};
use dm_nn::params::file::TensorFile;
use serde_json::Value;

/// The `eval` lines of a run, without the time they took.
fn evaluations(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    // The last line may be incomplete.
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut lines: Vec<Value> = lines.filter(|line| line["event"] == "eval").collect();
    lines.iter_mut().for_each(|line| line["seconds"] = Value::Null);
    lines
}

#[test]
fn evaluations_during_training_do_not_change_the_model() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 300, 300);
    let config = small_config(dir.path(), "ink", "softmax");
    let fixed = ["--data", "data", "--set", "training.epochs=12", "--set", "training.sample_count=0"];
    let measured = ["--set", "training.eval_every=5", "--set", "training.eval_images=100"];
    let args = |run, more: &[&'static str]| {
        [&["train", arg(&config), "--resume", "--run", run][..], &fixed, more].concat()
    };
    ok(dir.path(), &args("plain", &[]));
    ok(dir.path(), &args("measured", &measured));
    let run = |name: &str| dir.path().join(name);
    let lines = evaluations(&run("measured"));
    assert_eq!(lines.iter().map(|line| line["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [5, 10, 12]);
    for line in &lines {
        assert_eq!((&line["n"], &line["n_reference"]), (&100.into(), &300.into()));
        assert_eq!((&line["nfe"], &line["sampler"]), (&5.into(), &"ancestral".into()));
        // The extrapolated distance is not defined for so few images.
        assert!(line["fd_infinity"].is_null() && line["fd"].as_f64().unwrap() > 0.0, "{line}");
    }
    assert!(evaluations(&run("plain")).is_empty());

    // The files differ in their configs only; the weights are the same to the last bit.
    let weights = |name: &str| TensorFile::read(&run(name).join("model.safetensors")).unwrap();
    let (plain, with) = (weights("plain"), weights("measured"));
    assert!(plain.names().eq(with.names()) && plain.names().count() > 10);
    assert!(plain.names().all(|name| plain.get(name) == with.get(name)));

    // `dm eval` computes the same scores for the finished model.
    let text = ok(
        dir.path(),
        &["eval", "measured", "-n", "100", "--metrics", "fd,manifold", "--data", "data", "--json"],
    );
    let report: Value = serde_json::from_str(&text).unwrap();
    let value = |name: &str| {
        let rows = report["scores"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap()["value"].clone()
    };
    let last = &lines[2];
    assert_eq!(value("frechet distance"), last["fd"]);
    assert_eq!((value("precision"), value("recall")), (last["precision"].clone(), last["recall"].clone()));
    assert_eq!(report["classifier"]["sha256"], last["classifier_sha256"]);

    // A run that is killed right after its first evaluation and resumed has every line once, with the same values.
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("dm"))
        .current_dir(dir.path())
        .args(args("killed", &measured))
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while evaluations(&run("killed")).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be killed");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    ok(dir.path(), &args("killed", &measured));
    assert_eq!(evaluations(&run("killed")), lines);
    let model = |name: &str| fs::read(run(name).join("model.safetensors")).unwrap();
    assert!(model("measured") == model("killed"));
}

#[test]
fn too_few_test_images_and_a_damaged_classifier_are_refused_before_training() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 40, 40);
    let config = small_config(dir.path(), "ink", "softmax");
    let args = ["train", arg(&config), "--data", "data", "--set", "training.eval_every=1"];
    refused(dir.path(), &args, &["training.eval_every: test images: found 40, expected at least 65"]);
    fs::write(dir.path().join("classifier"), "not a classifier").unwrap();
    refused(dir.path(), &args, &["training.eval_every", "classifier", "safetensors header"]);
    assert!(!dir.path().join("runs").exists(), "a run folder was left");
}

/// A termination signal ends a run at once, even while samples are drawn for a picture or for an evaluation. The resumed run
/// makes up for the interrupted evaluation.
#[test]
#[cfg(unix)]
fn a_terminated_run_is_saved_at_once_and_continues() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 300, 300);
    let config = small_config(dir.path(), "ink", "softmax");
    let common = ["--data", "data", "--resume", "--set", "training.epochs=1", "--set", "sampling.nfe=20"];
    let [of_pictures, of_evaluation] = [
        ["--run", "pictures", "--set", "training.sample_count=5000"].to_vec(),
        vec![
            "--run",
            "evaluation",
            "--set",
            "training.sample_count=0",
            "--set",
            "training.eval_every=1",
            "--set",
            "training.eval_images=1500",
        ],
    ]
    .map(|more| [&["train", arg(&config)], &common[..], &more].concat());
    for (run, args) in [("pictures", &of_pictures), ("evaluation", &of_evaluation)] {
        let folder = dir.path().join(run);
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("dm"))
            .current_dir(dir.path())
            .args(args)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // The line of the epoch is written before the samples are drawn.
        let metrics = || fs::read_to_string(folder.join("metrics.jsonl")).unwrap_or_default();
        while !metrics().contains("\"event\":\"epoch\"") {
            assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be stopped");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(200));
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        let signalled = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{run}");
        assert!(signalled.elapsed() < Duration::from_secs(2), "{run}: {:?}", signalled.elapsed());
        assert!(
            folder.join("checkpoint.safetensors").is_file() && folder.join("model.safetensors").is_file()
        );
        assert!(evaluations(&folder).is_empty() && !folder.join("samples/epoch-0001.png").exists());
    }
    ok(dir.path(), &of_evaluation);
    let lines = evaluations(&dir.path().join("evaluation"));
    assert_eq!(lines.iter().map(|line| line["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [1]);
}
