//! Checkpoints of the starter notebook: files that PyTorch wrote become models that compute the same estimates.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{DegradationConfig, Denoiser, Model, Timestep};
use dm_nn::image::ImageShape;
use dm_nn::nets::{NetworkConfig, Norm};
use dm_nn::params::file::TensorFile;
use dm_nn::params::pth;
use dm_train::import;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn check(checkpoint: &str, expected: &str, norm: Norm, timesteps: usize, assumed_schedule: bool) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("model.safetensors");
    let imported = import::notebook(&fixture(checkpoint), &out).unwrap();
    assert_eq!(imported.assumed_schedule, assumed_schedule);
    check_model(&out, expected, norm, timesteps);
}

fn check_model(path: &Path, expected: &str, norm: Norm, timesteps: usize) {
    let model = Model::open(path, &Device::Cpu).unwrap();
    assert_eq!(model.shape, ImageShape::new(1, 28, 28));
    let NetworkConfig::RefCnn(network) = &model.config.network else { panic!("not the reference network") };
    assert_eq!((network.norm, network.channels.as_slice()), (norm, &[3, 2][..]));
    let DegradationConfig::Gaussian(process) = &model.config.degradation else { panic!("not gaussian") };
    assert_eq!((process.timesteps, process.range), (timesteps, 0.5));

    // PyTorch evaluated the network at t = 0.1 and 0.9; the denoiser's estimate must be that of PyTorch's eps.
    let file = TensorFile::read(&fixture(expected)).unwrap();
    let (x, t, y) = (file.get("x").unwrap().1, file.get("t").unwrap().1, file.get("y").unwrap().1);
    for i in 0..2 {
        let timestep = Timestep((t[i] * timesteps as f32).round() as usize);
        let (x, y) = (&x[i * 784..(i + 1) * 784], &y[i * 784..(i + 1) * 784]);
        let (alpha, sigma) = model.degradation.gaussian().unwrap().alpha_sigma(timestep);
        let estimate = model.denoiser().denoise(x, timestep).unwrap();
        for (p, x0) in estimate.iter().enumerate() {
            let expected = (x[p] - sigma * y[p]) / alpha;
            assert!(
                (x0 - expected).abs() < 2e-5 * (1.0 + sigma / alpha),
                "pixel {p}: {x0}, expected {expected}"
            );
        }
    }
}

#[test]
fn both_kinds_of_layer_norm_are_recognized() {
    check("starter_joint.pth", "starter_joint.safetensors", Norm::Joint, 30, false);
    check("starter_plane.pth", "starter_plane.safetensors", Norm::Plane, 30, false);
}

#[test]
fn a_checkpoint_without_schedule_gets_that_of_the_notebook() {
    check("starter_plane_bare.pth", "starter_plane.safetensors", Norm::Plane, 1000, true);
}

/// The tensors of a checkpoint, each under the name and with the values that `change` makes of them.
fn changed(checkpoint: &str, change: impl Fn(&str, &[f32]) -> (String, Vec<f32>)) -> TensorFile {
    let file = pth::read(&fixture(checkpoint)).unwrap();
    let mut changed = TensorFile::new(file.path());
    for name in file.names() {
        let (shape, values) = file.get(name).unwrap();
        let (name, values) = change(name, values);
        changed.insert_values(name, shape.to_vec(), values);
    }
    changed
}

#[test]
fn prefixes_of_wrapped_networks_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("model.safetensors");
    for prefix in ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."] {
        let file = changed("starter_plane.pth", |name, values| (format!("{prefix}{name}"), values.to_vec()));
        assert!(!import::convert(&file, &out).unwrap().assumed_schedule);
        check_model(&out, "starter_plane.safetensors", Norm::Plane, 30);
    }
}

#[test]
fn a_cosine_schedule_is_recognized_and_others_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("model.safetensors");
    let with_schedule = |schedule: &ScheduleConfig| {
        let table = schedule.table(30).unwrap();
        let beta: Vec<f32> = (0..=30).map(|t| table.beta(Timestep(t)) as f32).collect();
        let file = changed("starter_plane.pth", |name, values| {
            let values = if name.ends_with("beta_t") { beta.clone() } else { values.to_vec() };
            (name.to_owned(), values)
        });
        import::convert(&file, &out)
    };
    let imported = with_schedule(&ScheduleConfig::Cosine).unwrap();
    let DegradationConfig::Gaussian(process) = &imported.config.degradation else { panic!("not gaussian") };
    assert_eq!((process.timesteps, process.schedule), (30, ScheduleConfig::Cosine));
    fs::remove_file(&out).unwrap();
    let sigmoid = ScheduleConfig::Sigmoid { start: -3.0, end: 3.0, tau: 1.0 };
    let message = with_schedule(&sigmoid).unwrap_err().to_string();
    assert!(message.contains("beta_t, entry") && message.contains("cosine"), "{message}");
    assert!(!out.exists());
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
