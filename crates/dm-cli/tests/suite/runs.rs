//! `dm runs` through the binary, over folders that `dm train` has written, and over folders that are damaged.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::{arg, ok, refused, small_config};
use serde_json::Value;

/// Runs `dm` with `args`, which must succeed, in a terminal of `columns` columns.
fn in_columns(dir: &Path, args: &[&str], columns: usize) -> String {
    let mut command = assert_cmd::Command::cargo_bin("dm").unwrap();
    let output = command.current_dir(dir).env("COLUMNS", columns.to_string()).args(args).output().unwrap();
    assert!(output.status.success(), "dm {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(dir: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&ok(dir, &[args, &["--json"]].concat())).unwrap()
}

/// The states of all runs, by name.
fn states(dir: &Path) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let runs = json(dir, &["runs"]);
    runs.as_array().unwrap().iter().map(|run| (text(&run["run"]), text(&run["state"]))).collect()
}

/// Starts a long run and waits until it has reported.
fn start(dir: &Path, config: &Path, run: &str) -> Child {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("dm"))
        .current_dir(dir)
        .args(["train", arg(config), "--run", run, "--set", "training.epochs=100000"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while fs::read_to_string(dir.join(run).join("metrics.jsonl")).unwrap_or_default().lines().count() < 6 {
        assert!(child.try_wait().unwrap().is_none(), "the run ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn a_run_whose_process_died_is_told_from_one_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    let mut child = start(dir.path(), &config, "runs/long");
    assert_eq!(states(dir.path()), [("long".to_owned(), "running".to_owned())]);
    assert!(ok(dir.path(), &["runs"]).contains("1 run: 1 running"));
    // Nothing of a run that is being trained is removed.
    assert!(json(dir.path(), &["runs", "prune", "--yes"])["items"].as_array().unwrap().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(states(dir.path()), [("long".to_owned(), "stopped".to_owned())]);
    assert!(
        ok(dir.path(), &["runs", "show", "long"])
            .contains("stopped; continue it with `dm train CONFIG --resume`")
    );
    assert!(json(dir.path(), &["runs", "prune", "--yes"])["items"].as_array().unwrap().is_empty());
}

#[test]
fn damaged_runs_are_listed_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    assert!(ok(dir.path(), &["runs"]).contains("no runs in runs; train one: dm train"));
    assert_eq!(json(dir.path(), &["runs"]), Value::Array(Vec::new()));
    refused(dir.path(), &["runs", "elsewhere"], &["elsewhere"]);
    refused(
        dir.path(),
        &["runs", "show", "elsewhere"],
        &["run `elsewhere`", "runs/elsewhere", "expected a run folder"],
    );

    let config = small_config(dir.path(), "ink", "softmax");
    ok(dir.path(), &["train", arg(&config), "--run", "runs/study/good"]);
    let runs = dir.path().join("runs");
    let damaged = |name: &str, file: &str, text: &[u8]| {
        let run = runs.join("study").join(name);
        fs::create_dir_all(&run).unwrap();
        for file in ["config.toml", "manifest.json", "metrics.jsonl"] {
            fs::copy(runs.join("study/good").join(file), run.join(file)).unwrap();
        }
        if text.is_empty() {
            fs::remove_file(run.join(file)).unwrap();
        } else {
            fs::write(run.join(file), text).unwrap();
        }
    };
    damaged("a-manifest", "manifest.json", b"{ \"schema\": 2, \"status\": \"complete\" }");
    damaged("b-schema", "manifest.json", b"{ \"schema\": 9, \"status\": \"complete\", \"parameters\": 1, \"steps_total\": 1, \"steps_done\": 1, \"epochs\": 1, \"wall_s\": 1.0 }");
    damaged(
        "c-line",
        "metrics.jsonl",
        b"{\"event\":\"step\",\"step\":1,\"epoch\":1}\n{\"event\":\"step\"}\n",
    );
    damaged("d-bytes", "metrics.jsonl", b"\xff\xfe\n");
    damaged("e-missing", "manifest.json", b"");
    // The line that is being written is no damage, nor is a kind of line of a later version.
    damaged("f-growing", "metrics.jsonl", b"{\"event\":\"later\"}\n{\"event\":\"step\",\"st");
    fs::create_dir_all(runs.join("no-run/at-all")).unwrap();
    fs::write(runs.join("summary.md"), "not a run").unwrap();

    let listed = json(dir.path(), &["runs"]);
    let row = |name: &str| {
        let name = format!("study/{name}");
        listed.as_array().unwrap().iter().find(|run| run["run"] == *name).unwrap().clone()
    };
    assert_eq!(listed.as_array().unwrap().len(), 7);
    for (name, reason) in [
        ("a-manifest", "manifest.json: missing field"),
        ("b-schema", "schema: found 9"),
        ("c-line", "metrics.jsonl: line 2: missing field"),
        ("d-bytes", "metrics.jsonl: "),
        ("e-missing", "manifest.json: found no such file"),
    ] {
        let row = row(name);
        assert_eq!(row["state"], "unreadable", "{row}");
        assert!(row["reason"].as_str().unwrap().contains(reason), "{row}");
        refused(dir.path(), &["runs", "show", &format!("study/{name}")], &[reason]);
    }
    assert_eq!((&row("f-growing")["state"], &row("good")["state"]), (&"complete".into(), &"complete".into()));
    let text = ok(dir.path(), &["runs"]);
    assert!(
        text.contains("7 runs: 2 complete, 5 unreadable")
            && text.contains("study/c-line: metrics.jsonl: line 2")
    );
    // The folder may be named, and may be a run itself.
    assert_eq!(json(dir.path(), &["runs", "runs/study"]).as_array().unwrap().len(), 7);
    assert_eq!(json(dir.path(), &["runs", "runs/study/good"])[0]["run"], "good");
}

#[test]
fn runs_are_listed_shown_and_compared_in_any_width() {
    let dir = tempfile::tempdir().unwrap();
    let eval = ["--set", "training.eval_every=1", "--set", "training.eval_images=100"];
    crate::common::small_data(dir.path(), 40, 100);
    for (degradation, parameterization) in [("ink", "softmax"), ("gaussian", "v")] {
        let config = small_config(dir.path(), degradation, parameterization);
        let name = format!("name={degradation}-of-a-rather-long-name");
        ok(dir.path(), &[&["train", arg(&config), "--data", "data", "--set", &name], &eval[..]].concat());
    }
    let classifier = crate::common::small_classifier_config(dir.path());
    let data = crate::common::root().join("data/mnist");
    let few = ["--set", "training.max_images=320", "--set", "name=classifier"];
    ok(dir.path(), &[&["train", arg(&classifier), "--data", arg(&data)], &few[..]].concat());
    let (ink, gaussian) = ("ink-of-a-rather-long-name", "gaussian-of-a-rather-long-name");

    // The list has the numbers of the files.
    let listed = json(dir.path(), &["runs"]);
    let row = listed.as_array().unwrap().iter().find(|run| run["run"] == ink).unwrap();
    let text = fs::read_to_string(dir.path().join("runs").join(ink).join("metrics.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last =
        |event: &str, key: &str| lines.iter().rfind(|line| line["event"] == event).unwrap()[key].clone();
    assert_eq!((&row["epoch"], &row["epochs"], &row["step"]), (&2.0.into(), &2.into(), &8.into()));
    assert_eq!(
        (&row["train_loss"], &row["val_loss"]),
        (&last("epoch", "train_loss"), &last("epoch", "val_loss"))
    );
    assert_eq!((&row["fd"], &row["fd_n"]), (&last("eval", "fd"), &100.into()));
    assert_eq!(row["images_per_s"], last("epoch", "images_per_s"));
    assert!(row["bytes"].as_u64().unwrap() > 10_000 && row["age_s"].as_u64().unwrap() < 3_600);

    for columns in [60, 80, 120] {
        for args in [
            &["runs"][..],
            &["runs", "show", ink],
            &["runs", "show", "classifier"],
            &["runs", "compare", ink, gaussian],
        ] {
            let text = in_columns(dir.path(), args, columns);
            assert!(!text.contains('\x1b'), "escapes in a pipe");
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= columns, "{args:?}: {widest} of {columns} columns:\n{text}");
        }
        assert!(in_columns(dir.path(), &["runs"], columns).lines().count() == 1 + 3 + 1);
    }
    let wide = in_columns(dir.path(), &["runs"], 140);
    let titles =
        ["run", "state", "epoch", "train loss", "val. loss", "accuracy", "FD", "images/s", "age", "disk"];
    assert!(titles.iter().all(|title| wide.lines().next().unwrap().contains(title)), "{wide}");
    assert!(wide.contains("2/2") && wide.contains("3 runs: 3 complete"), "{wide}");

    // One run: curves and the samples of the last epoch.
    let shown = in_columns(dir.path(), &["runs", "show", ink], 80);
    for words in
        ["complete", "2 (8 of 8 steps)", "training", "● validation", "FD", "(100 samples)", "epoch-0002.png"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(shown.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "no curve: {shown}");
    let samples: Vec<&str> =
        shown.lines().skip_while(|line| !line.contains("epoch-0002.png")).skip(1).collect();
    assert_eq!(samples.len(), 14);
    assert!(samples.iter().all(|line| line.len() == 2 * 29 && line.is_ascii()), "{shown}");
    let shown = json(dir.path(), &["runs", "show", &format!("runs/{ink}")]);
    assert_eq!(shown["curves"]["train_loss"].as_array().unwrap().len(), 8);
    assert_eq!(shown["curves"]["val_loss"][1], serde_json::json!([2.0, last("epoch", "val_loss")]));
    assert_eq!(shown["config"]["degradation"]["kind"], "ink");
    assert!(ok(dir.path(), &["runs", "show", "classifier"]).contains("% of the test images"));

    // Two runs: every key that differs, and no other.
    let compared = json(dir.path(), &["runs", "compare", ink, gaussian]);
    let differs = |key: &str| compared["config"].as_array().unwrap().iter().find(|found| found["key"] == key);
    let kind = differs("degradation.kind").unwrap();
    assert_eq!((&kind["a"], &kind["b"]), (&"ink".into(), &"gaussian".into()));
    assert!(differs("objective.parameterization").is_some() && differs("name").is_some());
    assert!(differs("training.epochs").is_none() && differs("network.kind").is_none());
    let density = differs("degradation.density").unwrap();
    assert!(density["a"].is_number() && density["b"].is_null(), "{density}");
    let text = ok(dir.path(), &["runs", "compare", ink, gaussian]);
    assert!(text.contains("The losses measure different things: degradation."), "{text}");
    assert!(text.contains("validation loss") && text.contains("●"), "{text}");
    let same = ok(dir.path(), &["runs", "compare", ink, ink]);
    assert!(same.contains("The configs are the same.") && !same.contains("different things"), "{same}");
}

#[test]
fn only_what_is_listed_is_removed_and_only_with_yes() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    let runs = dir.path().join("runs");
    for run in ["runs/done", "runs/bare"] {
        ok(dir.path(), &["train", arg(&config), "--run", run]);
    }
    // Without its model, the checkpoint of a run is all that is left of the training.
    fs::remove_file(runs.join("bare/model.safetensors")).unwrap();
    // A run that ended before its first report, and a folder that also holds something of the user's.
    for empty in ["failed", "notes"] {
        fs::create_dir_all(runs.join(empty).join("samples")).unwrap();
        fs::copy(runs.join("done/config.toml"), runs.join(empty).join("config.toml")).unwrap();
        fs::write(runs.join(empty).join(".lock"), "").unwrap();
    }
    fs::write(runs.join("notes/notes.txt"), "mine").unwrap();
    let all = |dir: &Path| {
        let mut files = Vec::new();
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() { folders.push(entry) } else { files.push(entry) }
            }
        }
        files.sort();
        files
    };
    let before = all(&runs);
    let text = ok(dir.path(), &["runs", "prune"]);
    assert!(text.contains("nothing is removed without --yes"), "{text}");
    assert!(
        text.contains("done    checkpoint.safetensors") && text.contains("failed  the whole folder"),
        "{text}"
    );
    assert_eq!(all(&runs), before, "files were removed without --yes");

    let pruned = json(dir.path(), &["runs", "prune", "--yes"]);
    let items: Vec<_> =
        pruned["items"].as_array().unwrap().iter().map(|item| item["run"].as_str().unwrap()).collect();
    assert_eq!((items, &pruned["removed"]), (vec!["done", "done", "failed"], &true.into()));
    let kept = |path: &Path| {
        let is_checkpoint = path.file_name().unwrap().to_string_lossy().starts_with("checkpoint");
        let is_removed = is_checkpoint && path.starts_with(runs.join("done"));
        !path.starts_with(runs.join("failed")) && !is_removed
    };
    let expected: Vec<_> = before.into_iter().filter(|path| kept(path)).collect();
    assert_eq!(all(&runs), expected);
    assert!(!runs.join("failed").exists());
    assert!(ok(dir.path(), &["runs", "prune"]).contains("nothing to remove in runs"));
    // The run is as good as before.
    assert!(ok(dir.path(), &["sample", "runs/done", "-n", "2"]).contains("2 images"));
    assert!(
        ok(dir.path(), &["train", arg(&config), "--run", "runs/done", "--resume"]).contains("is complete")
    );
}
