//! Every file recorded in `report/`, whatever its schema, can be read, and has the same content after it is written and read
//! again under the current names.

#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test itself")]

use std::path::{Path, PathBuf};

use dm_record::{
    BenchFile, MetricsLine, PcaFile, PhotonFile, RankingFile, Record, RestorationFile, RunManifest, SCHEMA,
    SanityFile, ScoreFile, SummaryRow,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn report() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../report")
}

/// All recorded files of this name or ending below `folder`.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// All recorded files of this name or ending below `folder` of the report, at least one.
fn recorded(folder: &str, ending: &str) -> Vec<PathBuf> {
    let found = files(&report().join(folder), ending);
    assert!(!found.is_empty(), "no file {ending} below report/{folder}");
    found
}

/// Reads a file and checks that writing and reading it again changes nothing.
fn read<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap();
    let value: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let again: T = serde_json::from_str(&serde_json::to_string(&value).unwrap()).unwrap();
    assert_eq!(again, value, "{}", path.display());
    value
}

/// As [`read`], with the current names for the values. Upgrading a second time, or after writing and reading, has no effect.
fn upgraded<T: Record + DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(path: &Path) -> T {
    let mut value: T = read(path);
    assert!(value.is_readable(), "{}: schema {}", path.display(), value.schema());
    value.upgrade();
    assert_eq!(value.schema(), SCHEMA);
    let text = serde_json::to_string(&value).unwrap();
    let mut again: T = serde_json::from_str(&text).unwrap();
    again.upgrade();
    assert_eq!(again, value, "{}", path.display());
    value
}

#[test]
fn manifests_and_metrics_are_read() {
    let manifests = recorded("runs", "manifest.json");
    assert!(manifests.len() > 30);
    for path in &manifests {
        let manifest: RunManifest = upgraded(path);
        assert!(manifest.parameters > 0 && !manifest.data_sha256.is_empty());
    }
    let (mut steps, mut epochs) = (0, 0);
    for path in recorded("runs", "metrics.jsonl") {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let line: MetricsLine = serde_json::from_str(line).unwrap();
            steps += usize::from(matches!(&line, MetricsLine::Step(step) if step.grad_norm.is_some()));
            epochs +=
                usize::from(matches!(&line, MetricsLine::Epoch(epoch) if epoch.val_loss_by_t.len() == 10));
            let again: MetricsLine = serde_json::from_str(&serde_json::to_string(&line).unwrap()).unwrap();
            assert_eq!(again, line);
        }
    }
    assert!(steps > 1000 && epochs > 50, "{steps} steps, {epochs} epochs");
}

#[test]
fn evaluations_of_schema_1_are_read_under_their_new_names() {
    let line = r#"{"event":"eval","step":10,"epoch":1,"n":1000,"n_reference":10000,"judge_sha256":"a","sampler":"bridge",
                   "evaluations":50,"seed":1,"fd":3.5,"fd_infinity":null,"precision":0.5,"recall":0.25,"seconds":1.0}"#;
    let MetricsLine::Eval(eval) = serde_json::from_str(line).unwrap() else {
        panic!("expected an evaluation")
    };
    assert_eq!((eval.classifier_sha256.as_str(), eval.nfe, eval.fd_infinity), ("a", 50, None));
    assert_eq!(
        serde_json::from_str::<MetricsLine>(r#"{"event":"note","text":1}"#).unwrap(),
        MetricsLine::Unknown
    );
}

#[test]
fn scores_are_read_under_their_new_names() {
    let file: ScoreFile = upgraded(&report().join("scores/ink-unet-20-power.json"));
    let target = &file.target;
    assert_eq!(
        (target.sampler.as_deref(), target.spacing.as_deref()),
        (Some("ancestral_2m"), Some("power:1.5"))
    );
    assert_eq!((target.nfe, target.seeds.len(), target.sets), (Some(20), 5, 5));
    assert_eq!(target.degradation["kind"].as_str(), Some("ink"));
    assert_eq!(target.degradation["timesteps"].as_f64(), Some(1000.0));
    assert!(target.other.is_empty(), "{:?}", target.other);
    assert_eq!(file.classifier.name, "classifier");
    assert_eq!(file.other_classifiers[1].classifier.name, "classifier-3");
    let row = file.scores.iter().find(|row| row.name == "frechet distance").unwrap();
    assert_eq!(row.real_baseline.as_ref().unwrap().values.len(), 6);
    let floor: ScoreFile = upgraded(&report().join("scores/floor.json"));
    assert_eq!(floor.target.images, ["data/mnist/train-images-idx3-ubyte.gz"]);
    for path in [recorded("scores/seeds", ".json"), recorded("runs", "scores.json")].concat() {
        let file: ScoreFile = upgraded(&path);
        assert!(file.target.model.is_some() && !file.scores.is_empty(), "{}", path.display());
    }
}

#[test]
fn values_are_translated_only_in_files_of_schema_1() {
    let text = |schema: u32| {
        format!(
            r#"{{"schema":{schema},"target":{{"model":"m","sampler":"ancestral","n":1}},"classifier":{{"name":"c","sha256":"a"}},
                "reference":{{"name":"r","n":1}},"scores":[],
                "classes":{{"counts":[],"share_intervals":[],"reference_counts":[]}}}}"#
        )
    };
    let read = |schema| {
        let mut file: ScoreFile = serde_json::from_str(&text(schema)).unwrap();
        file.upgrade();
        file.target
    };
    assert_eq!(read(1).variance.as_deref(), Some("beta"));
    assert_eq!((read(2).sampler.as_deref(), read(2).variance), (Some("ancestral"), None));
}

/// The report has no such file.
#[test]
fn restorations_of_photon_counts_are_read() {
    let text = r#"{"schema":2,"model":"ink-photons","step":9,"n":4,"first_image":0,"seed":1,"photons":20.0,"psf":[1.0,1.5],"t":3,
                   "timesteps":10,"keep":0.5,"mismatch":0.25,"draws":1,"sampler":"ancestral_2m","nfe_from_last_timestep":20,
                   "methods":[{"name":"counts","psnr":null,"psnr_interval":null}]}"#;
    let file: PhotonFile = serde_json::from_str(text).unwrap();
    assert!(file.is_readable() && file.classifier.is_none() && file.calibration.is_none());
    assert_eq!((file.methods[0].psnr, file.methods[0].accuracy), (None, None));
    let again: PhotonFile = serde_json::from_str(&serde_json::to_string(&file).unwrap()).unwrap();
    assert_eq!(again, file);
}

#[test]
fn all_other_files_are_read() {
    let sanity: SanityFile = upgraded(&report().join("scores/sanity.json"));
    assert_eq!((sanity.results.len(), sanity.results[0].corruptions.len()), (3, 10));
    assert_eq!(sanity.results[2].classifier.name, "classifier-3");
    for path in recorded("runs", "restore.json") {
        let file: RestorationFile = upgraded(&path);
        let last = file.restoration.last().unwrap();
        assert!(last.t == last.timesteps && file.nfe_from_last_timestep > 0 && file.sampler != "bridge_2m");
    }
    for path in recorded("panels", "ranking.json") {
        let file: RankingFile = upgraded(&path);
        assert!(!file.classifier_sha256.is_empty() && file.pool.unwrap().of.nfe.is_some());
        assert!(file.ranking.best.len() == 32 && file.failures.unwrap().count > 0);
    }
    for path in recorded("panels", "pca.json") {
        assert!(!upgraded::<PcaFile>(&path).reference.is_empty());
    }
    for path in recorded("runs", "summary.json") {
        let rows: Vec<SummaryRow> = read(&path);
        assert!(rows.iter().all(|row| row.parameters > 0 && row.train_loss.is_some()));
    }
    let bench: BenchFile = read(&report().join("bench.json"));
    assert_eq!((bench.rows.len(), bench.sampling[0].nfe), (8, 1000));
    let scaling: BenchFile = read(&report().join("scaling.json"));
    assert!(!scaling.scaling.is_empty() && !scaling.sizes.is_empty() && scaling.drawing.len() == 2);
}
