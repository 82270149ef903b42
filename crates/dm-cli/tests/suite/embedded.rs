//! A program without a repository: what it does in an empty folder, and where it looks for other files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::{arg, root, samples};
use serde_json::Value;
use tempfile::TempDir;

/// A program in a folder of its own, as after `cargo install`, and an empty working directory.
struct Installed {
    folder: TempDir,
    work: TempDir,
}

impl Installed {
    fn new() -> Self {
        let (folder, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::copy(assert_cmd::cargo::cargo_bin("dm"), folder.path().join("dm")).unwrap();
        Self { folder, work }
    }

    fn run(&self, variables: &[(&str, &str)], args: &[&str]) -> Output {
        let mut command = Command::new(self.folder.path().join("dm"));
        command.current_dir(self.work.path()).env_remove("DM_DATA").envs(variables.iter().copied());
        command.args(args).output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(&[], args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "dm {args:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `dm`, which must refuse its input with one line that contains every word of `words`.
    fn refused(&self, args: &[&str], words: &[&str]) {
        let output = self.run(&[], args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "dm {args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "dm {args:?}: {error}");
        words
            .iter()
            .for_each(|word| assert!(error.contains(word), "dm {args:?}: `{word}` is not in: {error}"));
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.work.path().join(name)
    }
}

/// The value of `name` in the scores of `report`, and those of its real baseline.
fn score(report: &Value, name: &str) -> (f64, Vec<f64>) {
    let rows = report["scores"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}: {report}"));
    let baseline = row["floor"]["values"].as_array().unwrap();
    (row["value"].as_f64().unwrap(), baseline.iter().map(|value| value.as_f64().unwrap()).collect())
}

#[test]
fn everything_works_in_an_empty_folder() {
    let dm = Installed::new();
    let shown = dm.ok(&["sample", "--show", "--nfe", "4"]);
    assert!(shown.contains("ink-unet: 100 images, 4 network evaluations each"), "{shown}");
    assert!(shown.lines().next().unwrap().is_ascii(), "a pipe gets letters: {shown}");
    // The model inside the program is the one in the repository.
    let model = root().join("data/models/ink-unet.safetensors");
    dm.ok(&["sample", arg(&model), "--nfe", "4", "--out", "again"]);
    assert!(
        samples(&dm.path("out/images.safetensors")).pixels
            == samples(&dm.path("again/images.safetensors")).pixels
    );
    dm.ok(&["degrade", "ink"]);
    assert!(dm.path("out/degrade.png").is_file());
    let table = dm.ok(&["restore", "--count", "2", "--timesteps", "1", "--nfe", "2"]);
    assert!(
        table.contains("PSNR and SSIM of 2 test images") && dm.path("out/restore.png").is_file(),
        "{table}"
    );
    let info = dm.ok(&["info"]);
    assert!(info.starts_with("# ink-unet.safetensors (inside the program)\n"), "{info}");
    let info: Value = serde_json::from_str(&dm.ok(&["info", "classifier", "--json"])).unwrap();
    assert_eq!((&info["kind"], &info["num_classes"]), (&"classifier".into(), &10.into()));
    let bound = dm.ok(&["likelihood", "-n", "2", "--nfe", "2"]);
    assert!(bound.contains("bits/dim"), "{bound}");
    // Refused: what needs training images or other files. The error says where they were looked for.
    let places = ["DM_DATA (not set)", "the working directory", arg(dm.folder.path()), "inside the program"];
    dm.refused(&["sanity"], &[&["data/mnist"][..], &places].concat());
    dm.refused(
        &["sample", "ddpm-unet"],
        &[&["`ddpm-unet`", "the shipped ones are ink-unet"][..], &places].concat(),
    );
    dm.refused(&["likelihood", "--reference", "train"], &["data/mnist", "DM_DATA"]);
    dm.refused(&["eval", "out", "--metrics", "memorised-pixels"], &["data/mnist", "DM_DATA"]);
    dm.refused(&["eval", "out", "--reference", "train"], &["data/mnist", "`classifier` only"]);
    dm.refused(&["degrade", "ink", "--size", "28x28"], &["--size", "--data"]);
    dm.refused(&["restore", "--first", "99", "--count", "2"], &["--first", "99", "100 test images"]);
}

#[test]
fn the_stored_reference_gives_the_scores_of_the_data_set() {
    let dm = Installed::new();
    dm.ok(&["sample", "-n", "500", "--nfe", "3"]);
    let stored: Value = serde_json::from_str(&dm.ok(&["eval", "out", "--json"])).unwrap();
    let measured: Vec<&str> =
        stored["scores"].as_array().unwrap().iter().map(|row| row["measure"].as_str().unwrap()).collect();
    assert_eq!(measured, ["fd", "score", "balance", "balance"]);
    let table = dm.ok(&["eval", "out"]);
    assert!(
        table.contains("compared with the statistics of 10000 test images inside the program"),
        "{table}"
    );
    let data = root().join("data");
    let given: Value = serde_json::from_slice(
        &dm.run(&[("DM_DATA", arg(&data))], &["eval", "out", "--json", "--metrics", "fd,score,balance"])
            .stdout,
    )
    .unwrap();
    for key in ["reference", "data_sha256", "classifier", "classes", "target"] {
        assert_eq!(stored[key], given[key], "{key}");
    }
    for name in ["frechet distance", "classifier score", "class total variation", "class divergence"] {
        let ((value, baseline), (expected, expected_baseline)) = (score(&stored, name), score(&given, name));
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-6 * (1.0 + b.abs());
        assert!(close(value, expected), "{name}: {value}, {expected}");
        assert!(baseline.len() == 6 && expected_baseline.len() == 6, "{name}");
        assert!(baseline.iter().zip(&expected_baseline).all(|(a, b)| close(*a, *b)), "{name}: {baseline:?}");
    }
    let missing: Value =
        serde_json::from_str(&dm.ok(&["eval", "out", "-n", "300", "--json", "--metrics", "fd,kid"])).unwrap();
    assert!(missing["scores"][0]["floor"].is_null(), "no baseline is stored for 300 images");
    assert!(missing["omitted"][0]["reason"].as_str().unwrap().contains("stored statistics"), "{missing}");
}

#[test]
fn other_files_are_found_in_the_documented_order() {
    let dm = Installed::new();
    let config = |output: &Output| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().next().unwrap().to_owned()
    };
    let info = |variables: &[(&str, &str)]| config(&dm.run(variables, &["info"]));
    let place = |folder: &Path| {
        fs::create_dir_all(folder.join("models")).unwrap();
        fs::copy(root().join("data/models/ink-unet.safetensors"), folder.join("models/ink-unet.safetensors"))
            .unwrap();
    };
    assert_eq!(info(&[]), "# ink-unet.safetensors (inside the program)");
    // Each place comes before those that were filled before.
    place(&dm.folder.path().join("data"));
    let beside = dm.folder.path().join("data/models/ink-unet.safetensors");
    assert!(info(&[]).ends_with(arg(&beside)), "{}", info(&[]));
    place(&dm.path("data"));
    assert_eq!(info(&[]), "# data/models/ink-unet.safetensors");
    let other = tempfile::tempdir().unwrap();
    place(other.path());
    let given = [("DM_DATA", arg(other.path()))];
    assert_eq!(info(&given), format!("# {}", other.path().join("models/ink-unet.safetensors").display()));
    assert_eq!(info(&[("DM_DATA", "")]), "# data/models/ink-unet.safetensors");
    // A file or folder of the name comes first.
    fs::copy(&beside, dm.path("ink-unet")).unwrap();
    assert_eq!(info(&given), "# ink-unet");
}

#[test]
fn the_test_images_inside_the_program_are_those_of_mnist() {
    let dm = Installed::new();
    let data = root().join("data/mnist");
    let pictures = ["stir", "fade"].map(|name| {
        let inside = format!("{name}-inside.png");
        dm.ok(&["degrade", name, "--count", "3", "--first", "97", "--out", &inside]);
        dm.ok(&[
            "degrade",
            name,
            "--count",
            "3",
            "--first",
            "97",
            "--out",
            "given.png",
            "--data",
            arg(&data),
        ]);
        fs::read(dm.path(&inside)).unwrap() == fs::read(dm.path("given.png")).unwrap()
    });
    assert_eq!(pictures, [true, true]);
}
