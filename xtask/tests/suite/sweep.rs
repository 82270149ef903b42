//! Whole sweeps through the `xtask` binary, with a script in place of `dm`: skipping, resuming, cleaning, failures, interrupts,
//! killed sweeps, and the files that each of them leaves.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use crate::place::{Place, signal, stderr, stdout};

#[test]
fn a_sweep_trains_samples_summarises_and_draws_and_a_second_one_does_nothing() {
    let place = Place::new(&[("a", ""), ("b", "\"steps=6\"")]);
    let first = place.sweep(&[]);
    assert!(first.status.success(), "{}", stderr(&first));
    assert_eq!(
        place.calls(),
        ["train", "sample", "degrade", "restore", "train", "sample", "degrade", "restore"]
    );
    assert!(stderr(&first).contains("a: complete"), "{}", stderr(&first));
    let table = stdout(&first);
    assert!(table.contains("| a ") && table.contains("1,234") && table.contains("0.2500"), "{table}");
    let summary = std::fs::read_to_string(place.path("runs/summary.md")).unwrap();
    assert!(table.starts_with(&summary), "{summary}");
    for figure in ["loss-curves", "loss-by-t", "epochs", "strips", "contact-sheet"] {
        for kind in ["png", "svg"] {
            assert!(place.path("runs/figures").join(format!("{figure}.{kind}")).is_file(), "{figure}.{kind}");
        }
    }
    for file in ["images.safetensors", "grid.png", "strip.png", "forward.png", "restore.png", "restore.json"]
    {
        assert!(place.path("runs/a/generated").join(file).is_file(), "{file}");
    }

    let second = place.sweep(&[]);
    assert!(second.status.success());
    assert_eq!(place.calls(), Vec::<String>::new());
    assert!(stderr(&second).contains("a: complete already"));
    assert_eq!(stdout(&second), table);
}

#[test]
fn the_scores_of_a_profile_are_in_the_table() {
    let place = Place::new(&[("a", ""), ("b", "")]);
    let plain = place.sweep(&[]);
    place.calls();
    assert!(
        !stdout(&plain).contains("FD") && stdout(&plain).contains("| restored, dB |"),
        "{}",
        stdout(&plain)
    );
    let sweeps = place.path("sweeps/digits.toml");
    let text = std::fs::read_to_string(&sweeps).unwrap();
    std::fs::write(
        &sweeps,
        text.replace(
            "n = 25",
            "n = 25, restored = 9, measure = { n = 40, seeds = 2, metrics = [\"fd\", \"manifold\"] }",
        ),
    )
    .unwrap();
    let output = place.sweep(&["--only", "b"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = std::fs::read_to_string(place.path("calls.txt")).unwrap();
    assert!(
        said.contains("restore ") && said.contains("--count 9 ") && said.contains("restore.json"),
        "{said}"
    );
    assert!(said.contains("runs/b -n 40 --seeds 2 --pool --metrics fd,manifold --out"), "{said}");
    assert_eq!(place.calls(), ["sample", "degrade", "restore", "eval"]);
    let table = stdout(&output);
    assert!(
        table.contains("| 322 ± 20 |") && table.contains("17.5 |") && !table.contains("precision |"),
        "{table}"
    );
    assert!(
        table.contains(": 40 images of 2 generation seeds") && table.contains("4 test images, degraded to"),
        "{table}"
    );
}

#[test]
fn evaluations_of_a_profile_are_made_once_and_again_if_their_command_changes() {
    let place = Place::new(&[("a", "")]);
    let sweeps = place.path("sweeps/digits.toml");
    let text = std::fs::read_to_string(&sweeps).unwrap();
    let with = |nfe: u32| {
        let evaluations = format!(
            "evaluations = [{{ name = \"few\", command = \"eval -n 40 --nfe {nfe}\" }}, \
             {{ name = \"decided\", command = \"restore --count 7\" }}]"
        );
        std::fs::write(&sweeps, text.replace("{ n = 25 }", &format!("{{ n = 25 }}, {evaluations}"))).unwrap();
        let output = place.sweep(&[]);
        assert!(output.status.success(), "{}", stderr(&output));
        place.calls()
    };
    assert_eq!(with(5), ["train", "sample", "degrade", "restore", "eval", "restore"]);
    let scores = place.path("runs/a/scores");
    assert!(scores.join("few.json").is_file() && scores.join("decided.json").is_file());
    assert_eq!(with(5), Vec::<String>::new());
    assert_eq!(with(6), ["eval"]);
    assert_eq!(std::fs::read_to_string(scores.join("few.txt")).unwrap(), "eval -n 40 --nfe 6");
}

#[test]
fn an_archive_has_the_small_files_and_the_same_table() {
    let place = Place::new(&[("a", ""), ("b", "")]);
    let swept = place.sweep(&["--only", "a"]);
    assert!(swept.status.success(), "{}", stderr(&swept));
    let (runs, sweeps, archived) = (place.path("runs"), place.path("sweeps"), place.path("archived"));
    let archive = |to: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["figures", "--profile", "smoke", "--out"]).arg(&runs).arg("--sweeps").arg(&sweeps);
        command.arg("--archive").arg(to).output().unwrap()
    };
    let output = archive(&archived);
    assert!(output.status.success(), "{}", stderr(&output));
    for file in
        ["config.toml", "manifest.json", "metrics.jsonl", "generated/restore.json", "generated/grid.png"]
    {
        assert!(archived.join("a").join(file).is_file(), "{file}");
    }
    assert!(!archived.join("a/generated/images.safetensors").exists() && !archived.join("b").exists());
    let table = |folder: &Path| std::fs::read_to_string(folder.join("summary.md")).unwrap();
    assert_eq!(table(&archived), table(&runs));
    assert!(archived.join("figures/strips.png").is_file());
    let refused = archive(&runs);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--archive: found the folder of the runs"), "{}", stderr(&refused));
}

#[test]
fn only_and_jobs_choose_what_runs_and_how_many_at_a_time() {
    let place = Place::new(&[("a", "\"slow=1\""), ("b", "\"slow=1\""), ("c", "")]);
    let output = place.sweep(&["--only", "b", "--only", "a", "--jobs", "2"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!place.path("runs/c").exists());
    assert_eq!(place.calls()[..2], ["train", "train"], "both trained before either was sampled");
    let unknown = place.sweep(&["--only", "d"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("expected one of a, b, c"));
}

#[test]
fn a_failed_run_shows_its_log_the_others_go_on_and_the_next_sweep_resumes_it() {
    let place = Place::new(&[("a", "\"fail=1\""), ("b", "")]);
    let output = place.sweep(&[]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("a failed: dm train failed") && said.contains("loss is NaN at step 2"), "{said}");
    assert!(stdout(&output).contains("unfinished"), "{}", stdout(&output));
    assert_eq!(place.calls(), ["train", "train", "sample", "degrade", "restore"]);
    assert!(std::fs::read_to_string(place.path("runs/logs/a.txt")).unwrap().contains("loss is NaN"));

    assert!(place.sweep(&[]).status.success());
    assert_eq!(place.calls(), ["train resume", "sample", "degrade", "restore"]);
    assert_eq!(place.steps("a"), 4, "two before the failure, two after it");
}

#[test]
fn clean_prints_what_it_deletes_and_starts_over() {
    let place = Place::new(&[("a", ""), ("b", "")]);
    place.sweep(&[]);
    place.calls();
    let output = place.sweep(&["--clean", "--only", "a"]);
    assert!(output.status.success());
    assert!(stderr(&output).contains("--clean: deleting") && stderr(&output).contains("runs/a ("));
    assert_eq!(place.calls(), ["train", "sample", "degrade", "restore"]);
    assert_eq!(place.steps("a"), 4);
}

#[test]
fn a_changed_run_is_refused_without_clean_and_changed_sampling_only_samples() {
    let place = Place::new(&[("a", ""), ("b", "")]);
    place.sweep(&[]);
    place.calls();
    place.define(&[("a", "\"steps=8\""), ("b", "")]);
    let output = place.sweep(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("another config; --clean deletes the run"), "{}", stderr(&output));
    assert_eq!(place.calls(), Vec::<String>::new());
    assert!(place.sweep(&["--clean", "--only", "a"]).status.success());
    assert_eq!(place.calls(), ["train", "sample", "degrade", "restore"]);

    let sweeps = place.path("sweeps/digits.toml");
    let text = std::fs::read_to_string(&sweeps).unwrap().replace("n = 25", "n = 25, nfe = 3");
    std::fs::write(&sweeps, text).unwrap();
    assert!(place.sweep(&["--only", "b"]).status.success());
    assert_eq!(place.calls(), ["sample", "degrade", "restore"]);
}

#[test]
fn an_interrupted_sweep_lets_its_child_process_save_and_continues_later() {
    let place = Place::new(&[("a", "\"slow=1\", \"steps=20\""), ("b", "")]);
    let child = place.start(&[]);
    place.wait_for_steps("a", 3);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("a: interrupted") && stderr(&output).contains("b: interrupted"));
    assert_eq!(place.calls(), ["train"]);
    let saved = std::fs::read_to_string(place.path("runs/a/checkpoint.safetensors")).unwrap();
    assert!(place.manifest("a").contains(&format!("\"steps_done\":{}", saved.trim())));

    assert!(place.sweep(&[]).status.success());
    assert_eq!(
        place.calls(),
        ["train resume", "sample", "degrade", "restore", "train", "sample", "degrade", "restore"]
    );
    assert!(place.manifest("a").contains("\"status\":\"complete\""));
}

#[test]
fn after_a_kill_the_next_sweep_waits_for_the_training_that_still_runs() {
    let place = Place::new(&[("a", "\"slow=1\", \"steps=20\"")]);
    let mut child = place.start(&[]);
    place.wait_for_steps("a", 3);
    signal(&child, "-KILL");
    child.wait().unwrap();
    assert!(place.manifest("a").contains("running"));
    let output = place.sweep(&[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("waiting for another process"), "{}", stderr(&output));
    assert_eq!(
        place.calls(),
        ["train", "sample", "degrade", "restore"],
        "the orphan finished; only sampling was left"
    );
    assert_eq!(place.steps("a"), 20);
}

#[test]
fn a_dry_run_for_slurm_prints_the_scripts_and_does_nothing() {
    let place = Place::new(&[("a", "\"steps=6\""), ("b", "")]);
    let output = place.sweep(&["--executor", "slurm", "--dry-run", "--gpus", "1", "--array-limit", "1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let words = [
        "--array=1-2%1",
        "--set steps=6",
        "--device cuda",
        "--dependency='aftercorr:<id of train>'",
        "afterok",
    ];
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(place.calls(), Vec::<String>::new());
    assert!(!place.path("runs").exists());
    let output = place.sweep(&["--partition", "main"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("expected --executor slurm"), "{}", stderr(&output));
}
