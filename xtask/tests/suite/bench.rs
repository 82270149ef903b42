//! `cargo xtask bench` through the binary, with a script in place of both programs: the requests, the table, the file, and the
//! error message if a program cannot be measured.
#![cfg(unix)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder with the script.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake-worker.sh");
        std::fs::copy(fake, place.path("worker")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn bench(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("bench").args(arguments).current_dir(self.dir.path());
        command.args(["--ours", "./worker", "--python", "./worker"]).env_remove("RAYON_NUM_THREADS");
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("calls.txt")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.bench(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty() && !self.path("all.json").exists());
        let said = String::from_utf8(output.stderr).unwrap();
        said.lines().last().unwrap_or_default().to_owned()
    }
}

/// What was printed, without the padding of its tables.
fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn both_programs_take_turns_and_the_results_are_in_table_and_file() {
    let place = Place::new();
    let output = place.bench(&["--against-torch", "--rounds", "2", "--json", "all.json"]);
    let table = stdout(&output);
    assert!(table.contains("| unet | forward of 256 | channels_last | 10.0 | 55.0 | 5.50 |"), "{table}");
    assert!(table.contains("left out: compiled: `train ref_cnn 128 3`: no compiler"), "{table}");
    let json: Value = serde_json::from_slice(&std::fs::read(place.path("all.json")).unwrap()).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let of = |row: &Value| format!("{} {}", row["net"].as_str().unwrap(), row["work"].as_str().unwrap());
    let mut works =
        ["ref_cnn train", "ref_cnn forward", "ref_cnn forward", "unet train", "unet forward"].to_vec();
    works.extend(["unet forward", "unet-32x32x3 train", "unet-64x64x3 train"]);
    assert_eq!(rows.iter().map(of).collect::<Vec<_>>(), works);
    assert!(rows.iter().all(|row| row["ratio"] == 5.5 && row["peer_best"] == "channels_last"));
    if cfg!(target_os = "linux") {
        assert!(rows.iter().all(|row| row["ours_peak_mb"].as_f64().unwrap() > 0.1));
    }
    // 1 GFLOP in 10 ms is the whole peak of 100 GFLOP/s. The 6 GFLOP of direct convolutions in 55 ms are 1.09 times the peak.
    assert!(rows.iter().all(|row| row["ours_share_of_peak"] == 1.0));
    assert!(rows.iter().all(|row| (row["peer_share_of_peak"].as_f64().unwrap() - 6.0 / 5.5).abs() < 1e-9));
    // 55 ms for 256 images, a hundred evaluations per image.
    assert_eq!(json["sampling"][1]["peer_network_alone_ms_per_image"], 100.0 * 55.0 / 256.0);
    assert_eq!(json["sampling"][1]["model"], "ink-unet");
    assert_eq!((&json["epochs"][1]["net"], &json["epochs"][1]["steps"]), (&"unet".into(), &468.into()));

    let calls = place.calls();
    let training: Vec<_> = calls.iter().filter(|call| call.ends_with("train unet 128 3")).collect();
    let who: Vec<&str> = training.iter().map(|call| call.split(' ').next().unwrap()).collect();
    let warm = ["ours", "eager", "channels_last", "compiled", "compiled_channels_last"];
    let rounds = ["ours", "eager", "channels_last", "eager", "channels_last", "ours"];
    assert_eq!(who, [&warm[..], &rounds[..]].concat());
}

#[test]
fn other_programs_join_and_what_is_missing_is_left_out() {
    let place = Place::new();
    let table =
        stdout(&place.bench(&["--against-peers", "--isa", "avx2", "--rounds", "1", "--json", "all.json"]));
    assert!(table.contains("| unet | train of 128 | jax | 10.0 | 50.0 | 5.00 |"), "{table}");
    assert_eq!(
        table.matches("left out: python").count() + table.matches("openvino is missing").count(),
        1,
        "{table}"
    );
    let json: Value = serde_json::from_slice(&std::fs::read(place.path("all.json")).unwrap()).unwrap();
    assert_eq!(json["isa"], "avx2");
    // JAX is compared in training only, and is not waited for where it is far slower.
    for row in json["rows"].as_array().unwrap() {
        let is_compared = row["work"] == "train" && row["net"] != "unet-64x64x3";
        assert_eq!(row["peer_ms"].get("jax").is_some(), is_compared, "{row}");
    }
    assert!(
        table.contains("not timed: jax: train unet-64x64x3 128 3: took 20 times as long as ours"),
        "{table}"
    );
    assert!(place.calls().contains(&"ours onnx unet 1 1".to_owned()));
}

#[test]
fn scaling_asks_every_batch_on_one_and_two_threads_and_draws() {
    let place = Place::new();
    let table = stdout(&place.bench(&["--scaling", "--rounds", "1"]));
    assert!(table.contains("fake ours, 1 threads") && table.contains("fake ours, 2 threads"), "{table}");
    assert!(table.contains("| 512 | 51200 | 51200 |"), "{table}");
    assert!(table.contains("| ddpm-unet | 10000 |"), "{table}");
    // 6 GFLOP in 10 ms.
    assert!(table.contains("| unet | train of 32 | 36 | 3200 | 600 |"), "{table}");
    assert!(!table.contains("PyTorch"), "{table}");
    let calls = place.calls();
    assert!(
        calls.contains(&"ours forward ref_cnn 1 64".to_owned())
            && calls.iter().all(|c| c.starts_with("ours"))
    );
}

#[test]
fn a_program_that_cannot_be_measured_is_reported_in_one_line() {
    let place = Place::new();
    let json = ["--against-torch", "--json", "all.json"];
    std::fs::write(place.path("no-torch"), "").unwrap();
    let said = place.refusal(&json);
    assert!(said.contains("PyTorch is missing; to install it"), "{said}");
    std::fs::remove_file(place.path("no-torch")).unwrap();
    std::fs::write(place.path("other-network"), "").unwrap();
    let said = place.refusal(&["--against-torch", "--rounds", "1", "--json", "all.json"]);
    assert!(said.contains("ref_cnn: eager: found Some(1) parameters"), "{said}");
    std::fs::write(place.path("no-compiler"), "").unwrap();
    let said = place.refusal(&json);
    assert!(said.contains("train ref_cnn 128 3: no other program could do this"), "{said}");
    std::fs::write(place.path("broken"), "").unwrap();
    let said = place.refusal(&json);
    assert!(said.contains("ours: `peak fma 1 20`: no compiler"), "{said}");
    let said = place.refusal(&["--against-torch", "--json", "missing/all.json"]);
    assert!(said.contains("missing: no such folder"), "{said}");
    assert_eq!(place.bench(&[]).status.code(), Some(2), "one of --against-torch and --scaling");
}
