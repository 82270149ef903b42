//! `dm eval` through the binary: tables, the ladder on real data, bad and degenerate input.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{arg, dm, ok, refused, root, small_config, small_data};
use dm_nn::data::{FILES, PIXELS, sha256_hex, sheet};
use serde_json::Value;

fn judge() -> PathBuf {
    root().join("data/models/judge.safetensors")
}

/// `dm eval ARGS --json` on the data and with the shipped judge.
fn eval(dir: &Path, args: &[&str]) -> Value {
    let (judge, data) = (judge(), dir.join("data"));
    let fixed = ["--judge", arg(&judge), "--data", arg(&data), "--json"];
    serde_json::from_str(&ok(dir, &[&["eval"], args, &fixed[..]].concat())).unwrap()
}

/// The row of that name whose setting contains `setting`.
fn row<'a>(report: &'a Value, name: &str, setting: &str) -> &'a Value {
    let rows = report["scores"].as_array().unwrap();
    let fits = |row: &&Value| row["name"] == name && row["setting"].as_str().unwrap().contains(setting);
    rows.iter().find(fits).unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[test]
fn training_copies_are_faithful_and_copied() {
    let dir = tempfile::tempdir().unwrap();
    let (_, data) = small_data(dir.path(), 600, 300);
    let path = dir.path().join("copies.safetensors");
    sheet::write(&path, &data.train.pixels[..200 * PIXELS], None, &std::collections::BTreeMap::new())
        .unwrap();
    let report = eval(dir.path(), &["copies.safetensors", "--out", "scores.json"]);
    let written: Value = serde_json::from_slice(&fs::read(dir.path().join("scores.json")).unwrap()).unwrap();
    assert_eq!(report, written);
    assert_eq!(report["target"]["n"], 200);
    assert_eq!(report["reference"]["n"], 300);
    let fd = row(&report, "frechet distance", "");
    // Copies of real images are at the floor, which is made of such images: FD does not see copies.
    let floor: Vec<f64> =
        fd["floor"]["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(floor.len(), 3);
    let value = fd["value"].as_f64().unwrap();
    assert!(value > 0.5 * floor[0] && value < 2.0 * floor[0], "{value}, floor {floor:?}");
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
    // The second time everything comes from the cache, and is the same.
    assert_eq!(eval(dir.path(), &["copies.safetensors"]), report);
    // Order of images does not matter to features; an IDX file of the same images gives the same.
    let images = dir.path().join("data").join(FILES[0]);
    let idx = eval(dir.path(), &[arg(&images), "-n", "200", "--metrics", "fd,manifold,balance"]);
    assert_eq!(row(&idx, "frechet distance", "")["value"], fd["value"]);
    // Several sets of real images: the floor, with an interval.
    let sets = eval(dir.path(), &[arg(&images), "-n", "200", "--seeds", "2", "--metrics", "fd"]);
    assert_eq!((&sets["target"]["sets"], &sets["target"]["n"]), (&2.into(), &200.into()));
    let sets = row(&sets, "frechet distance", "");
    // The same batches as the floor's; how images are put together for the judge moves the last digits.
    for (set, batch) in [0, 1].map(|i| (&sets["values"][i], &sets["floor"]["values"][i])) {
        let (set, batch) = (set.as_f64().unwrap(), batch.as_f64().unwrap());
        assert!((set - batch).abs() < 1e-6 * batch, "{set}, {batch}");
    }
    assert!(sets["interval"][0].as_f64() < sets["value"].as_f64());
    let table = ["eval", "copies.safetensors", "--metrics", "fd", "--data", "data", "--judge", arg(&judge())]
        .map(str::to_owned);
    let table = ok(dir.path(), &table.each_ref().map(String::as_str));
    assert!(
        table.contains("frechet distance") && table.contains("floor") && table.contains("lower"),
        "{table}"
    );
}

#[test]
fn a_model_is_measured_over_seeds() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 300, 300);
    let config = small_config(dir.path(), "ink", "conserving");
    ok(dir.path(), &["train", arg(&config), "--set", "training.epochs=1", "--set", "training.grid=0"]);
    let args = ["runs/small", "-n", "100", "--seeds", "2", "--steps", "2", "--metrics", "fd,score"];
    let report = eval(dir.path(), &args);
    let fd = row(&report, "frechet distance", "");
    assert_eq!(fd["values"].as_array().unwrap().len(), 2);
    let (low, mean, high) = (&fd["interval"][0], &fd["value"], &fd["interval"][1]);
    assert!(low.as_f64() < mean.as_f64() && mean.as_f64() < high.as_f64());
    assert_eq!((&fd["design"], &fd["n"]), (&"seeds".into(), &100.into()));
    assert_eq!(report["target"]["steps"], 2);
    assert_eq!(report["target"]["sampler"], "bridge");
    // An untrained network's images are far above the floor.
    assert!(mean.as_f64().unwrap() > 3.0 * fd["floor"]["values"][0].as_f64().unwrap());
}

/// One set of two seeds: its value is that of as many images, the same whether the model is drawn from, sheets of
/// `dm sample` are read, or an evaluation goes on after having been cut off.
#[test]
fn a_pooled_set_is_one_set_wherever_its_images_come_from() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 300, 300);
    let config = small_config(dir.path(), "ink", "conserving");
    ok(dir.path(), &["train", arg(&config), "--set", "training.epochs=1", "--set", "training.grid=0"]);
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
    // Half the size of the interval, from its definition: t of one degree of freedom, k = 2.
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
    let told = |report: &Value| {
        (report["scores"].clone(), report["classes"].clone(), report["nearest_training"].clone())
    };
    assert_eq!(told(&report), told(&again));
    for key in
        ["model", "sha256", "step", "degradation", "sampler", "steps", "eta", "seeds", "n", "sets_sha256"]
    {
        assert_eq!(report["target"][key], again["target"][key], "{key}");
    }
    // Two sets instead of one; a folder of `dm sample` stands for its images.
    let sets = eval(dir.path(), &[&files[0], "2", "-n", "200", "--metrics", "fd"]);
    let sets = row(&sets, "frechet distance", "");
    assert_eq!((&sets["design"], &sets["n"]), (&"seeds".into(), &200.into()));
    // Without one of two parts there is the other.
    assert_eq!(sets["values"][0], fd["values"][1]);

    // What is left of the samples' cache after an interruption is not drawn again, and changes nothing.
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
    assert_eq!(told(&report), told(&resumed));
    assert_eq!(fs::metadata(kept[1].path()).unwrap().modified().unwrap(), other);
    assert_eq!(images().len(), 2);

    let bad = |args: &[&str], words: &[&str]| {
        let judge = judge();
        refused(dir.path(), &[&["eval"], args, &["--data", "data", "--judge", arg(&judge)]].concat(), words);
    };
    bad(&["runs/small", "--pool"], &["--pool", "one set", "expected several"]);
    bad(&["runs/small", "--pool", "--seeds", "3", "-n", "100"], &["--n", "found 100", "multiple of the 3"]);
    bad(&["runs/small", &files[0]], &["runs/small", "a model among several targets"]);
    bad(&[&files[0], &files[1], "--seeds", "2"], &["--seeds", "found 2", "each of several targets"]);
    bad(&[&files[0], &files[0]], &["1/images.safetensors", "seed 1 again"]);
    ok(dir.path(), &["sample", "runs/small", "-n", "20", "--seed", "3", "--steps", "2", "--out", "3"]);
    bad(
        &[&files[0], "3/images.safetensors", "-n", "20"],
        &["3/images.safetensors", "steps", "found 2", "expected 5"],
    );
    bad(&[&files[0], "3/images.safetensors"], &["3/images.safetensors", "found 20 images", "expected 210"]);
    bad(&[&files[0], &files[1], "--likelihood"], &["--likelihood", "several targets"]);
}

/// The shipped judge on real data. Which of two rungs in one group is worse changes with judge and n; the order of the rest
/// is what the judge was chosen for.
#[test]
fn the_ladder_is_in_order() {
    let dir = tempfile::tempdir().unwrap();
    // All test images: the first 2000 alone are other digits than the rest, and real images are no nearer to them than
    // images with a little noise.
    small_data(dir.path(), 2000, 10_000);
    let report = eval(dir.path(), &["--ladder"]);
    assert_eq!(report["n"], 2000);
    let ladder = &report["ladders"][0];
    let rungs = ladder["rungs"].as_array().unwrap();
    assert_eq!(rungs.len(), 10);
    assert_eq!(ladder["disorder"].as_array().unwrap().len(), 0, "{rungs:?}");
    let groups: Vec<u64> = rungs.iter().map(|rung| rung["groups"][0].as_u64().unwrap()).collect();
    assert_eq!(groups, [0, 1, 2, 2, 3, 4, 5, 5, 6, 6]);
    let of = |name: &str| rungs.iter().find(|rung| rung["name"].as_str().unwrap().starts_with(name)).unwrap();
    // The distance does not see copies, and sees no difference between class means and heavy noise; these do.
    assert_eq!(of("real")["memorised"], 1.0);
    assert_eq!(of("class means")["recall"], 0.0);
    assert_eq!(of("class means")["precision"], 1.0);
}

/// What the report shows was measured with the judges that are shipped.
#[test]
fn the_ladder_of_the_report_is_in_order_for_every_shipped_judge() {
    let text = fs::read(root().join("report/scores/ladder.json")).unwrap();
    let report: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!((&report["n"], &report["reference"]["n"]), (&10_000.into(), &10_000.into()));
    let ladders = report["ladders"].as_array().unwrap();
    for (ladder, name) in ladders.iter().zip(["judge", "judge-2", "judge-3"]) {
        let shipped = fs::read(root().join(format!("data/models/{name}.safetensors"))).unwrap();
        assert_eq!(ladder["judge"]["sha256"], sha256_hex(&shipped), "{name}");
        assert_eq!(ladder["disorder"].as_array().unwrap().len(), 0, "{name}");
    }
    assert_eq!(ladders.len(), 3);
}

/// A pool of unseen real images, by two judges: every picture is there, and the ranking keeps its rule.
#[test]
fn panels_show_a_pool_by_a_rule() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 400, 200);
    let images = dir.path().join("data").join(FILES[2]);
    let second = root().join("data/models/judge-2.safetensors");
    let args = [arg(&images), "-n", "60", "--against", "train", "--metrics", "manifold", "--panels", "p"];
    let report = eval(dir.path(), &[&args[..], &["--judge", arg(&second)]].concat());
    // The first judge named rules; the other says what it thinks.
    assert_eq!(report["judge"]["name"], "judge-2");
    assert_eq!(report["other_judges"][0]["judge"]["name"], "judge");
    assert_ne!(row(&report, "recall", "")["value"], report["other_judges"][0]["scores"][1]["value"]);
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
fn bad_input_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 300, 300);
    let judge = judge();
    let bad = |args: &[&str], words: &[&str]| {
        let fixed = ["--judge", arg(&judge), "--data", "data"];
        refused(dir.path(), &[&["eval"], args, &fixed[..]].concat(), words);
    };
    let sheet_of = |name: &str, n: usize| {
        sheet::write(&dir.path().join(name), &vec![7; n * PIXELS], None, &std::collections::BTreeMap::new())
            .unwrap();
    };
    sheet_of("flat.safetensors", 100);
    sheet_of("none.safetensors", 0);
    bad(&["nobody"], &["model `nobody`"]);
    bad(&["none.safetensors"], &["set 1", "expected 784", "found 0"]);
    bad(&["flat.safetensors", "-n", "0"], &["--n", "found 0"]);
    bad(&["flat.safetensors", "--seeds", "2"], &["--seeds", "found 2", "no model"]);
    bad(&["flat.safetensors", "-n", "40", "--seeds", "3"], &["found 3", "at most 2", "100 images", "of 40"]);
    bad(&["flat.safetensors", "-n", "90", "--seeds", "3", "--pool", "--steps", "2"], &["--steps"]);
    bad(&["flat.safetensors", "--steps", "2"], &["--steps", "expected a model"]);
    bad(&["flat.safetensors", "--metrics", "fid"], &["metrics", "found fid", "kid"]);
    bad(&["flat.safetensors", "--against", "elsewhere"], &["elsewhere"]);
    bad(&["--ladder", "-n", "3"], &["--n", "found 3", "ten classes"]);
    bad(&[arg(&judge)], &["judge.safetensors", "a judge", "dm eval"]);
    bad(&[arg(&dir.path().join("data").join(FILES[1]))], &["shape", "[300]", "[n, 28, 28]"]);
    fs::create_dir(dir.path().join("pictures")).unwrap();
    bad(&["pictures"], &["pictures", "no PNG"]);
    dm_train::grid::write(&dir.path().join("pictures/a.png"), &[7; PIXELS], 1, 1).unwrap();
    bad(&["pictures"], &["a.png", "size", "32x32", "28x28"]);
    fs::write(dir.path().join("pictures/a.png"), b"no picture").unwrap();
    bad(&["pictures"], &["a.png"]);
    refused(dir.path(), &["sample", arg(&judge)], &["judge.safetensors", "a judge", "dm eval"]);
    let none = ["eval", "flat.safetensors", "--judge", "flat.safetensors", "--data", "data"];
    refused(dir.path(), &none, &["flat.safetensors", "images"]);
    assert_eq!(dm(dir.path(), &["eval"]).status.code(), Some(2));
    assert!(ok(dir.path(), &["info", arg(&judge)]).contains("a judge"));
}

#[test]
fn degenerate_sets_have_values_or_reasons() {
    let dir = tempfile::tempdir().unwrap();
    small_data(dir.path(), 300, 300);
    let none = std::collections::BTreeMap::new();
    sheet::write(&dir.path().join("flat.safetensors"), &vec![0; 100 * PIXELS], None, &none).unwrap();
    sheet::write(&dir.path().join("one.safetensors"), &vec![0; PIXELS], None, &none).unwrap();
    // A hundred blank pages: far away, no diversity.
    let flat = eval(dir.path(), &["flat.safetensors"]);
    let fd = row(&flat, "frechet distance", "");
    assert!(fd["value"].as_f64().unwrap() > 2.0 * fd["floor"]["values"][0].as_f64().unwrap());
    assert_eq!(row(&flat, "recall", "")["value"], 0.0);
    // One image has no covariance; what is not defined says why.
    let one = eval(dir.path(), &["one.safetensors"]);
    let omitted = one["omitted"].as_array().unwrap();
    let fd = omitted.iter().find(|omitted| omitted["measure"] == "fd").unwrap();
    assert!(fd["reason"].as_str().unwrap().contains("at least 65 rows, found 1"), "{fd}");
}
