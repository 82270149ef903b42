//! Checkpoints of the starter notebook: files that PyTorch wrote become models that compute the same estimates.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use dm_degrade::model::Description;
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{DegradationConfig, Denoiser, Model, Timestep};
use dm_nn::image::ImageShape;
use dm_nn::nets::{BuildNetwork, NetworkConfig, Norm, UNetConfig};
use dm_nn::params::file::TensorFile;
use dm_nn::params::{Params, pth};
use dm_nn::rng::Seed;
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
    for prefix in ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "ema_model.net."] {
        let file = changed("starter_plane.pth", |name, values| (format!("{prefix}{name}"), values.to_vec()));
        assert!(!import::convert(&file, "", &out).unwrap().assumed_schedule);
        check_model(&out, "starter_plane.safetensors", Norm::Plane, 30);
    }
}

#[test]
fn of_several_networks_in_a_checkpoint_the_one_that_is_named_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("model.safetensors");
    // The weights of training beside their average, whose names begin with those of the weights or have a prefix of their own.
    for (other, chosen) in [("online.", ""), ("ema.", "ema.")] {
        let mut file = changed("starter_plane.pth", |name, values| (name.to_owned(), values.to_vec()));
        let names: Vec<String> = file.names().map(str::to_owned).collect();
        for name in names.iter().filter(|name| name.starts_with("gt.")) {
            let (shape, values) = file.get(name).unwrap();
            let (shape, values) = (shape.to_vec(), values.to_vec());
            let half: Vec<f32> = values.iter().map(|value| value / 2.0).collect();
            let (own, others) = if chosen.is_empty() { (values, half) } else { (half, values) };
            file.insert_values(name.clone(), shape.clone(), own);
            file.insert_values(format!("{other}{name}"), shape, others);
        }
        let message = import::convert(&file, "", &out).unwrap_err().to_string();
        assert!(message.contains("`gt`") && message.contains(&format!("`{other}gt`")), "{message}");
        let prefix = if chosen.is_empty() { "gt." } else { chosen };
        let imported = import::convert(&file, prefix, &out).unwrap();
        assert!(imported.note.unwrap().contains("ignored"));
        check_model(&out, "starter_plane.safetensors", Norm::Plane, 30);
    }
    let mut file = changed("starter_plane.pth", |name, values| (name.to_owned(), values.to_vec()));
    file.insert_values("step", vec![1], vec![3.0]);
    let message = import::convert(&file, "", &out).unwrap_err().to_string();
    assert!(message.contains("step: found a tensor outside the network"), "{message}");
}

#[test]
fn schedules_are_recognized_or_kept_as_tables_and_bad_ones_are_refused_by_entry() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("model.safetensors");
    let table = |schedule: &ScheduleConfig| -> Vec<f32> {
        let table = schedule.table(30).unwrap();
        (0..=30).map(|t| table.beta(Timestep(t)) as f32).collect()
    };
    // The checkpoint with other tables in place of beta_t and alpha_t.
    let with_tables = |tables: &[(&str, &[f32])]| {
        let mut file = TensorFile::new(Path::new("model.pth"));
        let whole = pth::read(&fixture("starter_plane.pth")).unwrap();
        for name in whole.names().filter(|name| !["beta_t", "alpha_t"].contains(name)) {
            let (shape, values) = whole.get(name).unwrap();
            file.insert_values(name, shape.to_vec(), values.to_vec());
        }
        for (name, values) in tables {
            file.insert_values(*name, vec![values.len()], values.to_vec());
        }
        import::convert(&file, "", &out)
    };
    let process = |imported: import::Imported| {
        let DegradationConfig::Gaussian(process) = imported.config.degradation else {
            panic!("not gaussian")
        };
        process
    };
    let sigmoid = ScheduleConfig::Sigmoid { start: -3.0, end: 3.0, tau: 1.0 };
    for schedule in [ScheduleConfig::Cosine, sigmoid, ScheduleConfig::Linear { beta_1: 1e-3, beta_t: 0.2 }] {
        let process = process(with_tables(&[("beta_t", &table(&schedule))]).unwrap());
        assert_eq!((process.timesteps, process.schedule), (30, schedule));
    }
    // Diffusers' tables begin at t = 1; "scaled_linear" follows none of our rules.
    let betas: Vec<f32> = (0..30).map(|i| (0.03f32 + 0.004 * i as f32).powi(2)).collect();
    let products: Vec<f32> = betas
        .iter()
        .scan(1.0f64, |product, beta| {
            *product *= 1.0 - f64::from(*beta);
            Some(*product as f32)
        })
        .collect();
    for tables in [
        vec![("betas", betas.as_slice())],
        vec![("betas", &betas), ("alphas_cumprod", &products), ("posterior_variance", &betas)],
        vec![("alphas_cumprod", products.as_slice())],
    ] {
        let process = process(with_tables(&tables).unwrap());
        let ScheduleConfig::Table { beta } = &process.schedule else { panic!("{:?}", process.schedule) };
        assert_eq!((process.timesteps, beta[0]), (30, 0.0));
        assert!(beta[1..].iter().zip(&betas).all(|(found, beta)| (found - f64::from(*beta)).abs() < 1e-6));
        // The model file has the table, and the chain runs by it.
        let model = Model::open(&out, &Device::Cpu).unwrap();
        let gaussian = model.degradation.gaussian().unwrap();
        let alpha = gaussian.alpha_sigma(Timestep(30)).0;
        assert!((alpha * alpha - products[29]).abs() < 1e-5);
    }
    fs::remove_file(&out).unwrap();
    let mut bad = betas.clone();
    bad[4] = 1.5;
    let message = with_tables(&[("betas", &bad)]).unwrap_err().to_string();
    assert!(message.contains("model.pth: betas: found") && message.contains("entry 5"), "{message}");
    let message = with_tables(&[("betas", &betas), ("alphas_cumprod", &betas)]).unwrap_err().to_string();
    assert!(message.contains("alphas_cumprod, entry 0"), "{message}");
    let message = with_tables(&[("betas", &betas[..0])]).unwrap_err().to_string();
    assert!(message.contains("betas: found 1 entries, expected an entry for each timestep"), "{message}");
    assert!(!out.exists());
}

fn described(config: &str) -> Description<'_> {
    Description { config, fitted: &[], class_names: &[], step: 0, data_sha256: "" }
}

#[test]
fn parameters_of_any_network_come_with_a_config() {
    let dir = tempfile::tempdir().unwrap();
    let (out, config) = (dir.path().join("model.safetensors"), dir.path().join("config.toml"));
    let text = "name = \"mine\"\nnum_classes = 3\n\
                [image]\nchannels = 3\nheight = 8\nwidth = 12\n\
                [network]\nkind = \"unet\"\nchannels = [4, 8]\ngroups = 2\nattention = [0, 1]\nnum_classes = 3\n\
                [degradation]\nkind = \"gaussian\"\ntimesteps = 30\n\
                [objective]\nparameterization = \"v\"\n\
                [sampling]\nsampler = \"ddim\"\nnfe = 5\n";
    fs::write(&config, text).unwrap();
    let complete = import::read_config(&config).unwrap();
    let shape = ImageShape::new(3, 8, 12);
    let network = UNetConfig {
        channels: vec![4, 8],
        groups: 2,
        attention: vec![0, 1],
        num_classes: 3,
        ..UNetConfig::default()
    };
    let mut params = Params::new(Seed(9), &Device::Cpu);
    network.build(shape, 3, params.frozen()).unwrap();
    let mut file = TensorFile::new(Path::new("unet.pth"));
    params.iter().for_each(|(name, var)| file.insert(format!("module.{name}"), var).unwrap());
    assert_eq!(import::convert_with(&file, "", &described(&complete), &out).unwrap(), None);
    let model = Model::open(&out, &Device::Cpu).unwrap();
    assert_eq!((model.shape, model.class_names.join(" ").as_str()), (shape, "0 1 2"));
    let read = TensorFile::read(&out).unwrap();
    for (name, var) in params.iter() {
        let values: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(read.get(name).unwrap().1, values, "{name}");
    }
    fs::remove_file(&out).unwrap();

    let refused = |file: &TensorFile, text: &str, expected: &str| {
        fs::write(&config, text).unwrap();
        let result = import::read_config(&config)
            .and_then(|config| import::convert_with(file, "", &described(&config), &out));
        let message = result.unwrap_err().to_string();
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(!out.exists());
    };
    refused(&file, &text.replace("channels = [4, 8]", "channels = [4, 6]"), "down.1");
    refused(&file, &text.replace("[image]\nchannels = 3\nheight = 8\nwidth = 12\n", ""), "image: found none");
    let ink = text.replace("gaussian", "ink").replace("\"v\"", "\"softmax\"").replace("ddim", "ancestral");
    refused(&file, &ink, "expected numbers fitted to a training set");
    file.insert_values("module.betas", vec![30], vec![0.01; 30]);
    refused(&file, text, "beta of timestep 1: found 0.01");
    file.insert_values("module.betas", vec![20], vec![0.01; 20]);
    refused(&file, text, "timesteps of the schedule: found 20, expected 30");
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
