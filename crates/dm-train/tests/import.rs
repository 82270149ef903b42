//! Checkpoints of the notebook: what PyTorch wrote is read back and computes the same.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use dm_degrade::restorer::Restorer;
use dm_degrade::{DegradationConfig, Level};
use dm_nn::nets::{NetworkConfig, Norm};
use dm_nn::params::file::TensorFile;
use dm_train::{Model, import};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn check(checkpoint: &str, expected: &str, norm: Norm, steps: usize) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("model.safetensors");
    import::notebook(&fixture(checkpoint), &out).unwrap();
    let model = Model::read(&out, &Device::Cpu).unwrap();
    let NetworkConfig::RefCnn(network) = &model.config.network else { panic!("not the reference network") };
    assert_eq!((network.norm, network.channels.as_slice()), (norm, &[3, 2][..]));
    let DegradationConfig::Gaussian(process) = &model.config.degradation else { panic!("not gaussian") };
    assert_eq!((process.steps, process.range), (steps, 0.5));

    // PyTorch evaluated the network at t = 0.1 and 0.9; the restorer's estimate must be that of its eps.
    let file = TensorFile::read(&fixture(expected)).unwrap();
    let (x, t, y) = (file.get("x").unwrap().1, file.get("t").unwrap().1, file.get("y").unwrap().1);
    for i in 0..2 {
        let level = Level((t[i] * steps as f32).round() as usize);
        let (x, y) = (&x[i * 784..(i + 1) * 784], &y[i * 784..(i + 1) * 784]);
        let (signal, noise) = model.degradation.signal_and_noise(level).unwrap();
        let restored = model.restorer().restore(x, level).unwrap();
        for (p, x0) in restored.iter().enumerate() {
            let expected = (x[p] - noise * y[p]) / signal;
            assert!(
                (x0 - expected).abs() < 2e-5 * (1.0 + noise / signal),
                "pixel {p}: {x0}, expected {expected}"
            );
        }
    }
}

#[test]
fn both_normalisations_are_told_apart() {
    check("starter_joint.pth", "starter_joint.safetensors", Norm::Joint, 30);
    check("starter_plane.pth", "starter_plane.safetensors", Norm::Plane, 30);
}

#[test]
fn the_bare_network_is_taken_with_the_notebooks_schedule() {
    check("starter_plane_bare.pth", "starter_plane.safetensors", Norm::Plane, 1000);
}

#[test]
fn damaged_checkpoints_are_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(fixture("starter_plane.pth")).unwrap();
    let out = dir.path().join("model.safetensors");
    let path = dir.path().join("damaged.pth");
    let cuts = (0..40).map(|i| whole[..whole.len() * i / 40].to_vec());
    for damaged in cuts.chain([b"not a zip".to_vec(), Vec::new()]) {
        fs::write(&path, &damaged).unwrap();
        let message = import::notebook(&path, &out).err().unwrap().to_string();
        assert!(message.contains("damaged.pth"), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(!out.exists());
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(fixture("starter_plane_bare.pth")).unwrap();
    let (path, out) = (dir.path().join("flipped.pth"), dir.path().join("model.safetensors"));
    for i in 0..400 {
        let mut damaged = whole.clone();
        let at = (i * 7919) % 6000.min(damaged.len());
        let end = damaged.len() - 1 - (i * 104_729) % 3000;
        damaged[at] ^= 1 << (i % 8);
        damaged[end] ^= 1 << (i % 7);
        fs::write(&path, &damaged).unwrap();
        // Either it is refused, or what was flipped does not matter (padding, a weight's last bits).
        let _ = import::notebook(&path, &out);
    }
}
