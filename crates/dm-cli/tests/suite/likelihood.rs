//! `dm likelihood` through the binary: both bounds, their JSON, and refused input.

use std::fs;

use crate::common::{arg, ok, refused, root, small_config};
use serde_json::Value;

#[test]
fn both_bounds_are_printed_and_written_with_all_their_terms() {
    let dir = tempfile::tempdir().unwrap();
    let mnist = root().join("data/mnist");
    // Five uniform steps of Ink do not visit t = 1, so a sixth step is added.
    for (degradation, parameterization, of, parts, steps) in [
        ("gaussian", "v", "images of 256 greys", 1, 5),
        ("ink", "softmax", "grain counts, 256 grains per full pixel", 3, 6),
    ] {
        let config = small_config(dir.path(), degradation, parameterization);
        let short = ["--set", "training.epochs=1", "--set", "training.sample_count=0", "--run", degradation];
        ok(dir.path(), &[&["train", arg(&config)], &short[..]].concat());
        let args = ["likelihood", degradation, "-n", "6", "--data", arg(&mnist), "--out", "bound.json"];
        let table = ok(dir.path(), &args);
        assert!(table.starts_with("small: at most ") && table.contains("lower is better"), "{table}");
        assert!(table.contains(&format!("of {of}, 6 images, {steps} steps")), "{table}");
        assert!(table.contains("decoder, t = 1 to 0"), "{table}");
        let report: Value =
            serde_json::from_slice(&fs::read(dir.path().join("bound.json")).unwrap()).unwrap();
        let bound = &report["bound"];
        assert_eq!((&bound["unit"], &bound["direction"]), (&"bits/dim".into(), &"lower".into()));
        assert_eq!((&bound["n"], &report["of"]), (&6.into(), &of.into()));
        let bits = |key: &str| -> Vec<f64> {
            bound[key].as_array().unwrap().iter().map(|part| part["bits"].as_f64().unwrap()).collect()
        };
        let total = bound["total"].as_f64().unwrap();
        assert_eq!((bits("parts").len(), bits("terms").len()), (parts, steps));
        let sum: f64 = bits("parts").iter().chain(&bits("terms")).sum();
        assert_eq!(bound["floor"].is_null(), degradation == "gaussian");
        assert!(total > 0.0 && (sum - total).abs() < 1e-9 * total, "{sum} for {total}");
        let interval = bound["interval"].as_array().unwrap();
        assert!(interval[0].as_f64().unwrap() < total && total < interval[1].as_f64().unwrap());
        // A second call gives the same bound; other timesteps and other images give other bounds.
        let again = |more: &[&str]| {
            let args = [&["likelihood", degradation, "-n", "6", "--data", arg(&mnist), "--json"], more];
            serde_json::from_str::<Value>(&ok(dir.path(), &args.concat())).unwrap()
        };
        assert_eq!(again(&[]), report);
        assert_eq!(again(&["--nfe", "20"])["bound"]["terms"].as_array().unwrap().len(), 20);
        assert_ne!(again(&["--reference", "train"])["bound"]["total"], bound["total"]);
        // A single image gives no interval.
        assert!(table.lines().next().unwrap().contains(" (95 %), lower"), "{table}");
        let single = ok(dir.path(), &["likelihood", degradation, "-n", "1", "--data", arg(&mnist)]);
        assert!(single.lines().next().unwrap().ends_with(" bits/dim, lower is better"), "{single}");
        let refuse = |more: &[&str], words: &[&str]| {
            let args = ["likelihood", degradation, "--data", arg(&mnist), "--out", "no.json"];
            refused(dir.path(), &[&args[..], more].concat(), words);
            assert!(!dir.path().join("no.json").exists());
        };
        refuse(&["--nfe", "21"], &["found 21", "1 to 20"]);
        refuse(&["--reference", "there"], &["--reference", "there", "test", "train"]);
    }
}

#[test]
fn a_process_without_a_bound_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "blur", "x0");
    let short = ["--set", "training.epochs=1", "--set", "training.sample_count=0", "--run", "blur"];
    ok(dir.path(), &[&["train", arg(&config)], &short[..]].concat());
    let mnist = root().join("data/mnist");
    let args = ["likelihood", "blur", "-n", "2", "--data", arg(&mnist)];
    refused(dir.path(), &args, &["`blur`", "`gaussian` or `ink`"]);
}
