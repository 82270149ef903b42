//! The shipped reference model in PyTorch: `xtask/peers/torch_load.py`, which the model cards show, must load it and give
//! the output that our network gives. Needs a Python with torch and safetensors:
//! `DM_PYTHON=PATH cargo test -p dm-train --test torch_load -- --ignored`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use candle_core::{Device, Tensor};
use dm_degrade::{Model, Timestep};
use dm_nn::params::file::TensorFile;
use dm_nn::rng::{Purpose, Seed};

#[test]
#[ignore = "needs a Python with torch and safetensors, named by DM_PYTHON"]
fn pytorch_loads_the_reference_model_and_agrees_with_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shipped = root.join("data/models/ddpm-reference.safetensors");
    let model = Model::open(&shipped, &Device::Cpu).unwrap();

    // Noisy states at timesteps from nearly clean to all noise, and the noise that our network predicts.
    let timesteps = [1, 100, 500, 999].map(Timestep);
    let mut rng = Seed(7).stream(Purpose(8), 0, 0);
    let x: Vec<f32> = (0..timesteps.len() * model.shape.len()).map(|_| rng.normal()).collect();
    let network = model.denoiser().network;
    let last = model.degradation.timesteps() as f32;
    let t: Vec<f32> = timesteps.iter().map(|t| t.0 as f32 / last).collect();
    let n = timesteps.len();
    let states = Tensor::from_slice(&x, (n, 1, 28, 28), &Device::Cpu).unwrap();
    let times = Tensor::from_slice(&t, n, &Device::Cpu).unwrap();
    let y = network.forward(&states, &times).unwrap();
    let y: Vec<f32> = y.flatten_all().unwrap().to_vec1().unwrap();
    assert!(y.iter().any(|v| v.abs() > 0.1), "a network without output would agree with any other");

    let dir = tempfile::tempdir().unwrap();
    let run = |y: Vec<f32>| {
        let path = dir.path().join("pairs.safetensors");
        let mut pairs = TensorFile::new(&path);
        pairs.insert_values("x", vec![n, 1, 28, 28], x.clone());
        pairs.insert_values("t", vec![n], t.clone());
        pairs.insert_values("y", vec![n, 1, 28, 28], y);
        pairs.write().unwrap();
        let python = std::env::var_os("DM_PYTHON").unwrap_or_else(|| "python3".into());
        let mut command = Command::new(python);
        command.arg(root.join("xtask/peers/torch_load.py")).args([&shipped, &path]);
        command.output().unwrap()
    };
    let output = run(y.clone());
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.starts_with(&format!("{} parameters", model.parameters)), "{printed}");
    // The script does compare: another output is an error.
    assert_eq!(run(y.iter().map(|v| v + 0.01).collect()).status.code(), Some(1));
}
