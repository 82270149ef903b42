//! Files of scores as `dm` writes them, for the tests of figures and tables; and what is read of them.

use super::*;
use serde_json::json;

/// The text of a score file: a model at `steps` evaluations with this Frechet distance.
pub fn score_file(model: &str, steps: u64, fd: f64) -> Value {
    let row = |name: &str, value: f64, floor: [f64; 2]| {
        json!({ "measure": "m", "name": name, "setting": "", "n": 1000, "values": [value], "value": value,
                "interval": [value * 0.9, value * 1.1], "floor": { "values": floor, "n": 1000 } })
    };
    json!({
        "schema": 1,
        "target": { "model": model, "sampler": "bridge", "steps": steps, "n": 1000, "seeds": [1, 2, 3, 4, 5],
                    "degradation": { "kind": "ink", "density": 64.0, "sigma_max": 16.0 } },
        "judge": { "name": "judge", "sha256": "a" },
        "reference": { "name": "test images", "n": 10_000 },
        "scores": [row("frechet distance", fd, [0.5, 0.6]), row("precision", 0.9, [0.95, 0.97]),
                   row("recall", 0.7, [0.95, 0.96]), { "name": "realism", "value": null }],
        "classes": { "counts": [90, 110], "share_intervals": [[0.4, 0.5], [0.5, 0.6]],
                     "reference_counts": [4900, 5100] },
        "nearest_training": { "n": 1000, "n_training": 60_000, "n_unseen": 10_000,
                              "pixels": distances(5.0), "features": distances(9.0) },
        "other_judges": [{ "judge": { "name": "judge-2", "sha256": "b" },
                           "scores": [row("frechet distance", 2.0 * fd, [0.7, 0.8])], "omitted": [] }],
    })
}

/// Percentiles of generated images from `middle` - 1 to `middle` + 1, of unseen ones a half farther.
fn distances(middle: f64) -> Value {
    let from = |low: f64| (0..=100).map(|percent| low + f64::from(percent) / 50.0).collect::<Vec<_>>();
    json!({ "generated": from(middle - 1.0), "unseen": from(middle - 0.5) })
}

/// The text of a file of restorations from three levels.
pub fn restoration_file(model: &str) -> Value {
    let close = |psnr: f64| json!({ "psnr": psnr, "ssim": psnr / 40.0 });
    let level = |t: u64, psnr: f64| {
        json!({ "t": t, "steps": 900, "degraded": close(psnr), "estimate": close(psnr + 5.0),
                "restored": { "psnr": null, "ssim": 0.9 } })
    };
    json!({ "schema": 1, "model": model, "step": 9, "n": 200, "first_image": 0, "seed": 1, "sampler": "bridge",
            "evaluations_from_last_level": 100,
            "restoration": [level(300, 20.0), level(600, 12.0), level(900, 8.0)] })
}

/// The text of a ranking: two best, one worst.
pub fn ranking_file() -> Value {
    let image = |realism: Option<f64>| json!({ "index": 3, "realism": realism });
    json!({ "schema": 1, "rule": "realism, k = 5, K 2019",
            "ranking": { "pool": 1000, "best": [image(Some(2.5)), image(Some(1.75))], "worst": [image(Some(0.25))],
                         "random": [image(None)] } })
}

/// The text of a ladder of three rungs by two judges.
pub fn ladder_file() -> Value {
    let rung = |name: &str, group: usize, fd: f64| {
        json!({ "name": name, "groups": [group, group], "fd": fd, "precision": 1.0, "recall": 0.0,
                "coverage": 0.5, "memorised": 0.25 })
    };
    let ladder = |judge: &str, factor: f64| {
        json!({ "judge": { "name": judge, "sha256": judge }, "disorder": [],
                "rungs": [rung("real", 0, 0.5 * factor), rung("noise", 1, 20.0), rung("mean", 2, 900.0)] })
    };
    json!({ "schema": 1, "n": 2000, "reference": { "name": "test images", "n": 10_000 },
            "ladders": [ladder("judge", 1.0), ladder("judge-2", 1.5)] })
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

#[test]
fn a_folder_is_read_by_kind_and_only_like_is_put_with_like() {
    let view = json!({ "schema": 1, "explained": [0.3, 0.2], "reference": [[0.0, 1.0]], "generated": [] });
    let scores = folder(&[
        ("b.json", score_file("ink", 50, 3.0)),
        ("a.json", score_file("ink", 100, 2.0)),
        ("ladder.json", ladder_file()),
        ("restored.json", restoration_file("ink")),
        ("likelihood.json", json!({ "schema": 1, "bits": 2.0 })),
        ("ink-panels/pca.json", view),
        ("ink-panels/ranking.json", ranking_file()),
    ])
    .unwrap();
    assert_eq!((scores.ladders.len(), scores.restorations.len(), scores.panels.len()), (1, 1, 1));
    assert_eq!((scores.panels[0].name.as_str(), scores.panels[0].rank.ranking.pool), ("ink-panels", 1000));
    assert!(scores.panels[0].view.is_some());
    let groups = scores.comparable();
    let names = |group: &Vec<&Table>| group.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
    assert_eq!(groups.iter().map(names).collect::<Vec<_>>(), [["a", "b"], ["a", "b"]]);
    assert_eq!(groups[1][0].conditions(), "1,000 images against 10,000, seen by judge-2");
    assert_eq!(groups[0][0].row("realism").unwrap().value, None);
    let floor = groups[0][0].row("frechet distance").unwrap().floor.clone().unwrap();
    assert_eq!(floor.range(), Some((0.5, 0.6)));
}

#[test]
fn a_damaged_file_is_refused_by_name() {
    let mut other = score_file("ink", 1, 1.0);
    other["schema"] = 7.into();
    let error = folder(&[("a.json", other)]).unwrap_err().to_string();
    assert!(error.contains("a.json: schema is 7, expected 1"), "{error}");
    let error = folder(&[("a.json", json!({ "schema": 1, "scores": 3 }))]).unwrap_err();
    assert!(format!("{error:#}").contains("a.json"), "{error:#}");
}
