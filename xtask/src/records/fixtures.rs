//! Recorded files as `dm` writes them, for the tests of figures and tables.

use super::{RESTORATION_FILE, SCORE_FILE, Scores};
use anyhow::Result;
use dm_record::SCHEMA;
use serde_json::{Value, json};
use std::path::Path;

/// A line of metrics about steps.
pub fn step_line(step: u64, loss: f64) -> String {
    line(&json!({ "event": "step", "step": step, "epoch": 1, "loss": loss, "lr": 1e-3, "images_per_s": 900 }))
}

/// A line of metrics about an epoch.
pub fn epoch_line(step: u64, seconds: f64, speed: f64) -> String {
    line(
        &json!({ "event": "epoch", "step": step, "epoch": 1, "train_loss": 0.5, "train_loss_by_t": [null], "val_loss": 0.4,
                  "val_loss_by_t": [0.1, null], "seconds": seconds, "images_per_s": speed }),
    )
}

/// A line of metrics about an evaluation, which ends the epoch of the same number as the step.
pub fn eval_line(step: u64, fd: f64, limit: &str) -> String {
    let limit: Value = limit.parse().unwrap();
    line(&json!({ "event": "eval", "step": step, "epoch": step, "n": 1000, "fd": fd, "fd_infinity": limit,
                  "precision": 0.5, "recall": 0.5, "seconds": 1 }))
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// A score file of a model at `nfe` evaluations with this Fréchet distance.
pub fn score_file(model: &str, nfe: u64, fd: f64) -> Value {
    let row = |name: &str, value: f64, baseline: [f64; 2]| {
        json!({ "measure": "m", "name": name, "setting": "", "n": 1000, "values": [value], "value": value,
                "interval": [value * 0.9, value * 1.1], "floor": { "values": baseline, "n": 1000 } })
    };
    json!({
        "schema": SCHEMA,
        "target": { "model": model, "sampler": "ancestral", "nfe": nfe, "n": 1000, "seeds": [1, 2, 3, 4, 5],
                    "degradation": { "kind": "ink", "density": 64.0, "sigma_max": 16.0 } },
        "classifier": { "name": "classifier", "sha256": "a" },
        "reference": { "name": "test images", "n": 10_000 },
        "scores": [row("frechet distance", fd, [0.5, 0.6]), row("precision", 0.9, [0.95, 0.97]),
                   row("recall", 0.7, [0.95, 0.96]), { "name": "realism", "value": null }],
        "classes": { "counts": [90, 110], "share_intervals": [[0.4, 0.5], [0.5, 0.6]],
                     "reference_counts": [4900, 5100] },
        "nearest_training": { "n": 1000, "n_training": 60_000, "n_unseen": 10_000,
                              "pixels": distances(5.0), "features": distances(9.0) },
        "other_classifiers": [{ "classifier": { "name": "classifier-2", "sha256": "b" },
                                "scores": [row("frechet distance", 2.0 * fd, [0.7, 0.8])], "omitted": [] }],
    })
}

/// Percentiles of generated images from `middle` - 1 to `middle` + 1, and of unseen ones 0.5 larger.
fn distances(middle: f64) -> Value {
    let from = |low: f64| (0..=100).map(|percent| low + f64::from(percent) / 50.0).collect::<Vec<_>>();
    json!({ "generated": from(middle - 1.0), "unseen": from(middle - 0.5) })
}

/// A file of images restored from three timesteps.
pub fn restoration_file(model: &str) -> Value {
    let similarity = |psnr: f64| json!({ "psnr": psnr, "ssim": psnr / 40.0 });
    let row = |t: u64, psnr: f64| {
        json!({ "t": t, "timesteps": 900, "degraded": similarity(psnr), "estimate": similarity(psnr + 5.0),
                "restored": { "psnr": null, "ssim": 0.9 } })
    };
    json!({ "schema": SCHEMA, "model": model, "step": 9, "n": 200, "first_image": 0, "seed": 1, "sampler": "ancestral",
            "nfe_from_last_timestep": 100, "restoration": [row(300, 20.0), row(600, 12.0), row(900, 8.0)] })
}

/// A ranking of two best images and one worst.
pub fn ranking_file() -> Value {
    let image = |realism: Option<f64>| json!({ "index": 3, "realism": realism });
    json!({ "schema": SCHEMA, "rule": "realism, k = 5, K 2019",
            "ranking": { "pool": 1000, "best": [image(Some(2.5)), image(Some(1.75))], "worst": [image(Some(0.25))],
                         "random": [image(None)] } })
}

/// Principal components of two real images and a generated one.
pub fn pca_file() -> Value {
    json!({ "schema": SCHEMA, "fitted_on": 9, "explained": [0.31, 0.2], "reference": [[0.0, 1.0], [2.0, -1.0]],
            "generated": [[1.0, 0.5]] })
}

/// Three corruptions by two classifiers.
pub fn sanity_file() -> Value {
    let corruption = |name: &str, group: usize, fd: f64| {
        json!({ "name": name, "groups": [group, group], "fd": fd, "precision": 1.0, "recall": 0.0,
                "coverage": 0.5, "memorised": 0.25 })
    };
    let result = |classifier: &str, factor: f64| {
        json!({ "classifier": { "name": classifier, "sha256": classifier }, "disorder": [],
                "corruptions": [corruption("real", 0, 0.5 * factor), corruption("noise", 1, 20.0),
                                corruption("mean", 2, 900.0)] })
    };
    json!({ "schema": SCHEMA, "n": 2000, "reference": { "name": "test images", "n": 10_000 },
            "results": [result("classifier", 1.0), result("classifier-2", 1.5)] })
}

/// Writes the files of a run's images, with this Fréchet distance.
pub fn write_run_scores(folder: &Path, fd: f64) {
    let row = |t: u64, chain: f64| {
        let stage = |psnr: f64| json!({ "psnr": psnr, "ssim": 0.5 });
        json!({ "t": t, "timesteps": 100, "degraded": { "psnr": null, "ssim": 1.0 }, "estimate": stage(20.0),
                "restored": stage(chain) })
    };
    let restored = json!({ "schema": SCHEMA, "n": 4, "restoration": [row(50, 17.25), row(100, 9.0)] });
    std::fs::write(folder.join(SCORE_FILE), score_file("ink", 50, fd).to_string()).unwrap();
    std::fs::write(folder.join(RESTORATION_FILE), restored.to_string()).unwrap();
}

/// A folder of such files, read.
pub fn folder(files: &[(&str, Value)]) -> Result<Scores> {
    let dir = tempfile::tempdir().unwrap();
    for (name, value) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, value.to_string()).unwrap();
    }
    Scores::read(dir.path())
}

/// A file of `dm restore --photons` with the counts and one evaluation.
pub fn photon_file(model: &str, photons: f64, accuracy: f64) -> Value {
    let method = |name: &str, accuracy: f64| {
        json!({ "name": name, "psnr": 20.0 * accuracy, "psnr_interval": [19.0 * accuracy, 21.0 * accuracy],
                "accuracy": accuracy, "accuracy_interval": [accuracy - 0.05, accuracy + 0.05] })
    };
    json!({ "schema": SCHEMA, "model": model, "step": 10, "n": 100, "first_image": 0, "seed": 1, "photons": photons,
            "psf": [1.0, 1.0], "t": 50, "timesteps": 100, "keep": 1.0, "mismatch": 0.0, "draws": 8, "sampler": "ancestral_2m",
            "nfe_from_last_timestep": 20, "methods": [method("counts", 0.3), method("one evaluation", accuracy)] })
}
