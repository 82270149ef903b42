//! Runs continue in run folders of schema 1. The fixtures are two interrupted runs, of a diffusion model and of a classifier,
//! and the models with which the program of that time completed them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{metrics, train};
use dm_nn::data::{Dataset, ReadOptions};
use dm_nn::params::file::TensorFile;
use dm_train::RunConfig;
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schema1").join(name)
}

/// Continues the run `name` to its end, and compares the model with that of the fixture.
fn check(name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    fs::create_dir(&folder).unwrap();
    for file in ["config.toml", "manifest.json", "metrics.jsonl", "checkpoint.safetensors"] {
        fs::copy(fixture(name).join(file), folder.join(file)).unwrap();
    }
    let config = RunConfig::read(&folder.join("config.toml"), &[]).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist");
    let data = Dataset::open(&data, &ReadOptions::default()).unwrap();
    assert!(train(&folder, &config, &data, true, u64::MAX));

    let found = TensorFile::read(&folder.join("model.safetensors")).unwrap();
    let expected = TensorFile::read(&fixture(&format!("{name}-finished.safetensors"))).unwrap();
    assert!(found.names().eq(expected.names()));
    for tensor in expected.names() {
        let (shape, values) = expected.get(tensor).unwrap();
        // Equal on the processor of the fixture; other processors add in another order.
        for (found, expected) in found.expect(tensor, shape).unwrap().iter().zip(values) {
            assert!((found - expected).abs() < 1e-4, "{tensor}: {found}, expected {expected}");
        }
    }
    let line = fs::read_to_string(fixture(&format!("{name}-finished.json"))).unwrap();
    let expected: Value = serde_json::from_str(&line).unwrap();
    let found = metrics(&folder).pop().unwrap();
    for key in ["train_loss", "val_loss", "test_accuracy"] {
        let number = |line: &Value| line[key].as_f64().unwrap_or(0.0);
        let (found, expected) = (number(&found), number(&expected));
        assert!((found - expected).abs() < 1e-4, "{key}: {found}, expected {expected}");
    }
    assert_eq!(found["step"], expected["step"]);
    let manifest = dm_train::run_folder::read_manifest(&folder).unwrap();
    assert_eq!(manifest.schema, dm_record::SCHEMA);
}

#[test]
fn a_diffusion_run_of_schema_1_continues() {
    check("diffusion");
}

#[test]
fn a_classifier_run_of_schema_1_continues() {
    check("judge");
}
