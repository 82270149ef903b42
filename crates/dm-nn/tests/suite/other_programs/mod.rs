//! Networks in other programs: PyTorch with `python/dm_torch.py`, and ONNX Runtime with the files that this crate writes,
//! must give the outputs that this crate's networks give. The tests need a Python with the packages that they name: the
//! program that the environment variable DM_PYTHON names, or else `python3`. Without the packages a test says that it is
//! skipped.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod cases;

use std::path::{Path, PathBuf};
use std::process::Command;

use cases::{Case, cases, outputs};
use dm_nn::image::ImageShape;
use dm_nn::nets::{BuildNetwork, Network, to_onnx};
use dm_nn::params::file::TensorFile;
use dm_nn::params::{self, Params};

/// A Python that has these packages.
fn python(packages: &str) -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os("DM_PYTHON").unwrap_or_else(|| "python3".into()));
    let found = Command::new(&python).args(["-c", &format!("import {packages}")]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("skipped: {} lacks one of {packages}; DM_PYTHON names another Python", python.display());
    None
}

/// Runs a script of this test on the folders of cases.
fn run(python: &Path, script: &str, arguments: &[&Path], folders: &[PathBuf]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output = Command::new(python).arg("-B").arg(script).args(arguments).args(folders).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Compares the tensors in the file `name` of a case with `expected`.
fn compare(case: &Case, folder: &Path, name: &str, expected: &TensorFile) {
    let found = TensorFile::read(&folder.join(name)).unwrap();
    assert!(found.names().eq(expected.names()), "{}", case.name);
    for output in expected.names() {
        let ((shape, expected), (found_shape, found)) =
            (expected.get(output).unwrap(), found.get(output).unwrap());
        assert_eq!(found_shape, shape, "{}: {output}", case.name);
        let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0f32, |a, b| a.max(b.abs()));
        let size = largest(&mut expected.iter().copied());
        assert!(size > 0.1, "{}: {output}: an output without content would agree with any other", case.name);
        let difference = largest(&mut expected.iter().zip(found).map(|(a, b)| a - b));
        assert!(difference < 1e-4 * size.max(1.0), "{}: {output} differs by {difference}", case.name);
    }
}

/// Writes the weights and inputs of every case to a folder of its own.
fn write(cases: &[Case], root: &Path) -> Vec<PathBuf> {
    let folders: Vec<PathBuf> = (0..cases.len()).map(|i| root.join(i.to_string())).collect();
    for (case, folder) in cases.iter().zip(&folders) {
        std::fs::create_dir(folder).unwrap();
        case.inputs(&folder.join("inputs.safetensors")).write().unwrap();
    }
    folders
}

#[test]
fn pytorch_computes_the_same_outputs_and_its_changes_come_back() {
    let Some(python) = python("torch, safetensors, tomllib") else { return };
    let dir = tempfile::tempdir().unwrap();
    let cases = cases();
    let folders = write(&cases, dir.path());
    for (case, folder) in cases.iter().zip(&folders) {
        case.weights(&folder.join("model.safetensors")).write().unwrap();
    }
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    run(&python, "run_torch.py", &[&module], &folders);
    for (case, folder) in cases.iter().zip(&folders) {
        compare(case, folder, "outputs.safetensors", &outputs(case, &case.params));
        let changed = TensorFile::read(&folder.join("changed.safetensors")).unwrap();
        let model = TensorFile::read(&folder.join("model.safetensors")).unwrap();
        assert_eq!(changed.metadata("config").unwrap(), model.metadata("config").unwrap());
        let params = case.build(Params::for_file(&changed, cases::SEED, &candle_core::Device::Cpu));
        params.load(&changed, "").unwrap();
        compare(case, folder, "changed_outputs.safetensors", &outputs(case, &params));
    }
}

#[test]
fn onnx_runtime_computes_the_same_outputs_for_any_network_and_batch_size() {
    let Some(python) = python("onnxruntime, safetensors, numpy") else { return };
    let dir = tempfile::tempdir().unwrap();
    let cases = cases();
    let folders = write(&cases, dir.path());
    for (case, folder) in cases.iter().zip(&folders) {
        let weights = case.weights(&folder.join("model.safetensors"));
        std::fs::write(folder.join("model.onnx"), case.onnx(&weights, &[("name", "a name")])).unwrap();
    }
    run(&python, "run_onnx.py", &[], &folders);
    for (case, folder) in cases.iter().zip(&folders) {
        compare(case, folder, "outputs.safetensors", &outputs(case, &case.params));
    }
}

#[test]
fn a_network_that_onnx_cannot_express_is_refused_by_name() {
    struct Puzzle;
    impl BuildNetwork for Puzzle {
        fn check(&self) -> dm_nn::Result<()> {
            Ok(())
        }

        fn build(&self, _: ImageShape, _: usize, _: params::Path<'_>) -> dm_nn::Result<Box<dyn Network>> {
            unimplemented!()
        }
    }
    let weights = TensorFile::new(Path::new("model.safetensors"));
    let message = to_onnx(&Puzzle, ImageShape::new(1, 8, 8), 1, &weights, &[]).unwrap_err().to_string();
    assert!(message.contains("Puzzle") && message.contains("BuildNetwork::onnx"), "{message}");
}
