//! Restoration, films, interpolation and classes through the binary: written files and refused input.

use std::fs;
use std::path::Path;

use crate::common::{MNIST, arg, ok, refused, root, samples, small_config};
use serde_json::Value;

/// Side of a grid of `n` images at zoom 2.
fn extent(n: u32) -> u32 {
    2 * (n * 30 + 2)
}

/// Side of a film of `n` images.
fn screen(n: u32) -> u32 {
    3 * (n * 30 + 2)
}

/// Width and height of a PNG, and its number of frames (0 for a still).
fn png(path: &Path) -> (u32, u32, u32) {
    let bytes = fs::read(path).unwrap();
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let animation = bytes.windows(4).position(|word| word == b"acTL");
    (number(16), number(20), animation.map_or(0, |at| number(at + 4)))
}

/// Width and height of a GIF.
fn gif(path: &Path) -> (u32, u32) {
    let bytes = fs::read(path).unwrap();
    assert!(bytes.starts_with(b"GIF89a") && bytes.ends_with(b";"));
    let number = |at: usize| u32::from(bytes[at]) + 256 * u32::from(bytes[at + 1]);
    (number(6), number(8))
}

#[test]
fn a_gaussian_model_restores_interpolates_and_makes_films() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "gaussian", "v");
    let short = ["--set", "training.epochs=1", "--set", "training.sample_count=0"];
    ok(dir.path(), &[&["train", arg(&config)], &short[..]].concat());
    let mnist = root().join("data/mnist");
    let restore = ["restore", "runs/small", "--count", "3", "--timesteps", "4", "--data", arg(&mnist)];
    let table = ok(dir.path(), &[&restore[..], &["--scores", "restore.json"]].concat());
    assert!(
        table.contains("small: PSNR and SSIM of 3 test images, ")
            && table.ends_with(
                "out/restore.png: a row is one of 3 test images: clean, then degraded, estimate, restored for each t \
                 of the table\n"
            ),
        "{table}"
    );
    let scores: Value = serde_json::from_slice(&fs::read(dir.path().join("restore.json")).unwrap()).unwrap();
    let rows = scores["restoration"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["t"].as_u64().unwrap()).collect::<Vec<_>>(), [5, 10, 15, 20]);
    let psnr = |row: &Value| row["degraded"]["psnr"].as_f64().unwrap();
    assert!(rows.is_sorted_by(|a, b| psnr(a) > psnr(b)), "PSNR falls with the timestep: {rows:?}");
    assert!(rows.iter().all(|row| row["restored"]["ssim"].as_f64().unwrap() < 1.0));
    assert_eq!(png(&dir.path().join("out/restore.png")), (extent(13), extent(3), 0));

    let film = ["sample", "runs/small", "-n", "7", "--film", "films/out.gif"];
    assert!(ok(dir.path(), &film).contains("films/out.gif"));
    assert_eq!(gif(&dir.path().join("films/out.gif")), (screen(6), screen(2)));
    ok(dir.path(), &["sample", "runs/small", "-n", "2", "--film", "out.png", "--nfe", "20"]);
    assert_eq!(png(&dir.path().join("out.png")), (screen(2), screen(1), 21));
    let forward = ["degrade", "runs/small", "--count", "2", "--film", "f.gif", "--data", arg(&mnist)];
    assert!(ok(dir.path(), &forward).contains("f.gif"));
    assert_eq!(gif(&dir.path().join("f.gif")), (screen(2), screen(1)));

    let line = ok(dir.path(), &["sample", "runs/small", "-n", "20", "--interpolate", "--batch-size", "6"]);
    assert!(line.contains("20 images, 5 network evaluations each, sampler ddim"), "{line}");
    assert_eq!(png(&dir.path().join("out/grid.png")), (extent(10), extent(2), 0));
    let between = samples(&dir.path().join("out/images.safetensors")).pixels;
    ok(dir.path(), &["sample", "runs/small", "-n", "4", "--sampler", "ddim"]);
    let ends = samples(&dir.path().join("out/images.safetensors")).pixels;
    // Rows begin and end with the samples of the same seed, up to rounding errors.
    for (image, sample) in [(0, 0), (9, 1), (10, 2), (19, 3)] {
        let pixels = |all: &[u8], i: usize| all[i * MNIST.len()..(i + 1) * MNIST.len()].to_vec();
        let pairs = pixels(&between, image).into_iter().zip(pixels(&ends, sample));
        assert!(pairs.into_iter().all(|(a, b)| a.abs_diff(b) <= 1), "image {image}");
    }
    let refuse = |args: &[&str], words: &[&str]| {
        refused(dir.path(), &[&["sample", "runs/small", "--out", "no"], args].concat(), words);
        assert!(!dir.path().join("no").exists());
    };
    refuse(&["--interpolate", "-n", "15"], &["-n", "found 15", "multiple of 10"]);
    refuse(&["--interpolate", "--sampler", "ancestral"], &["--interpolate", "ancestral", "expected ddim"]);
    refuse(&["--interpolate", "--eta", "0.5"], &["--interpolate", "eta 0.5", "expected ddim"]);
    refuse(&["--film", "film.mp4"], &["film.mp4", ".gif or .png"]);
    refuse(&["--class", "3"], &["--class", "`small`", "network.num_classes"]);
    refuse(&["--guidance", "2"], &["--guidance", "no class"]);
    let restore = |args: &[&str], words: &[&str]| {
        refused(dir.path(), &[&["restore", "runs/small", "--data", arg(&mnist)], args].concat(), words);
    };
    restore(&["--timesteps", "0"], &["--timesteps", "found 0", "1 to 50"]);
    restore(&["--first", "9999", "--count", "2"], &["--first", "9999", "10000"]);
    restore(&["--nfe", "21"], &["sampling.nfe", "found 21"]);
}

#[test]
fn a_conditional_model_draws_the_requested_classes() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    let set = [
        "training.epochs=1",
        "network.num_classes=10",
        "objective.weighting=intensity",
        "objective.timestep_sampler=importance",
    ];
    let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    ok(dir.path(), &[&["train", arg(&config)], &set[..]].concat());
    let draw = |args: &[&str]| {
        ok(dir.path(), &[&["sample", "runs/small", "-n", "12"], args].concat());
        let samples = samples(&dir.path().join("out/images.safetensors"));
        (samples.pixels, samples.labels)
    };
    let (all, labels) = draw(&["--class", "all"]);
    assert_eq!(labels.unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    let (threes, labels) = draw(&["--class", "3", "--batch-size", "5"]);
    assert_eq!(labels.unwrap(), [3; 12]);
    assert!(
        all[3 * MNIST.len()..4 * MNIST.len()] == threes[3 * MNIST.len()..4 * MNIST.len()],
        "image 3 is a 3 in both"
    );
    assert!(draw(&["--class", "3", "--guidance", "1"]).0 == threes);
    assert!(draw(&["--class", "3", "--guidance", "4"]).0 != threes);
    assert_eq!(draw(&[]).1, None);
    let mnist = root().join("data/mnist");
    ok(dir.path(), &["restore", "runs/small", "--count", "1", "--timesteps", "1", "--data", arg(&mnist)]);
    ok(dir.path(), &["degrade", "ink", "--count", "4", "--film", "ink.gif", "--data", arg(&mnist)]);
    assert_eq!(gif(&dir.path().join("ink.gif")), (screen(4), screen(1)));
    let between = ["sample", "runs/small", "--interpolate"];
    refused(dir.path(), &between, &["--interpolate", "`ink`", "Gaussian"]);
    let infinite = ["sample", "runs/small", "--class", "1", "--guidance", "inf"];
    refused(dir.path(), &infinite, &["--guidance", "inf", "finite"]);
}
