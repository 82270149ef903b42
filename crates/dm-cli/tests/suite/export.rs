//! Shipped models and classifiers in other programs: `dm export` for ONNX Runtime, and the model files themselves in PyTorch.
//! Both must give the outputs that our networks give. The tests need a Python with the packages that they name: the program that
//! the environment variable DM_PYTHON names, or else `python3`. Without the packages a test says that it is skipped.

use std::path::Path;
use std::process::Command;

use crate::common::{arg, ok, python, refused, root};
use candle_core::{Device, Tensor};
use dm_degrade::Model;
use dm_nn::params::file::TensorFile;
use dm_nn::rng::{Purpose, Seed};

/// Writes noisy images, times, and the outputs of the network of a shipped model to `path`.
fn write_pairs(name: &str, path: &Path) {
    let model = Model::open(&root().join(format!("data/models/{name}.safetensors")), &Device::Cpu).unwrap();
    let input = model.shape.with_channels(model.degradation.codec().input_channels());
    let (n, c, h, w) = input.dims(5);
    let mut x = vec![0.0; n * input.len()];
    Seed(7).stream(Purpose(100), 0, 0).fill_normal(&mut x);
    let t: Vec<f32> = (0..n).map(|i| 0.001 + i as f32 / n as f32).collect();
    let states = Tensor::from_slice(&x, (n, c, h, w), &Device::Cpu).unwrap();
    let times = Tensor::from_slice(&t, n, &Device::Cpu).unwrap();
    let y = model.denoiser().network.forward(&states, &times).unwrap();
    let mut pairs = TensorFile::new(path);
    pairs.insert("x", &states).unwrap();
    pairs.insert("t", &times).unwrap();
    pairs.insert("y", &y).unwrap();
    pairs.write().unwrap();
}

/// Runs a Python program, which must succeed.
fn run(python: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(python).args(["-B", "-c", program]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn onnx_runtime_runs_the_shipped_models() {
    let Some(python) = python("onnxruntime, safetensors, numpy") else { return };
    let dir = tempfile::tempdir().unwrap();
    let program = "import sys, numpy, onnxruntime\n\
                   from safetensors.numpy import load_file\n\
                   session = onnxruntime.InferenceSession(sys.argv[1])\n\
                   pairs = load_file(sys.argv[2])\n\
                   y, = session.run(['y'], {'x': pairs['x'], 't': pairs['t']})\n\
                   assert numpy.abs(y - pairs['y']).max() < 1e-4, numpy.abs(y - pairs['y']).max()\n\
                   entries = session.get_modelmeta().custom_metadata_map\n\
                   print(entries['name'], entries['parameterization'], entries['timesteps'])";
    for (name, entries) in [
        ("ddpm-reference", "ddpm-reference eps 1000\n"),
        ("ddpm-unet", "ddpm-unet v 1000\n"),
        ("ink-unet", "ink-unet sigmoid 1000\n"),
    ] {
        let (onnx, pairs) = (dir.path().join("new/model.onnx"), dir.path().join("pairs.safetensors"));
        let told = ok(&root(), &["export", name, "--onnx", arg(&onnx)]);
        assert_eq!(told.trim(), arg(&onnx));
        write_pairs(name, &pairs);
        assert_eq!(run(&python, program, &[arg(&onnx), arg(&pairs)]), entries);
    }
    let onnx = dir.path().join("classifier.onnx");
    ok(&root(), &["export", "classifier", "--onnx", arg(&onnx)]);
    let program = "import sys, numpy, onnxruntime\n\
                   session = onnxruntime.InferenceSession(sys.argv[1])\n\
                   features, logits = session.run(None, {'x': numpy.zeros((3, 1, 28, 28), numpy.float32)})\n\
                   print(features.shape, logits.shape)";
    assert_eq!(run(&python, program, &[arg(&onnx)]), "(3, 64) (3, 10)\n");
}

#[test]
fn pytorch_loads_the_shipped_models() {
    let Some(python) = python("torch, safetensors, tomllib") else { return };
    let dir = tempfile::tempdir().unwrap();
    let module = root().join("crates/dm-nn/python");
    let program = "import sys, torch\n\
                   from safetensors.torch import load_file\n\
                   sys.path.append(sys.argv[1])\n\
                   from dm_torch import load, save\n\
                   network, pairs = load(sys.argv[2]), load_file(sys.argv[3])\n\
                   with torch.no_grad(): y = network(pairs['x'], pairs['t'])\n\
                   assert (y - pairs['y']).abs().max() < 1e-4, (y - pairs['y']).abs().max()\n\
                   save(network, sys.argv[4], like=sys.argv[2])";
    for name in ["ddpm-reference", "ddpm-unet", "ink-unet"] {
        let shipped = root().join(format!("data/models/{name}.safetensors"));
        let (pairs, saved) = (dir.path().join("pairs.safetensors"), dir.path().join("saved.safetensors"));
        write_pairs(name, &pairs);
        run(&python, program, &[arg(&module), arg(&shipped), arg(&pairs), arg(&saved)]);
        // What PyTorch has saved is the model again.
        for (model, out) in [(&shipped, "shipped"), (&saved, "saved")] {
            ok(
                dir.path(),
                &["sample", arg(model), "-n", "2", "--sampler", "ancestral", "--nfe", "3", "--out", out],
            );
        }
        let pixels =
            |out: &str| crate::common::samples(&dir.path().join(out).join("images.safetensors")).pixels;
        assert!(pixels("shipped") == pixels("saved"), "{name}");
    }
}

#[test]
fn files_without_a_network_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("weights.safetensors");
    let mut weights = TensorFile::new(&file);
    weights.insert_values("w", vec![1], vec![1.0]);
    weights.write().unwrap();
    refused(dir.path(), &["export", arg(&file), "--onnx", "m.onnx"], &["weights.safetensors", "config"]);
    refused(dir.path(), &["export", "nobody", "--onnx", "m.onnx"], &["model `nobody`"]);
    assert!(!dir.path().join("m.onnx").exists());
}
