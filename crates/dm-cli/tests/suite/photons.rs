//! Whole runs of `dm restore` with photon counts: measured ones from every kind of file, simulated ones with scores, and input
//! that is refused.

use std::fs;
use std::path::Path;

use crate::common::{arg, ok, refused, root, small_data};
use dm_degrade::photons::{Instrument, Optics};
use dm_degrade::streams;
use dm_nn::image::{ImageShape, to_unit};
use dm_nn::rng::Seed;
use serde_json::Value;

const MNIST: ImageShape = crate::common::MNIST;

/// The counts of the test digits 0 and 1 through Gaussian optics of one pixel, 8 photons per full pixel.
fn counts(data: &dm_nn::data::Dataset) -> Vec<Vec<f32>> {
    let instrument = Instrument::new(8.0, Optics::gaussian(1.0).unwrap()).unwrap();
    let measure = |i: usize| {
        let mut image = vec![0.0; MNIST.len()];
        to_unit(data.test.image(i), &mut image);
        instrument.measure(MNIST, &image, &mut Seed(1).stream(streams::DEGRADE, i as u64, 0))
    };
    (0..2).map(measure).collect()
}

/// A .npy file of 16-bit integers.
fn npy(shape: &str, counts: &[f32]) -> Vec<u8> {
    let header = format!("{{'descr': '<u2', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(counts.iter().flat_map(|&n| (n as u16).to_le_bytes()));
    bytes
}

/// The floats at the end of the .npy file at `path`.
fn floats(path: &Path, count: usize) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let items = &bytes[bytes.len() - 4 * count..];
    items.as_chunks::<4>().0.iter().map(|item| f32::from_le_bytes(*item)).collect()
}

#[test]
fn measured_counts_of_every_file_kind_give_the_same_draws() {
    let dir = tempfile::tempdir().unwrap();
    let (_, data) = small_data(dir.path(), 20, 8);
    let (folder, counts) = (dir.path(), counts(&data));
    let rows: Vec<String> = counts[0]
        .chunks(MNIST.width)
        .map(|row| row.iter().map(f32::to_string).collect::<Vec<_>>().join(" "))
        .collect();
    fs::write(dir.path().join("one.txt"), rows.join("\n")).unwrap();
    fs::write(dir.path().join("one.npy"), npy("28, 28", &counts[0])).unwrap();
    fs::write(dir.path().join("two.npy"), npy("2, 28, 28", &counts.concat())).unwrap();
    let deep = counts[0].iter().map(|&n| n as u16).collect::<Vec<_>>();
    let deep = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(28, 28, deep).unwrap();
    deep.save(dir.path().join("one.png")).unwrap();

    let restore = |file: &str| {
        let out = format!("out/{}.png", file.replace('.', "-"));
        let args = [
            "restore",
            "ink-unet",
            "--counts",
            file,
            "--psf",
            "1",
            "--photons",
            "8",
            "--nfe",
            "6",
            "--draws",
            "3",
            "--out",
            &out,
        ];
        let text = ok(folder, &args);
        assert!(text.starts_with("8.000 photons per full pixel, restored from t = "), "{text}");
        assert!(text.contains("0.0 % of the photons end where the model does not expect them"), "{text}");
        let stem = out.trim_end_matches(".png").to_owned();
        assert!(folder.join(&out).is_file());
        move |name: &str, count: usize| floats(&folder.join(format!("{stem}-{name}.npy")), count)
    };
    let text = restore("one.txt");
    let draws = text("draws", 3 * MNIST.len());
    let mean = text("mean", MNIST.len());
    assert!(draws.iter().all(|v| (0.0..=1.0).contains(v)));
    for (p, mean) in mean.iter().enumerate() {
        let values = [0, 1, 2].map(|k| draws[k * MNIST.len() + p]);
        assert!((values.iter().sum::<f32>() / 3.0 - mean).abs() < 1e-6);
        let squares: f32 = values.iter().map(|v| (v - mean).powi(2)).sum();
        assert!(((squares / 2.0).sqrt() - text("sd", MNIST.len())[p]).abs() < 1e-5);
        if p > 40 {
            break;
        }
    }
    // The draws are near the digit, and blank where the digit is far away.
    let mut digit = vec![0.0; MNIST.len()];
    to_unit(data.test.image(0), &mut digit);
    let error = mean.iter().zip(&digit).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / MNIST.len() as f32;
    assert!(error < 0.03, "{error}");
    for file in ["one.npy", "one.png"] {
        assert_eq!(restore(file)("draws", 3 * MNIST.len()), draws, "{file}");
    }
    // The second image has its own draws, and the first one keeps its own.
    let both = restore("two.npy")("draws", 6 * MNIST.len());
    assert_eq!(both[..3 * MNIST.len()], draws[..]);
    assert_ne!(both[3 * MNIST.len()..], draws[..]);
}

#[test]
fn simulated_counts_are_scored_with_calibration_and_classes() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _) = small_data(dir.path(), 20, 8);
    let classifier = root().join("data/models/classifier.safetensors");
    // A measured kernel: a Gaussian of one pixel, as a text file.
    let weight = |y: i32, x: i32| (-0.5 * f64::from(y * y + x * x)).exp();
    let rows = (-4..=4).map(|y| (-4..=4).map(|x| weight(y, x).to_string()).collect::<Vec<_>>().join(","));
    fs::write(dir.path().join("psf.csv"), rows.collect::<Vec<_>>().join("\n")).unwrap();
    for (model, psf) in [("ink-unet", "1"), ("ink-unet", "psf.csv"), ("ddpm-unet", "0")] {
        let args = [
            "restore",
            model,
            "--photons",
            "16",
            "--psf",
            psf,
            "--count",
            "4",
            "--draws",
            "4",
            "--nfe",
            "8",
            "--data",
            arg(&data),
            "--classifier",
            arg(&classifier),
            "--scores",
            "scores.json",
            "--json",
        ];
        let printed: Value = serde_json::from_str(&ok(dir.path(), &args)).unwrap();
        let written = fs::read_to_string(dir.path().join("scores.json")).unwrap();
        assert_eq!(printed, serde_json::from_str::<Value>(&written).unwrap());
        let record: dm_record::PhotonFile = serde_json::from_str(&written).unwrap();
        assert_eq!((record.n, record.draws, record.photons), (4, 4, 16.0));
        assert!(record.mismatch < 0.06 && record.t < record.timesteps, "{}", record.mismatch);
        assert_eq!(record.methods.len(), 5);
        let psnr = |name: &str| record.methods.iter().find(|m| m.name == name).unwrap().psnr.unwrap();
        assert!(psnr("mean of the draws") > psnr("counts"), "{model}: {:?}", record.methods);
        assert!(record.methods.iter().all(|m| m.accuracy.is_some() && m.psnr_interval.is_some()));
        let calibration = record.calibration.unwrap();
        assert!(calibration.error > 0.0 && calibration.predicted_error > 0.0);
        assert_eq!(calibration.expected_coverage, 0.6);
        assert!(calibration.class_confidence.is_some());
    }
    let table = ok(
        dir.path(),
        &["restore", "--photons", "16", "--count", "2", "--draws", "2", "--nfe", "4", "--data", arg(&data)],
    );
    assert!(table.contains("Richardson-Lucy") && table.contains("(equal if calibrated)"), "{table}");
}

#[test]
fn restored_test_images_are_classified_at_every_timestep() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _) = small_data(dir.path(), 20, 8);
    let args = [
        "restore",
        "--count",
        "8",
        "--timesteps",
        "2",
        "--nfe",
        "8",
        "--data",
        arg(&data),
        "--classifier",
        "classifier",
        "--scores",
        "scores.json",
    ];
    let table = ok(dir.path(), &args);
    assert!(table.contains('%'), "{table}");
    let scores = fs::read_to_string(dir.path().join("scores.json")).unwrap();
    let record: dm_record::RestorationFile = serde_json::from_str(&scores).unwrap();
    for row in &record.restoration {
        for similarity in [row.degraded, row.estimate, row.restored] {
            assert!((0.0..=1.0).contains(&similarity.accuracy.unwrap()));
        }
    }
    // Half way, digits are still known; at T nobody knows them.
    assert!(record.restoration[0].estimate.accuracy.unwrap() >= 0.75);
}

#[test]
fn counts_that_cannot_be_restored_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("small.txt", "1 2\n3 4");
    let page = |value: &str| vec![vec![value; 28].join(" "); 28].join("\n");
    write("half.txt", &page("0.5"));
    write("zero.txt", &page("0"));
    write("one.txt", &page("1"));
    write("even.txt", "1 1\n1 1");
    write("words.txt", "a point");
    for (args, words) in [
        ("--counts none.txt", &["--counts", "none.txt"][..]),
        ("--counts small.txt", &["--counts", "small.txt", "[2, 2]", "[28, 28]"]),
        ("--counts half.txt", &["--counts", "half.txt", "0.5", "whole numbers"]),
        ("--counts zero.txt", &["--photons", "counts of zero"]),
        ("--counts one.txt --photons 0", &["--photons", "photons: found 0"]),
        ("--counts one.txt --photons 0.1", &["photons: found 0.1, expected at least 1 per full pixel"]),
        ("--counts one.txt --photons 4 --psf 9", &["psf", "9.00", "8.00"]),
        ("--counts one.txt --photons 4 --psf even.txt", &["--psf", "even.txt", "2x2", "odd"]),
        ("--counts one.txt --photons 4 --psf words.txt", &["--psf", "words.txt", "line 1"]),
        ("--counts one.txt --draws 0", &["--draws", "found 0"]),
        ("--psf 1", &["--psf", "--counts", "--photons"]),
    ] {
        let args: Vec<&str> = ["restore", "ink-unet"].into_iter().chain(args.split(' ')).collect();
        refused(dir.path(), &args, words);
        assert!(!dir.path().join("out").exists(), "{args:?}");
    }
}
