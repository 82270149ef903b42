//! `xtask figures --scores` through the binary, on files as `dm eval` wrote them.
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test itself")]

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
    for file in ["ladder.json", "floor.json"] {
        std::fs::copy(report.join(file), scores.join(file)).unwrap();
    }
    let output = draw(&scores);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for figure in ["ladder", "precision-recall", "classes"] {
        for kind in ["png", "svg"] {
            assert!(dir.path().join("figures").join(format!("{figure}.{kind}")).is_file(), "{figure}.{kind}");
        }
    }
    // Real images have no network evaluations, and no panels were written.
    assert_eq!(String::from_utf8_lossy(&output.stdout).split(' ').next(), Some("3"));
}

#[test]
fn a_damaged_score_file_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let scores = dir.path().join("scores");
    std::fs::create_dir(&scores).unwrap();
    std::fs::write(scores.join("a.json"), "{ \"schema\": 1, \"ladders\": 3 }").unwrap();
    let output = draw(&scores);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("a.json") && error.lines().count() == 1, "{error}");
    assert!(!dir.path().join("figures").exists());
    assert_eq!(draw(&dir.path().join("nowhere")).status.code(), Some(2));
}
