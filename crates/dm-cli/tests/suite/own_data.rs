//! Whole runs through the binary on a folder of colour images that are not square: a classifier, two diffusion models, and
//! every command that reads their results.

use std::fs;
use std::path::Path;

use crate::common::{COLOR, COLOR_CLASSES, color_data, samples, small_classifier_config, small_config};
use serde_json::Value;

/// Runs `dm`, which must succeed; `line` are its arguments, separated by spaces.
fn ok(dir: &Path, line: &str) -> String {
    crate::common::ok(dir, &line.split_whitespace().collect::<Vec<_>>())
}

/// As [`ok`], with standard output parsed as JSON.
fn json(dir: &Path, line: &str) -> Value {
    serde_json::from_str(&ok(dir, line)).unwrap()
}

/// Runs `dm`, which must refuse its input without writing to the path `no`.
fn refused(dir: &Path, line: &str, words: &[&str]) {
    let args: Vec<&str> = line.split_whitespace().chain(["--out", "no"]).collect();
    crate::common::refused(dir, &args, words);
    assert!(!dir.join("no").exists());
}

/// Width and height of the PNG at `path`, and whether it has colours.
fn png(path: &Path) -> (u32, u32, bool) {
    let picture = image::open(path).unwrap();
    (picture.width(), picture.height(), picture.color().has_color())
}

/// Width and height of a grid with this number of columns and rows, at zoom 2.
fn grid(columns: u32, rows: u32) -> (u32, u32, bool) {
    (2 * (columns * 18 + 2), 2 * (rows * 14 + 2), true)
}

#[test]
fn a_folder_of_colour_images_goes_through_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    color_data(root, 60);
    checked(root);
    classifier_trained(root);
    for (degradation, parameterization) in [("gaussian", "v"), ("ink", "sigmoid")] {
        small_config(root, degradation, parameterization);
        let set = "--set network.num_classes=3 --set training.sample_count=3";
        ok(root, &format!("train {degradation}.toml --run {degradation} --data colours {set}"));
        assert!(root.join(degradation).join("samples/epoch-0002.png").is_file());
        let info = ok(root, &format!("info {degradation}"));
        assert!(info.contains("12x16x3, 3 classes") && info.contains("path = \"colours\""), "{info}");
        sampled(root, degradation);
        evaluated(root, degradation);
        degraded_and_restored(root, degradation);
    }
    other_shapes_are_refused(root);
}

fn checked(root: &Path) {
    let check = ok(root, "data check colours --out sheet");
    assert!(check.contains("12x16x3") && check.contains("3 classes"), "{check}");
    let is_class = |line: &&str| COLOR_CLASSES.iter().any(|name| line.starts_with(name));
    let counts = |line: &str| line.split_whitespace().skip(1).map(|n| n.parse::<u32>().unwrap()).sum::<u32>();
    assert_eq!(check.lines().filter(is_class).map(counts).collect::<Vec<_>>(), [60, 60, 60]);
    assert!(check.ends_with("contact sheet: sheet/contact_sheet.png\n"), "{check}");
    assert_eq!(png(&root.join("sheet/contact_sheet.png")), grid(10, 3));
    assert!(ok(root, "data check colours --size 16x8 --out sheet").contains("16x8x3"));
    refused(root, "data check colours --size 16", &["--size", "16", "height and width"]);
    refused(root, "data check colours --size 16x500", &["size", "16x500"]);
}

fn classifier_trained(root: &Path) {
    small_classifier_config(root);
    let trained = ok(root, "train classifier.toml --data colours");
    assert!(trained.contains("runs/small-classifier: 20 steps"), "{trained}");
    assert!(trained.contains("test accuracy") && trained.contains("dm eval"), "{trained}");
    let info = ok(root, "info runs/small-classifier");
    assert!(info.contains("a classifier") && info.contains("12x16x3, 3 classes"), "{info}");
    assert!(ok(root, "train classifier.toml --data colours --resume").contains("is complete"));
    let sanity = json(root, "sanity --data colours --classifier runs/small-classifier --json");
    assert_eq!(sanity["results"][0]["corruptions"].as_array().unwrap().len(), 12);
    assert!(sanity["n"].as_u64().unwrap() > 100);
}

fn sampled(root: &Path, model: &str) {
    let shown = ok(root, &format!("sample {model} -n 7 --class green --strip --film {model}.gif --show"));
    // Four of the images fit into the 80 columns of a pipe.
    assert_eq!(shown.lines().take_while(|line| line.len() == 4 * 17).count(), 6, "{shown}");
    let drawn = samples(&root.join("out/images.safetensors"));
    assert_eq!((drawn.shape, drawn.len(), drawn.labels), (COLOR, 7, Some(vec![1; 7])));
    assert_eq!(png(&root.join("out/grid.png")), grid(7, 1));
    assert_eq!(png(&root.join("out/strip.png")), grid(6, 7));
    assert!(fs::read(root.join(format!("{model}.gif"))).unwrap().starts_with(b"GIF89a"));
    ok(root, &format!("sample {model} -n 4 --class all"));
    assert_eq!(samples(&root.join("out/images.safetensors")).labels, Some(vec![0, 1, 2, 0]));
    ok(root, &format!("sample {model} -n 4 --class 1"));
    let by_number = samples(&root.join("out/images.safetensors"));
    assert!(by_number.pixels == drawn.pixels[..4 * COLOR.len()], "`green` is class 1");
    refused(root, &format!("sample {model} --class 3"), &["--class", "found 3", "0 to 2"]);
    refused(root, &format!("sample {model} --class yellow"), &["--class", "yellow"]);
}

fn evaluated(root: &Path, model: &str) {
    let line = format!("eval {model} -n 40 --seeds 2 --metrics fd,manifold,balance --panels p");
    let report = json(root, &format!("{line} --data colours --classifier runs/small-classifier --json"));
    assert_eq!(report["classes"]["counts"].as_array().unwrap().len(), 3);
    let fd = &report["scores"][0];
    assert!(fd["value"].as_f64().unwrap() > 0.0 && fd["interval"].is_array(), "{fd}");
    assert_eq!(png(&root.join("p/best.png")).0, grid(8, 1).0);
    assert_eq!(png(&root.join("p/nearest.png")), grid(9, 8));
    let bound = json(root, &format!("likelihood {model} --data colours -n 3 --json"));
    assert!(bound["bound"]["total"].as_f64().unwrap() > 0.0);
    // The images that were sampled last are read from their file.
    let of_file = "--data colours --classifier runs/small-classifier --metrics score --json";
    assert_eq!(json(root, &format!("eval out {of_file}"))["target"]["model"], "small");
}

fn degraded_and_restored(root: &Path, model: &str) {
    let restored = ok(root, &format!("restore {model} --data colours --count 3 --timesteps 2"));
    assert!(restored.contains("PSNR and SSIM of 3 test images"), "{restored}");
    assert_eq!(png(&root.join("out/restore.png")), grid(7, 3));
    // A plain name is that of a registered degradation; a path is that of a model.
    for name in [format!("./{model}"), "blur".to_owned()] {
        ok(root, &format!("degrade {name} --data colours --count 2 --film forward.png"));
        assert_eq!(png(&root.join("out/degrade.png")), grid(12, 2));
    }
}

fn other_shapes_are_refused(root: &Path) {
    let words = ["--data", "16x16x3", "12x16x3"];
    for command in ["restore ink", "degrade ./ink", "likelihood ink"] {
        refused(root, &format!("{command} --data colours --size 16x16"), &words);
    }
    let small = "--classifier runs/small-classifier";
    refused(root, &format!("eval ink --data colours --size 16x16 {small}"), &words);
    fs::create_dir_all(root.join("data/models")).unwrap();
    let shipped = crate::common::root().join("data/models/classifier.safetensors");
    fs::copy(shipped, root.join("data/models/classifier.safetensors")).unwrap();
    refused(root, "eval ink --data colours", &["--data", "12x16x3", "28x28x1", "`classifier`"]);
    let eval_every = "train ink.toml --run no --data colours --set training.eval_every=1";
    let args: Vec<&str> = eval_every.split_whitespace().collect();
    crate::common::refused(root, &args, &["training.eval_every", "12x16x3", "28x28x1"]);
    assert!(!root.join("no").exists());
    // Images of one shape compared with images of another.
    ok(root, "data check colours --out sheet");
    crate::common::small_data(&root.join("mnist"), 40, 40);
    let mnist = "eval out --data mnist/data --classifier classifier";
    refused(root, mnist, &["images.safetensors", "12x16x3", "28x28x1"]);
    let reference = format!("eval out --data colours {small} --reference mnist/data/train-images-idx3-ubyte");
    refused(root, &reference, &["--reference", "28x28x1", "12x16x3"]);
}
