//! Sample sets in shards: `dm sample --shard`, `dm shards join` and `dm eval` over shards, through the binary.

use std::fs;
use std::path::Path;

use crate::common::{MNIST, arg, ok, refused, root, samples, small_config, small_data, write_samples};
use dm_nn::data::{SampleSet, Shard};
use serde_json::Value;

/// Number of images: no multiple of 3 or 4.
const N: &str = "23";

/// Trains a small model with classes.
fn trained(dir: &Path) {
    let config = small_config(dir, "ink", "softmax");
    ok(dir, &["train", arg(&config), "--run", "model", "--set", "network.num_classes=10"]);
}

#[test]
fn joined_shards_are_the_bytes_that_one_machine_writes() {
    let dir = tempfile::tempdir().unwrap();
    trained(dir.path());
    for class in [&[][..], &["--class", "all"]] {
        let sample = |more: &[&str]| {
            let fixed = ["sample", "model", "-n", N, "--nfe", "3", "--seed", "5"];
            ok(dir.path(), &[&fixed[..], class, more].concat())
        };
        sample(&["--out", "whole", "--batch-size", "7"]);
        for count in [1, 3, 4] {
            let folder = format!("shards-{count}-{}", class.len());
            for index in (1..=count).rev() {
                let shard = format!("{index}/{count}");
                let lines = sample(&["--shard", &shard, "--out", &folder]);
                assert!(lines.contains(&format!("images-{index}-of-{count}.safetensors")), "{lines}");
            }
            let joined = format!("joined-{folder}");
            let lines = ok(dir.path(), &["shards", "join", &folder, "--out", &joined]);
            assert!(lines.starts_with(&format!("{N} images from {count} shards")), "{lines}");
            for file in ["images.safetensors", "grid.png"] {
                let read = |folder: &str| fs::read(dir.path().join(folder).join(file)).unwrap();
                assert!(read("whole") == read(&joined), "{count} shards: {file} differs");
            }
        }
    }
    // A shard is a sample set by itself, with the labels of its own images.
    let part = samples(&dir.path().join("shards-3-2/images-2-of-3.safetensors"));
    assert_eq!(part.labels.unwrap(), [7, 8, 9, 0, 1, 2, 3, 4]);
}

/// The arguments of `dm sample` for the small model.
fn sample<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["sample", "model", "--nfe", "3"], more].concat()
}

#[test]
fn wrong_shards_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    trained(dir.path());
    for shard in ["0/3", "4/3", "half"] {
        refused(dir.path(), &sample(&["-n", N, "--shard", shard]), &["--shard", "i/k"]);
    }
    refused(dir.path(), &sample(&["-n", "3", "--shard", "1/4"]), &["--shard", "1/4", "at most 3"]);
    refused(dir.path(), &sample(&["-n", "2000002", "--shard", "1/2"]), &["--shard", "1000000 images"]);
    refused(dir.path(), &sample(&["-n", N, "--shard", "1/2", "--strip"]), &["--shard", "--strip"]);
    for index in ["1/3", "3/3"] {
        ok(dir.path(), &sample(&["-n", N, "--shard", index, "--out", "two"]));
    }
    let join = ["shards", "join", "two", "--out", "joined"];
    refused(dir.path(), &join, &["found 2 of 3", "images-2-of-3.safetensors is missing"]);
    refused(dir.path(), &["eval", "two"], &["images-2-of-3.safetensors is missing"]);
    ok(dir.path(), &sample(&["-n", N, "--shard", "2/3", "--out", "two", "--seed", "9"]));
    refused(dir.path(), &join, &["two/images-2-of-3.safetensors", "seed: found 9, expected 1"]);
    let cut = dir.path().join("two/images-2-of-3.safetensors");
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    refused(dir.path(), &join, &["two/images-2-of-3.safetensors", "size"]);
    assert!(!dir.path().join("joined").exists());
    fs::create_dir(dir.path().join("empty")).unwrap();
    refused(dir.path(), &["shards", "join", "empty"], &["empty", "found no shards"]);
}

/// Writes `pixels` as `count` shards to `folder`.
fn divide(folder: &Path, pixels: &[u8], count: u32) {
    fs::create_dir_all(folder).unwrap();
    let n = pixels.len() / MNIST.len();
    for index in 1..=count {
        let shard: Shard = format!("{index}/{count}").parse().unwrap();
        let range = shard.range(n);
        let mut metadata = std::collections::BTreeMap::new();
        shard.add_to(&mut metadata, n);
        let pixels = pixels[range.start * MNIST.len()..range.end * MNIST.len()].to_vec();
        let part = SampleSet { shape: MNIST, pixels, labels: None, metadata };
        part.write(&folder.join(shard.file_name())).unwrap();
    }
}

/// `dm eval ARGS --json` with the shipped classifier.
fn eval(dir: &Path, args: &[&str]) -> Value {
    let classifier = root().join("data/models/classifier.safetensors");
    let fixed = ["--data", "data", "--classifier", arg(&classifier), "--json"];
    serde_json::from_str(&ok(dir, &[&["eval"], args, &fixed[..]].concat())).unwrap()
}

fn values(report: &Value) -> Vec<(String, f64)> {
    let rows = report["scores"].as_array().unwrap().iter();
    rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row["value"].as_f64().unwrap())).collect()
}

#[test]
fn shards_are_evaluated_like_the_joined_set() {
    let dir = tempfile::tempdir().unwrap();
    let (_, data) = small_data(dir.path(), 300, 300);
    let pixels = &data.train.pixels[..250 * MNIST.len()];
    write_samples(&dir.path().join("whole.safetensors"), pixels.to_vec());
    divide(&dir.path().join("parts"), pixels, 3);
    let metrics = ["--metrics", "fd,kid,score,balance", "-n", "240"];
    let whole = eval(dir.path(), &[&["whole.safetensors"], &metrics[..]].concat());
    let folder = eval(dir.path(), &[&["parts"], &metrics[..]].concat());
    assert_eq!((&folder["scores"], &folder["target"]["n"]), (&whole["scores"], &240.into()));
    assert_eq!(folder["target"]["sets_sha256"], whole["target"]["sets_sha256"]);
    let files = [3, 1, 2].map(|index| format!("parts/images-{index}-of-3.safetensors"));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    assert_eq!(eval(dir.path(), &[&files[..], &metrics].concat())["scores"], whole["scores"]);
    let seeds = |target| eval(dir.path(), &[target, "-n", "100", "--seeds", "2", "--metrics", "fd"]);
    assert_eq!(seeds("parts")["scores"], seeds("whole.safetensors")["scores"]);
    // Too many images for one set that is held: only shards may have as many.
    refused(
        dir.path(),
        &["eval", "whole.safetensors", "-n", "100001", "--data", "data"],
        &["100000", "shards"],
    );
}

#[test]
fn a_set_too_large_to_be_held_is_read_part_by_part() {
    let dir = tempfile::tempdir().unwrap();
    let (_, data) = small_data(dir.path(), 10, 300);
    // The test images over and over: the moments of any number of complete copies are those of one copy, but for n - 1.
    let pixels = data.test.pixels.repeat(334);
    let n = 300 * 334;
    for count in [1, 7] {
        divide(&dir.path().join(format!("in-{count}")), &pixels, count);
    }
    let args = ["-n", "200000", "--metrics", "fd,kid,score,balance"];
    let one = eval(dir.path(), &[&["in-1"], &args[..]].concat());
    let seven = eval(dir.path(), &[&["in-7"], &args[..]].concat());
    assert_eq!((&one["scores"], &one["classes"]), (&seven["scores"], &seven["classes"]));
    assert_eq!((&one["target"]["n"], &one["target"]["sets"]), (&n.into(), &1.into()));
    assert_eq!(one["omitted"][0]["measure"], "kid");
    let held = eval(dir.path(), &["in-1", "-n", "300", "--metrics", "fd,score,balance"]);
    let (one, held) = (values(&one), values(&held));
    assert_eq!(one.len(), held.len());
    for ((name, streamed), (_, expected)) in one.iter().zip(&held) {
        // The covariance of copies has the denominator n - 1 of another n, 0.3 % away.
        let tolerance = if name == "frechet distance" { 0.05 } else { 1e-9 };
        assert!((streamed - expected).abs() < tolerance, "{name}: {streamed}, expected {expected}");
    }
    let seeds = ["eval", "in-7", "-n", "100001", "--seeds", "2", "--data", "data"];
    refused(dir.path(), &seeds, &["--seeds", "100001 images in shards"]);
}
