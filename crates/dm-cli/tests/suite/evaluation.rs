//! `dm eval` and `dm sanity` through the binary: tables, corruptions of real data, bad and degenerate input.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{MNIST, arg, dm, ok, refused, root, samples, small_config, small_data, write_samples};
use dm_eval::corruption::CORRUPTIONS;
use dm_nn::data::idx_files::FILES;
use dm_nn::data::sha256_hex;
use dm_nn::picture::grid;
use dm_record::{Record, SanityFile};
use serde_json::Value;

fn classifier() -> PathBuf {
    root().join("data/models/classifier.safetensors")
}

/// `dm COMMAND ARGS --json` on the data and with the shipped classifier.
fn json(command: &str, dir: &Path, args: &[&str]) -> Value {
    let (classifier, data) = (classifier(), dir.join("data"));
    let fixed = ["--classifier", arg(&classifier), "--data", arg(&data), "--json"];
    serde_json::from_str(&ok(dir, &[&[command], args, &fixed[..]].concat())).unwrap()
}

/// `dm eval ARGS --json` on the data and with the shipped classifier.
fn eval(dir: &Path, args: &[&str]) -> Value {
    json("eval", dir, args)
}

/// The row of that name whose setting contains `setting`.
fn row<'a>(report: &'a Value, name: &str, setting: &str) -> &'a Value {
    let rows = report["scores"].as_array().unwrap();
    let fits = |row: &&Value| row["name"] == name && row["setting"].as_str().unwrap().contains(setting);
    rows.iter().find(fits).unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[test]
fn copies_of_training_images_are_faithful_and_detected() {
    let dir = tempfile::tempdir().unwrap();
    let (_, data) = small_data(dir.path(), 600, 300);
    let copies = data.train.pixels[..200 * MNIST.len()].to_vec();
    write_samples(&dir.path().join("copies.safetensors"), copies);
    let report = eval(dir.path(), &["copies.safetensors", "--out", "scores.json"]);
    let written: Value = serde_json::from_slice(&fs::read(dir.path().join("scores.json")).unwrap()).unwrap();
    assert_eq!(report, written);
    assert_eq!(report["target"]["n"], 200);
    assert_eq!(report["reference"]["n"], 300);
    let fd = row(&report, "frechet distance", "");
    // The Frechet distance of copies is that of real images: the distance does not detect copies.
    let baseline: Vec<f64> =
        fd["floor"]["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(baseline.len(), 3);
    let value = fd["value"].as_f64().unwrap();
    assert!(value > 0.5 * baseline[0] && value < 2.0 * baseline[0], "{value}, baseline {baseline:?}");
    assert!(fd["interval"].is_null());
    for of in ["pixels", "features"] {
        let memorised = report["scores"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["measure"] == format!("memorised-{of}") && row["direction"] == "lower");
        let memorised = memorised.unwrap();
        assert_eq!(memorised["value"], 1.0, "{of}");
        assert!(memorised["floor"]["values"][0].as_f64().unwrap() < 0.6);
    }
    // The second time everything comes from the cache and is the same.
    assert_eq!(eval(dir.path(), &["copies.safetensors"]), report);
    // An IDX file of the same images gives the same values.
    let images = dir.path().join("data").join(FILES[0]);
    let idx = eval(dir.path(), &[arg(&images), "-n", "200", "--metrics", "fd,manifold,balance"]);
    assert_eq!(row(&idx, "frechet distance", "")["value"], fd["value"]);
    // Several sets of real images have the values of the baseline, with an interval.
    let sets = eval(dir.path(), &[arg(&images), "-n", "200", "--seeds", "2", "--metrics", "fd"]);
    assert_eq!((&sets["target"]["sets"], &sets["target"]["n"]), (&2.into(), &200.into()));
    let sets = row(&sets, "frechet distance", "");
    // The sets are the batches of the baseline. The batches of the classifier are others, which changes the last digits.
    for (set, batch) in [0, 1].map(|i| (&sets["values"][i], &sets["floor"]["values"][i])) {
        let (set, batch) = (set.as_f64().unwrap(), batch.as_f64().unwrap());
        assert!((set - batch).abs() < 1e-6 * batch, "{set}, {batch}");
    }
    assert!(sets["interval"][0].as_f64() < sets["value"].as_f64());
    let table = [
        "eval",
        "copies.safetensors",
        "--metrics",
        "fd",
        "--data",
        "data",
        "--classifier",
        arg(&classifier()),
    ]
    .map(str::to_owned);
    let table = ok(dir.path(), &table.each_ref().map(String::as_str));
    assert!(
        table.contains("frechet distance") && table.contains("real baseline") && table.contains("lower"),
        "{table}"
    );
}

#[test]
fn a_model_is_evaluated_over_seeds() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 300, 300);
    let config = small_config(dir.path(), "ink", "softmax");
    ok(
        dir.path(),
        &["train", arg(&config), "--set", "training.epochs=1", "--set", "training.sample_count=0"],
    );
    let args = ["runs/small", "-n", "100", "--seeds", "2", "--nfe", "2", "--metrics", "fd,score"];
    let report = eval(dir.path(), &args);
    let fd = row(&report, "frechet distance", "");
    assert_eq!(fd["values"].as_array().unwrap().len(), 2);
    let (low, mean, high) = (&fd["interval"][0], &fd["value"], &fd["interval"][1]);
    assert!(low.as_f64() < mean.as_f64() && mean.as_f64() < high.as_f64());
    assert_eq!((&fd["design"], &fd["n"]), (&"seeds".into(), &100.into()));
    assert_eq!(report["target"]["nfe"], 2);
    assert_eq!(report["target"]["sampler"], "ancestral");
    // The distance of a network that was hardly trained is far above the baseline.
    assert!(mean.as_f64().unwrap() > 3.0 * fd["floor"]["values"][0].as_f64().unwrap());
}

/// A pooled set of two seeds has the scores of one set of as many images. The scores are the same whether a model is sampled,
/// sample sets of `dm sample` are read, or an interrupted evaluation continues.
#[test]
fn samples_are_scored_as_a_weaker_model_guides_them() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 300, 200);
    let config = small_config(dir.path(), "ink", "sigmoid");
    let train = ["train", arg(&config), "--data", "data"];
    ok(dir.path(), &[&train[..], &["--run", "weak", "--set", "training.epochs=1"]].concat());
    ok(dir.path(), &[&train[..], &["--run", "strong", "--set", "training.epochs=2"]].concat());
    let fd = |options: &[&str]| {
        eval(dir.path(), &[&["strong", "-n", "70", "--metrics", "fd", "--nfe", "4"], options].concat())
    };
    let guided = |weight: &str| fd(&["--autoguidance", "weak", "--guidance", weight]);
    let (own, one, three) = (fd(&[]), guided("1"), guided("3"));
    let hashes = |report: &Value| report["target"]["sets_sha256"].clone();
    // u + 1 (c - u) is c.
    assert_eq!(hashes(&one), hashes(&own));
    assert_ne!(hashes(&three), hashes(&own));
    assert_eq!(three["target"]["guidance"], 3.0);
    let weak = sha256_hex(&fs::read(dir.path().join("weak/model.safetensors")).unwrap());
    assert_eq!(three["target"]["autoguidance"], weak);
    assert!(own["target"].get("autoguidance").is_none());
    // `dm sample` draws the same images.
    ok(
        dir.path(),
        &[
            "sample",
            "strong",
            "-n",
            "70",
            "--nfe",
            "4",
            "--seed",
            "1",
            "--autoguidance",
            "weak",
            "--guidance",
            "3",
        ],
    );
    let drawn = samples(&dir.path().join("out/images.safetensors"));
    assert_eq!(hashes(&three)[0], sha256_hex(&drawn.pixels));
    let of_files = eval(dir.path(), &["out/images.safetensors", "--metrics", "fd"]);
    assert_eq!(of_files["target"]["autoguidance"], weak);
    refused(
        dir.path(),
        &["eval", "strong", "-n", "70", "--data", "data", "--guidance", "3"],
        &["--guidance", "no class"],
    );
    refused(
        dir.path(),
        &["eval", "out/images.safetensors", "--data", "data", "--autoguidance", "weak", "--guidance", "3"],
        &["--autoguidance", "expected a model"],
    );
}

#[test]
fn a_pooled_set_has_the_same_scores_from_a_model_and_from_files() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 300, 300);
    let config = small_config(dir.path(), "ink", "softmax");
    ok(
        dir.path(),
        &["train", arg(&config), "--set", "training.epochs=1", "--set", "training.sample_count=0"],
    );
    let common = ["-n", "400", "--metrics", "fd,balance,memorised-features,memorised-pixels"];
    let of_model = ["runs/small", "--seeds", "2", "--pool"];
    let report = eval(dir.path(), &[&of_model[..], &common].concat());
    let fd = row(&report, "frechet distance", "");
    assert_eq!(
        (&fd["design"], &fd["n"], &report["target"]["n"]),
        (&"pooled".into(), &400.into(), &400.into())
    );
    let (low, value, high) = (fd["interval"][0].as_f64(), fd["value"].as_f64(), fd["interval"][1].as_f64());
    assert!(low < value && value < high);
    let values: Vec<f64> = fd["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    // Half of the width of the interval by its definition: t quantile of one degree of freedom, two parts.
    let half = 12.7062 * ((values[0] - values[1]).powi(2) / 4.0).sqrt();
    assert!((high.unwrap() - value.unwrap() - half).abs() < 1e-9 * half);
    assert_eq!(report["target"]["degradation"]["density"], 256.0);

    // The same images as files.
    let files = ["1", "2"].map(|seed| {
        ok(dir.path(), &["sample", "runs/small", "-n", "210", "--seed", seed, "--out", seed]);
        format!("{seed}/images.safetensors")
    });
    let of_files = [&files[0], &files[1], "--pool", "--cache", "elsewhere"];
    let again = eval(dir.path(), &[&of_files[..], &common].concat());
    let results = |report: &Value| {
        (report["scores"].clone(), report["classes"].clone(), report["nearest_training"].clone())
    };
    assert_eq!(results(&report), results(&again));
    for key in [
        "model",
        "sha256",
        "step",
        "degradation",
        "sampler",
        "variance",
        "nfe",
        "eta",
        "seeds",
        "n",
        "sets_sha256",
    ] {
        assert_eq!(report["target"][key], again["target"][key], "{key}");
    }
    // Two sets instead of one; a folder of `dm sample` stands for its images.
    let sets = eval(dir.path(), &[&files[0], "2", "-n", "200", "--metrics", "fd"]);
    let sets = row(&sets, "frechet distance", "");
    assert_eq!((&sets["design"], &sets["n"]), (&"seeds".into(), &200.into()));
    // A pooled set of two parts without its first part is the second part.
    assert_eq!(sets["values"][0], fd["values"][1]);

    // Blocks that the cache holds after an interruption are not sampled again, and the scores are the same.
    let cache = dir.path().join("runs/.cache");
    let images = || -> Vec<_> {
        let entries = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap());
        entries.filter(|e| e.file_name().to_str().unwrap().starts_with("images-")).collect()
    };
    let kept = images();
    assert_eq!(kept.len(), 2, "a block of each seed");
    fs::remove_file(kept[0].path()).unwrap();
    let other = fs::metadata(kept[1].path()).unwrap().modified().unwrap();
    let resumed = eval(dir.path(), &[&of_model[..], &common].concat());
    assert_eq!(results(&report), results(&resumed));
    assert_eq!(fs::metadata(kept[1].path()).unwrap().modified().unwrap(), other);
    assert_eq!(images().len(), 2);

    let bad = |args: &[&str], words: &[&str]| {
        let classifier = classifier();
        let fixed = ["--data", "data", "--classifier", arg(&classifier)];
        refused(dir.path(), &[&["eval"], args, &fixed[..]].concat(), words);
    };
    bad(&["runs/small", "--pool"], &["--pool", "one set", "expected several"]);
    bad(&["runs/small", "--pool", "--seeds", "3", "-n", "100"], &["--n", "found 100", "multiple of the 3"]);
    bad(&["runs/small", &files[0]], &["runs/small", "a model among several targets"]);
    bad(&[&files[0], &files[1], "--seeds", "2"], &["--seeds", "found 2", "each of several targets"]);
    bad(&[&files[0], &files[0]], &["1/images.safetensors", "seed 1 again"]);
    ok(dir.path(), &["sample", "runs/small", "-n", "20", "--seed", "3", "--nfe", "2", "--out", "3"]);
    bad(
        &[&files[0], "3/images.safetensors", "-n", "20"],
        &["3/images.safetensors", "nfe", "found 2", "expected 5"],
    );
    bad(&[&files[0], "3/images.safetensors"], &["3/images.safetensors", "found 20 images", "expected 210"]);
}

/// The shipped classifier on real data. The order of two corruptions of one group depends on the classifier and on n. The order
/// of the groups must hold.
#[test]
fn corruptions_are_in_order() {
    let dir = tempfile::tempdir().unwrap();
    // All test images are used. The first 2000 of them differ so much from the rest that real images are no closer to them
    // than images with a little noise.
    small_data(dir.path(), 2000, 10_000);
    let report = json("sanity", dir.path(), &[]);
    assert_eq!(report["n"], 2000);
    let result = &report["results"][0];
    let corruptions = result["corruptions"].as_array().unwrap();
    assert_eq!(corruptions.len(), CORRUPTIONS.len());
    assert_eq!(result["disorder"].as_array().unwrap().len(), 0, "{corruptions:?}");
    let groups: Vec<u64> = corruptions.iter().map(|one| one["groups"][0].as_u64().unwrap()).collect();
    assert!(groups.into_iter().eq(CORRUPTIONS.iter().map(|corruption| corruption.groups[0] as u64)));
    let of =
        |name: &str| corruptions.iter().find(|one| one["name"].as_str().unwrap().starts_with(name)).unwrap();
    // The distance does not detect copies, and does not distinguish class means from heavy noise. Other metrics do.
    assert_eq!(of("real")["memorised"], 1.0);
    assert_eq!(of("class means")["recall"], 0.0);
    assert_eq!(of("class means")["precision"], 1.0);
}

/// The corruptions in the report were evaluated with the shipped classifiers.
#[test]
fn corruptions_of_the_report_are_in_order_for_every_shipped_classifier() {
    let text = fs::read(root().join("report/scores/sanity.json")).unwrap();
    let mut report: SanityFile = serde_json::from_slice(&text).unwrap();
    report.upgrade();
    assert_eq!((report.n, report.reference.n), (10_000, 10_000));
    for (result, name) in report.results.iter().zip(["classifier", "classifier-2", "classifier-3"]) {
        let shipped = fs::read(root().join(format!("data/models/{name}.safetensors"))).unwrap();
        assert_eq!(result.classifier.sha256, sha256_hex(&shipped), "{name}");
        assert_eq!(result.classifier.name, name);
        assert_eq!(result.disorder.len(), 0, "{name}");
    }
    assert_eq!(report.results.len(), 3);
}

/// A pool of unseen real images, with two classifiers: every picture is there, and the ranking follows its rule.
#[test]
fn panels_rank_the_images_of_a_pool() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 400, 200);
    let images = dir.path().join("data").join(FILES[2]);
    let second = root().join("data/models/classifier-2.safetensors");
    let args = [arg(&images), "-n", "60", "--reference", "train", "--metrics", "manifold", "--panels", "p"];
    let report = eval(dir.path(), &[&args[..], &["--classifier", arg(&second)]].concat());
    // The first classifier ranks the images; both classifiers score them.
    assert_eq!(report["classifier"]["name"], "classifier-2");
    assert_eq!(report["other_classifiers"][0]["classifier"]["name"], "classifier");
    assert_ne!(row(&report, "recall", "")["value"], report["other_classifiers"][0]["scores"][1]["value"]);
    for name in ["best.png", "worst.png", "random.png", "nearest.png", "closest.png", "pca.json"] {
        assert!(dir.path().join("p").join(name).is_file(), "{name}");
    }
    let record: Value =
        serde_json::from_slice(&fs::read(dir.path().join("p/ranking.json")).unwrap()).unwrap();
    let list = |name: &str| record["ranking"][name].as_array().unwrap().clone();
    assert_eq!((list("worst").len(), list("random").len(), &record["ranking"]["pool"]), (32, 32, &60.into()));
    let realism: Vec<f64> = list("best").iter().map(|image| image["realism"].as_f64().unwrap()).collect();
    assert!(realism.is_sorted_by(|a, b| a >= b) && !realism.is_empty());
    assert!(list("best").iter().all(|image| image["near_copy"] == false));
}

#[test]
fn bad_input_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 300, 300);
    let classifier = classifier();
    let bad = |args: &[&str], words: &[&str]| {
        let fixed = ["--classifier", arg(&classifier), "--data", "data"];
        refused(dir.path(), &[&["eval"], args, &fixed[..]].concat(), words);
    };
    write_samples(&dir.path().join("flat.safetensors"), vec![7; 100 * MNIST.len()]);
    write_samples(&dir.path().join("none.safetensors"), Vec::new());
    bad(&["nobody"], &["model or images `nobody`"]);
    let no_images = [[0u8, 0, 8, 3], [0, 0, 0, 0], [0, 0, 0, 28], [0, 0, 0, 28]].concat();
    fs::write(dir.path().join("no-images"), no_images).unwrap();
    bad(&["no-images"], &["no-images", "found [0, 28, 28]", "n > 0"]);
    bad(&["none.safetensors"], &["none.safetensors", "no images", "at least one image"]);
    bad(&["flat.safetensors", "-n", "0"], &["--n", "found 0"]);
    bad(&["flat.safetensors", "--seeds", "2"], &["--seeds", "found 2", "not a model"]);
    bad(&["flat.safetensors", "-n", "40", "--seeds", "3"], &["found 3", "at most 2", "100 images", "of 40"]);
    bad(&["flat.safetensors", "-n", "90", "--seeds", "3", "--pool", "--nfe", "2"], &["--nfe"]);
    bad(&["flat.safetensors", "--nfe", "2"], &["--nfe", "expected a model"]);
    bad(&["flat.safetensors", "--metrics", "fid"], &["--metrics", "'fid'", "kid"]);
    bad(&["flat.safetensors", "--reference", "elsewhere"], &["elsewhere"]);
    let sanity = ["sanity", "-n", "3", "--classifier", arg(&classifier), "--data", "data"];
    refused(dir.path(), &sanity, &["--n", "found 3", "10 classes"]);
    bad(&[arg(&classifier)], &["classifier.safetensors", "a classifier", "dm eval"]);
    bad(&[arg(&dir.path().join("data").join(FILES[1]))], &["shape", "[300]", "[n, height, width]"]);
    fs::create_dir(dir.path().join("pictures")).unwrap();
    bad(&["pictures"], &["pictures", "no PNG or JPEG"]);
    for name in ["pictures/a.png", "pictures/b.png"] {
        grid::write(&dir.path().join(name), MNIST, &[7; MNIST.len()], 1, 1).unwrap();
    }
    bad(&["pictures"], &["pictures", "shape", "32x32x1", "28x28x1"]);
    fs::write(dir.path().join("pictures/a.png"), b"no picture").unwrap();
    bad(&["pictures"], &["a.png"]);
    refused(
        dir.path(),
        &["sample", arg(&classifier)],
        &["classifier.safetensors", "a classifier", "dm eval"],
    );
    let none = ["eval", "flat.safetensors", "--classifier", "flat.safetensors", "--data", "data"];
    refused(dir.path(), &none, &["flat.safetensors"]);
    assert_eq!(dm(dir.path(), &["eval"]).status.code(), Some(2));
    let info = ok(dir.path(), &["info", arg(&classifier)]);
    assert!(info.contains("a classifier") && info.contains("name = \"classifier\""), "{info}");
}

#[test]
fn degenerate_sets_have_scores_or_a_reason_for_none() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 300, 300);
    write_samples(&dir.path().join("flat.safetensors"), vec![0; 100 * MNIST.len()]);
    write_samples(&dir.path().join("one.safetensors"), vec![0; MNIST.len()]);
    // A hundred black images have a large distance and no variety.
    let flat = eval(dir.path(), &["flat.safetensors"]);
    let fd = row(&flat, "frechet distance", "");
    assert!(fd["value"].as_f64().unwrap() > 2.0 * fd["floor"]["values"][0].as_f64().unwrap());
    assert_eq!(row(&flat, "recall", "")["value"], 0.0);
    // One image has no covariance. A metric that is not defined states the reason.
    let one = eval(dir.path(), &["one.safetensors"]);
    let omitted = one["omitted"].as_array().unwrap();
    let fd = omitted.iter().find(|omitted| omitted["measure"] == "fd").unwrap();
    assert!(fd["reason"].as_str().unwrap().contains("at least 65 images, found 1"), "{fd}");
    // An evaluation without any value has failed.
    refused(
        dir.path(),
        &["eval", "one.safetensors", "--metrics", "fd", "--data", "data"],
        &["none of the metrics", "65"],
    );
}
