//! Inputs on which similar programs fail, through the binary: foreign checkpoints, file names, samplers.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{arg, dm, ok, root, samples, small_config, small_data};
use dm_nn::data::idx_files::FILES;
use serde_json::Value;

/// Checkpoints of the notebook's network, made by PyTorch.
fn fixture(name: &str) -> PathBuf {
    root().join("crates/dm-train/tests/fixtures").join(name)
}

/// Imports `checkpoint`, which must succeed, and returns standard error.
fn imported(dir: &Path, checkpoint: &Path, out: &str) -> String {
    let output = dm(dir, &["import", arg(checkpoint), "--out", out]);
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{messages}");
    messages
}

#[test]
fn what_an_import_assumes_is_said_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(imported(dir.path(), &fixture("starter_plane.pth"), "whole.safetensors"), "");
    let bare = imported(dir.path(), &fixture("starter_plane_bare.pth"), "bare.safetensors");
    assert_eq!(bare.lines().count(), 1, "{bare}");
    assert!(bare.contains("no schedule (beta_t)") && bare.contains("assuming"), "{bare}");
}

#[test]
fn data_sets_in_every_common_spelling_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, data) = small_data(dir.path(), 40, 20);
    let check = |folder: &str| {
        let text = ok(dir.path(), &["data", "check", folder]);
        assert!(text.contains("28x28x1") && text.contains("10 classes"), "{folder}: {text}");
    };
    check("data");
    let named = |folder: &str, name: fn(&str) -> String| {
        fs::create_dir(dir.path().join(folder)).unwrap();
        for file in FILES {
            fs::copy(plain.join(file), dir.path().join(folder).join(name(file))).unwrap();
        }
    };
    named("dots", |name| name.replace("-idx", ".idx"));
    check("dots");
    named("emnist", |name| format!("emnist-digits-{}", name.replace("t10k", "test")));
    check("emnist");
    // QMNIST's labels are rows of eight 32-bit numbers, of which the first is the label.
    named("qmnist", |name| format!("qmnist-{}", name.replace("t10k", "test")));
    for (set, labels) in [("train", &data.train.labels), ("test", &data.test.labels)] {
        fs::remove_file(dir.path().join(format!("qmnist/qmnist-{set}-labels-idx1-ubyte"))).unwrap();
        let count = u32::try_from(labels.len()).unwrap().to_be_bytes();
        let rows = labels.iter().flat_map(|&label| [&[0, 0, 0, label][..], &[0; 28]].concat());
        let file = [&[0, 0, 0x0c, 2], &count[..], &[0, 0, 0, 8]].concat().into_iter().chain(rows);
        let path = dir.path().join(format!("qmnist/qmnist-{set}-labels-idx2-int"));
        fs::write(path, file.collect::<Vec<u8>>()).unwrap();
    }
    check("qmnist");
}

#[test]
fn evaluations_are_recorded_as_they_were_taken() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 60, 30);
    let config = small_config(dir.path(), "gaussian", "eps");
    ok(dir.path(), &["train", arg(&config), "--data", "data", "--set", "training.epochs=1"]);
    for (sampler, asked, taken) in [("heun", 20, 19), ("heun", 6, 5), ("heun", 5, 5), ("ddim", 5, 5)] {
        let nfe = asked.to_string();
        let said = ok(dir.path(), &["sample", "runs/small", "-n", "2", "--sampler", sampler, "--nfe", &nfe]);
        assert!(said.contains(&format!("{taken} network evaluations each, sampler {sampler}")), "{said}");
        let metadata = samples(&dir.path().join("out/images.safetensors")).metadata;
        assert_eq!(
            (&metadata["sampler"][..], &metadata["nfe"]),
            (sampler, &taken.to_string()),
            "{metadata:?}"
        );
    }
}

#[test]
fn a_model_with_the_notebooks_sampler_is_restored_with_a_stand_in() {
    let dir = tempfile::tempdir().unwrap();
    imported(dir.path(), &fixture("starter_plane.pth"), "m.safetensors");
    let data = root().join("data/mnist");
    let few = ["--count", "2", "--timesteps", "2", "--scores", "s.json"];
    ok(dir.path(), &[&["restore", "m.safetensors", "--data", arg(&data)], &few[..]].concat());
    let own: Value = serde_json::from_slice(&fs::read(dir.path().join("s.json")).unwrap()).unwrap();
    // The stand-in visits every timestep from any start, as the notebook's sampler does from T.
    assert_eq!(
        (own["sampler"].as_str(), own["nfe_from_last_timestep"].as_u64()),
        (Some("ancestral"), Some(30))
    );
    assert_eq!(own["restoration"][1]["t"], 30);
}
