//! `xtask figures --scores` through the binary, on files as `dm eval` wrote them.

use std::path::Path;
use std::process::{Command, Output};

fn draw(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(["figures", "--scores"]).arg(folder).output().unwrap()
}

#[test]
fn the_scores_of_the_report_are_drawn_beside_their_folder() {
    let dir = tempfile::tempdir().unwrap();
    let scores = dir.path().join("scores");
    std::fs::create_dir(&scores).unwrap();
    let report = Path::new(env!("CARGO_MANIFEST_DIR")).join("../report/scores");
    let of_model = |path: &Path| {
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        file["target"]["model"].is_string()
    };
    let mut files: Vec<_> = std::fs::read_dir(&report).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let model = files.into_iter().find(|path| of_model(path)).expect("the scores of a model");
    for file in [report.join("sanity.json"), model] {
        std::fs::copy(&file, scores.join(file.file_name().unwrap())).unwrap();
    }
    let output = draw(&scores);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for figure in ["sanity", "precision-recall", "classes"] {
        for kind in ["png", "svg"] {
            assert!(dir.path().join("figures").join(format!("{figure}.{kind}")).is_file(), "{figure}.{kind}");
        }
    }
    // One number of evaluations is no curve, and no panels were written.
    for figure in ["evaluations", "best-worst", "components"] {
        assert!(!dir.path().join("figures").join(format!("{figure}.png")).exists(), "{figure}");
    }
}

#[test]
fn a_damaged_score_file_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let scores = dir.path().join("scores");
    std::fs::create_dir(&scores).unwrap();
    std::fs::write(scores.join("a.json"), "{ \"schema\": 1, \"results\": 3 }").unwrap();
    let output = draw(&scores);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("a.json") && error.lines().count() == 1, "{error}");
    assert!(!dir.path().join("figures").exists());
    assert_eq!(draw(&dir.path().join("nowhere")).status.code(), Some(2));
}
