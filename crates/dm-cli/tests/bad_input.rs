//! Bad input: one line that names file, field, found and expected; exit code 2; nothing half-written.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{arg, ok, refused, root, small_config};
use dm_nn::params::file::TensorFile;

/// A copy of the MNIST files in which `name` is replaced by `change` of its unpacked content.
fn data_with(dir: &Path, name: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    fs::create_dir_all(dir).unwrap();
    for file in dm_nn::data::FILES {
        let packed = root().join("data/mnist").join(format!("{file}.gz"));
        if file == name {
            let mut raw = Vec::new();
            let bytes = fs::read(packed).unwrap();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut raw).unwrap();
            fs::write(dir.join(file), change(raw)).unwrap();
        } else {
            fs::copy(packed, dir.join(format!("{file}.gz"))).unwrap();
        }
    }
}

#[test]
fn data_files() {
    let dir = tempfile::tempdir().unwrap();
    let check = |words: &[&str]| refused(dir.path(), &["data", "check", "d"], words);
    check(&["d/train-images-idx3-ubyte", "no such folder"]);
    let d = dir.path().join("d");
    let labels = "train-labels-idx1-ubyte";
    let images = "t10k-images-idx3-ubyte";
    let case = |name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>, words: &[&str]| {
        let _ = fs::remove_dir_all(&d);
        data_with(&d, name, change);
        check(words);
    };
    case(labels, &|raw| raw[..20_000].to_vec(), &[labels, "items", "19992 bytes", "[60000]"]);
    case(labels, &|raw| raw[..6].to_vec(), &[labels, "dimensions", "2 bytes", "4 bytes"]);
    case(labels, &|_| Vec::new(), &[labels, "magic", "0 bytes"]);
    let label10 = |mut raw: Vec<u8>| {
        raw[8 + 123] = 10;
        raw
    };
    case(labels, &label10, &[labels, "label 123", "found 10", "0 to 9"]);
    let magic = |mut raw: Vec<u8>| {
        raw[2] = 13;
        raw
    };
    case(images, &magic, &[images, "magic", "00000d03", "000008"]);
    let huge = |mut raw: Vec<u8>| {
        raw[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        raw
    };
    case(images, &huge, &[images, "items", "4294967295"]);
    let gzip = |raw: Vec<u8>| [&[0x1f, 0x8b, 8][..], &raw[..100]].concat();
    case(images, &gzip, &[images, "gzip stream"]);
    let fewer = |raw: Vec<u8>| [&raw[..4], &9_999u32.to_be_bytes()[..], &raw[8..raw.len() - 1]].concat();
    case("t10k-labels-idx1-ubyte", &fewer, &["t10k-labels-idx1-ubyte", "shape", "[9999]", "[10000]"]);
}

#[test]
fn configs() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "conserving");
    refused(dir.path(), &["train", "none.toml"], &["none.toml", "No such file"]);
    let cases: [(&str, &[&str]); 20] = [
        ("training.epoch=3", &["ink.toml", "epoch", "unknown field", "epochs"]),
        ("colour=red", &["ink.toml", "unknown field", "colour"]),
        ("degradation.steps=0", &["degradation.steps", "found 0", "1 to"]),
        ("degradation.density=-1", &["degradation.density", "found -1", "above 0"]),
        ("degradation.kind=smoke", &["smoke", "gaussian", "ink"]),
        ("training.batch=0", &["training.batch", "found 0", "1 to"]),
        ("training.grid=abc", &["training.grid: ", "\"abc\"", "expected usize"]),
        ("sampling.sampler=foo", &["sampling.sampler: ", "`foo`", "`ancestral`"]),
        ("training.batch=33", &["training.batch", "found 33", "32 images"]),
        ("training.eval_images=99", &["training.eval_images", "found 99", "100 to 100000"]),
        ("training.images=70000", &["training.images", "found 70000", "60000"]),
        ("optimizer.learning_rate=0", &["optimizer.learning_rate", "found 0", "above 0"]),
        ("objective.prediction=eps", &["objective.prediction", "Eps with `ink`", "Gaussian"]),
        ("sampling.steps=21", &["sampling steps", "found 21", "1 to 20"]),
        ("sampling.sampler=prince", &["sampler", "prince with `ink`", "Gaussian"]),
        ("network.classes=3", &["network.classes", "found 3", "0 or 10"]),
        ("objective.weighting=min_snr", &["objective.weighting", "MinSnr", "`ink`", "Gaussian"]),
        ("objective.levels=even", &["ink.toml", "even", "uniform", "importance"]),
        ("objective.label_dropout=1", &["objective.label_dropout", "found 1", "0 to below 1"]),
        ("network.groups=3", &["network.channels", "found 8", "multiple of groups = 3"]),
    ];
    for (set, words) in cases {
        refused(dir.path(), &["train", arg(&config), "--set", set], words);
        assert!(!dir.path().join("runs").exists(), "{set} left a run folder");
    }
    refused(
        dir.path(),
        &["train", arg(&config), "--set", "seed"],
        &["--set", "found seed", "key.path=value"],
    );
    fs::write(dir.path().join("broken.toml"), "name = \n").unwrap();
    refused(dir.path(), &["train", "broken.toml"], &["broken.toml", "line 1"]);
}

#[test]
fn run_folders() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "gaussian", "eps");
    ok(dir.path(), &["train", arg(&config), "--set", "training.epochs=1"]);
    let other = ["train", arg(&config), "--resume"];
    refused(dir.path(), &other, &["runs/small/config.toml", "`epochs = 1`", "`epochs = 2`"]);
    let same = ["train", arg(&config), "--set", "training.epochs=1"];
    refused(dir.path(), &same, &["runs/small", "--resume"]);
    fs::create_dir(dir.path().join("full")).unwrap();
    fs::write(dir.path().join("full/thesis.tex"), "all my work").unwrap();
    refused(dir.path(), &["train", arg(&config), "--run", "full"], &["full", "other files"]);
    assert_eq!(fs::read(dir.path().join("full/thesis.tex")).unwrap(), b"all my work");

    // A damaged checkpoint of an unfinished run.
    let checkpoint = dir.path().join("runs/small/checkpoint.safetensors");
    let bytes = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &bytes[..bytes.len() / 2]).unwrap();
    let manifest = dir.path().join("runs/small/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap().replace("complete", "running");
    fs::write(manifest, text).unwrap();
    let resume = [&same[..], &["--resume"]].concat();
    refused(dir.path(), &resume, &["checkpoint.safetensors", "safetensors header"]);
}

/// What becomes of a tensor: name, shape and values, or nothing.
type Change<'a> = dyn Fn(&str, Vec<usize>, Vec<f32>) -> Option<(String, Vec<usize>, Vec<f32>)> + 'a;

#[test]
fn models() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "conserving");
    ok(dir.path(), &["train", arg(&config), "--set", "training.epochs=1", "--set", "training.grid=0"]);
    let whole = TensorFile::read(&dir.path().join("runs/small/model.safetensors")).unwrap();
    let damaged = dir.path().join("m.safetensors");
    let sample = |words: &[&str]| {
        refused(dir.path(), &["sample", "m.safetensors", "-n", "1"], words);
        assert!(!dir.path().join("out").exists(), "something was written");
    };
    let rewrite = |change: &Change| {
        let mut file = TensorFile::new(&damaged);
        for key in ["schema", "config", "fitted", "step", "data_sha256"] {
            file.set_metadata(key, whole.metadata(key).unwrap());
        }
        for name in whole.names() {
            let (shape, values) = whole.get(name).unwrap();
            if let Some((name, shape, values)) = change(name, shape.to_vec(), values.to_vec()) {
                file.insert_values(name, shape, values);
            }
        }
        file.write().unwrap();
    };
    rewrite(&|name, shape, values| (name != "input.bias").then(|| (name.to_owned(), shape, values)));
    sample(&["m.safetensors", "input.bias", "none", "shape [8]"]);
    rewrite(&|name, shape, values| Some((name.replace("input.bias", "input.extra"), shape, values)));
    sample(&["m.safetensors", "input.bias"]);
    rewrite(&|name, mut shape, values| {
        if name == "input.bias" {
            shape = vec![2, 4];
        }
        Some((name.to_owned(), shape, values))
    });
    sample(&["m.safetensors", "input.bias", "shape [2, 4]", "shape [8]"]);
    rewrite(&|name, shape, mut values| {
        if name == "output.weight" {
            values[3] = f32::NAN;
        }
        Some((name.to_owned(), shape, values))
    });
    sample(&["m.safetensors", "output.weight, element 3", "NaN", "finite"]);
    let mut extra = whole.clone();
    extra.insert_values("intruder", vec![1], vec![0.0]);
    let mut file = TensorFile::new(&damaged);
    for key in ["schema", "config", "fitted", "step", "data_sha256"] {
        file.set_metadata(key, whole.metadata(key).unwrap());
    }
    for name in extra.names() {
        let (shape, values) = extra.get(name).unwrap();
        file.insert_values(name, shape.to_vec(), values.to_vec());
    }
    file.write().unwrap();
    sample(&["m.safetensors", "intruder", "does not have"]);
    fs::write(&damaged, b"not a model").unwrap();
    sample(&["m.safetensors", "safetensors header"]);
    refused(dir.path(), &["sample", "nobody"], &["model `nobody`", "shipped"]);
    refused(dir.path(), &["sample", "runs/small", "--steps", "0"], &["sampling steps", "found 0"]);
    refused(dir.path(), &["sample", "runs/small", "--sampler", "ddim"], &["ddim with `ink`", "Gaussian"]);
    refused(dir.path(), &["sample", "runs/small", "-n", "0"], &["-n", "found 0"]);
    refused(
        dir.path(),
        &["import", "m.safetensors", "--out", "x.safetensors"],
        &["m.safetensors", "archive"],
    );
    refused(dir.path(), &["degrade", "fog"], &["degradation `fog`", "gaussian, ink"]);
    let cuda = ["sample", "runs/small", "--device", "cuda"];
    if !cfg!(feature = "cuda") {
        refused(dir.path(), &cuda, &["--device cuda", "--features cuda"]);
    }
}
