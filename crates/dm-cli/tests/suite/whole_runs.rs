//! Whole runs through the binary: training, interruption, sampling, the inputs that a sample depends on, and import.

use std::fs;
use std::time::Duration;

use crate::common::{MNIST, arg, dm, ok, refused, samples, small_config};
use dm_nn::params::file::TensorFile;

#[test]
fn train_then_sample_for_both_degradations() {
    for (degradation, parameterization) in [("gaussian", "v"), ("ink", "softmax")] {
        let dir = tempfile::tempdir().unwrap();
        let config = small_config(dir.path(), degradation, parameterization);
        let out = ok(dir.path(), &["train", arg(&config)]);
        assert!(out.contains("runs/small: 8 steps"), "{out}");
        let run = dir.path().join("runs/small");
        for name in
            ["config.toml", "manifest.json", "metrics.jsonl", "checkpoint.safetensors", "model.safetensors"]
        {
            assert!(run.join(name).is_file(), "{name}");
        }
        assert!(run.join("samples/epoch-0002.png").is_file());
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
        assert_eq!((&manifest["status"], &manifest["steps_done"]), (&"complete".into(), &8.into()));

        let out = ok(dir.path(), &["sample", "runs/small", "-n", "5", "--seed", "9", "--strip", "--show"]);
        assert!(out.contains("5 images, 5 network evaluations each, sampler ancestral, seed 9"), "{out}");
        // Standard output is not a terminal, so the preview consists of letters without escape codes.
        // Two images fit into its 80 columns.
        let drawn: Vec<_> = out.lines().take(14).collect();
        assert!(drawn.iter().all(|line| line.len() == 2 * 29 && line.is_ascii()), "{out}");
        assert!(!out.contains('\u{1b}'));
        assert!(dir.path().join("out/grid.png").is_file() && dir.path().join("out/strip.png").is_file());
        let images = samples(&dir.path().join("out/images.safetensors"));
        assert_eq!((images.len(), images.shape), (5, MNIST));
        assert!(images.pixels.iter().any(|&p| p != images.pixels[0]), "blank images");
        let provenance = |key: &str| images.metadata[key].as_str();
        assert_eq!(
            (provenance("sampler"), provenance("variance"), provenance("nfe")),
            ("ancestral", "posterior", "5")
        );

        let info = ok(dir.path(), &["info", "runs/small"]);
        assert!(info.contains(&format!("kind = \"{degradation}\"")), "{info}");
        ok(dir.path(), &["degrade", "runs/small", "--data", arg(&crate::common::root().join("data/mnist"))]);
        assert!(dir.path().join("out/degrade.png").is_file());
        assert!(ok(dir.path(), &["train", arg(&config), "--resume"]).contains("is complete"));
    }
}

#[test]
fn a_run_is_found_by_its_name_and_what_is_not_a_model_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    ok(dir.path(), &["train", arg(&config)]);
    assert!(ok(dir.path(), &["info", "small"]).contains("kind = \"ink\""));
    ok(dir.path(), &["sample", "small", "-n", "2", "--nfe", "1"]);
    let run = dir.path().join("runs/small");
    for name in ["runs/small/checkpoint.safetensors", "small"] {
        if name == "small" {
            fs::remove_file(run.join("model.safetensors")).unwrap();
        }
        let words = if name == "small" { "found no model in this folder" } else { "found a checkpoint" };
        refused(dir.path(), &["sample", name], &["runs/small", words]);
    }
    let other = ["train", arg(&config), "--resume", "--set", "degradation.density=9.0"];
    refused(dir.path(), &other, &["density", "--set name=NAME"]);
}

#[test]
fn an_image_depends_only_on_its_seed_and_index() {
    let dir = tempfile::tempdir().unwrap();
    for (degradation, parameterization, sampler) in [
        ("gaussian", "eps", "ancestral"),
        ("gaussian", "v", "ddpm_notebook"),
        ("ink", "softplus", "ancestral"),
        ("ink", "softplus", "cold"),
    ] {
        let config = small_config(dir.path(), degradation, parameterization);
        let run = format!("{degradation}-{parameterization}");
        if !dir.path().join(&run).exists() {
            ok(dir.path(), &["train", arg(&config), "--run", &run, "--set", "training.epochs=1"]);
        }
        let draw = |n: &str, batch: &str, threads: &str| {
            let mut command = assert_cmd::Command::cargo_bin("dm").unwrap();
            command.current_dir(dir.path()).env("RAYON_NUM_THREADS", threads);
            let args =
                ["sample", &run, "-n", n, "--batch-size", batch, "--sampler", sampler, "--out", "drawn"];
            command.args(args).assert().success();
            samples(&dir.path().join("drawn/images.safetensors")).pixels
        };
        let whole = draw("21", "256", "2");
        assert_eq!(whole.len(), 21 * MNIST.len());
        assert!(whole == draw("21", "4", "1"), "{run} {sampler}: batches of 4 on one thread differ");
        assert!(whole[..5 * MNIST.len()] == draw("5", "3", "4"), "{run} {sampler}: five of them differ");
    }
}

#[test]
fn a_killed_run_continues_to_the_same_model() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    let epochs = ["--set", "training.epochs=40", "--set", "training.sample_count=0"];
    ok(dir.path(), &[&["train", arg(&config), "--run", "whole"], &epochs[..]].concat());
    let metrics = dir.path().join("killed/metrics.jsonl");
    let args = [&["train", arg(&config), "--run", "killed", "--resume"], &epochs[..]].concat();
    // The run is killed as soon as there is a model and the metrics contain some steps.
    let has_model = || dir.path().join("killed/model.safetensors").exists();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("dm"))
        .current_dir(dir.path())
        .args(&args)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while fs::read_to_string(&metrics).unwrap_or_default().lines().count() < 7 || !has_model() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be killed");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let sampled = ok(dir.path(), &["sample", "killed", "-n", "1", "--nfe", "2"]);
    assert!(sampled.contains("not fully trained: "), "{sampled}");
    ok(dir.path(), &args);
    let model = |run: &str| fs::read(dir.path().join(run).join("model.safetensors")).unwrap();
    assert!(model("whole") == model("killed"));
}

#[test]
fn every_command_has_a_help_text() {
    let dir = tempfile::tempdir().unwrap();
    for command in [
        "train",
        "runs",
        "sample",
        "eval",
        "likelihood",
        "sanity",
        "restore",
        "degrade",
        "info",
        "import",
        "data",
    ] {
        assert!(ok(dir.path(), &[command, "--help"]).contains("Usage: dm"), "{command}");
    }
    let check = ok(dir.path(), &["data", "check", arg(&crate::common::root().join("data/mnist"))]);
    assert!(check.contains("MNIST, byte for byte"));
    assert_eq!(dm(dir.path(), &["paint"]).status.code(), Some(2));
}

#[test]
fn every_degradation_is_listed_and_described_in_full() {
    let dir = tempfile::tempdir().unwrap();
    let names =
        ["gaussian", "ink", "fade_counts", "blur_noise", "blur", "fade", "pixelate", "snow", "morph", "stir"];
    let list = ok(dir.path(), &["degrade", "--list"]);
    let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    assert_eq!(list.lines().map(first).collect::<Vec<_>>(), names);
    let all: serde_json::Value =
        serde_json::from_str(&ok(dir.path(), &["degrade", "--list", "--json"])).unwrap();
    assert_eq!(all.as_array().unwrap().len(), names.len());
    for (entry, name) in all.as_array().unwrap().iter().zip(names) {
        assert_eq!(entry["name"], *name);
        let described = ok(dir.path(), &["degrade", "--list", name]);
        for field in ["summary", "formula", "noise", "prior", "inverse", "source"] {
            let text = entry[field].as_str().unwrap();
            assert!(!text.trim().is_empty() && described.contains(text), "{name}: {field}");
        }
        for field in ["parameterization", "sampler"] {
            assert!(!entry[field].as_str().unwrap().is_empty(), "{name}: {field}");
        }
        let parameters = entry["parameters"].as_array().unwrap();
        assert!(!parameters.is_empty(), "{name}");
        for parameter in parameters {
            let [key, meaning] = [0, 1].map(|i| parameter[i].as_str().unwrap());
            assert!(
                !meaning.is_empty() && described.contains(&format!("  {key:<12} {meaning}")),
                "{name}: {key}"
            );
        }
        let alone: serde_json::Value =
            serde_json::from_str(&ok(dir.path(), &["degrade", "--list", name, "--json"])).unwrap();
        assert_eq!(&alone[0], entry);
    }
    refused(dir.path(), &["degrade", "--list", "paint"], &["`paint`", "expected one of gaussian, ink"]);
}

#[test]
fn the_notebooks_checkpoint_is_imported_and_sampled() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = crate::common::root().join("crates/dm-train/tests/fixtures/starter_joint.pth");
    let missing = ["import", arg(&checkpoint), "--out", "m.safetensors", "--key", "ema"];
    refused(dir.path(), &missing, &["key `ema`"]);
    assert!(!dir.path().join("m.safetensors").exists());
    ok(dir.path(), &["import", arg(&checkpoint), "--out", "m.safetensors"]);
    let out = ok(dir.path(), &["sample", "m.safetensors", "-n", "2"]);
    assert!(out.contains("2 images, 30 network evaluations each, sampler ddpm_notebook"), "{out}");
}

/// The arguments that import `weights.safetensors` as `imported.safetensors`.
fn import<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["import", "weights.safetensors", "--out", "imported.safetensors"], more].concat()
}

/// A checkpoint of another program with two networks, `model` and `ema`. `--key` chooses one of them, and `--config` names a model
/// or a TOML file.
#[test]
fn parameters_of_any_network_are_imported_with_a_key_and_a_config() {
    let dir = tempfile::tempdir().unwrap();
    let imported = dir.path().join("imported.safetensors");
    for (degradation, parameterization) in [("gaussian", "v"), ("ink", "softmax")] {
        let config = small_config(dir.path(), degradation, parameterization);
        let short = ["--run", degradation, "--set", "training.epochs=1", "--set", "training.sample_count=0"];
        ok(dir.path(), &[&["train", arg(&config)], &short[..]].concat());
        let model = TensorFile::read(&dir.path().join(degradation).join("model.safetensors")).unwrap();
        let mut checkpoint = TensorFile::new(&dir.path().join("weights.safetensors"));
        let halves = |values: &[f32]| -> Vec<f32> { values.iter().map(|value| 0.5 * value).collect() };
        for name in model.names() {
            let (shape, values) = model.get(name).unwrap();
            checkpoint.insert_values(format!("model.{name}"), shape.to_vec(), values.to_vec());
            checkpoint.insert_values(format!("ema.{name}"), shape.to_vec(), halves(values));
        }
        checkpoint.write().unwrap();

        let refuse = |more: &[&str], words: &[&str]| {
            refused(dir.path(), &import(more), words);
            assert!(!imported.exists(), "{more:?}");
        };
        let toml = format!("{degradation}/config.toml");
        refuse(
            &["--config", degradation],
            &["weights.safetensors", "`ema`, `model`", "one network, or a key"],
        );
        refuse(&["--config", degradation, "--key", "other"], &["weights.safetensors", "key `other`"]);
        refuse(&["--config", "none.toml", "--key", "ema"], &["none.toml"]);
        refuse(&["--config", "nobody", "--key", "ema"], &["model `nobody`"]);
        refuse(&["--key", "ema"], &["weights.safetensors"]);

        // The config of the model, with the numbers that it was fitted with, makes the import the same model again.
        let output = dm(dir.path(), &import(&["--config", degradation, "--key", "model"]));
        let messages = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{messages}");
        let ignored = format!("ignored {} tensors outside `model.`", model.names().count());
        assert!(messages.contains(&ignored), "{messages}");
        let sample = |model: &str| {
            ok(dir.path(), &["sample", model, "-n", "2"]);
            samples(&dir.path().join("out/images.safetensors")).pixels
        };
        assert!(sample("imported.safetensors") == sample(degradation), "{degradation}");
        fs::remove_file(&imported).unwrap();

        // A TOML file has no numbers fitted to a training set, which Ink needs.
        let with_toml = ["--config", &toml, "--key", "ema"];
        if degradation == "ink" {
            refuse(&with_toml, &["fitted to a training set", "give a model instead of a config"]);
            continue;
        }
        let printed = ok(dir.path(), &import(&with_toml));
        assert_eq!(printed, "imported.safetensors\nsample from it: dm sample imported.safetensors\n");
        let found = TensorFile::read(&imported).unwrap();
        for name in model.names() {
            assert_eq!(found.get(name).unwrap().1, halves(model.get(name).unwrap().1), "{name}");
        }
        fs::remove_file(&imported).unwrap();
    }
}
