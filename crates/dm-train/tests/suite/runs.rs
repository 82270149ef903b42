//! Whole runs through the library: determinism, exact resumption, the contents of the run folder, and errors.

use std::cell::Cell;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{is_complete, metrics, same_file, train};
use candle_core::Device;
use dm_degrade::samplers::Variance;
use dm_degrade::{Denoiser, Model, SamplerKind, Sampling, Timestep};
use dm_nn::rng::Seed;
use dm_record::RunStatus;
use dm_train::config::DiffusionConfig;
use dm_train::observers::{SamplePictures, Saver};
use dm_train::timestep_sampler::TimestepDistribution;
use dm_train::weighting::Weighting;
use dm_train::{DiffusionTask, Event, Observer, OpenOptions, RunConfig, RunFolder, Trainer, manifest};

fn diffusion(config: &DiffusionConfig) -> RunConfig {
    RunConfig::Diffusion(config.clone())
}

fn resuming(resume: bool) -> OpenOptions<'static> {
    OpenOptions { resume, ..OpenOptions::default() }
}

#[test]
fn an_interrupted_run_ends_like_an_uninterrupted_one() {
    let data = crate::common::data();
    let configs = [
        diffusion(&crate::common::config("gaussian", "v", "ancestral")),
        diffusion(&crate::common::config("ink", "softmax", "ancestral")),
        crate::common::classifier_config(),
    ];
    for config in configs {
        let dir = tempfile::tempdir().unwrap();
        let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
        assert!(train(&whole, &config, &data, false, u64::MAX));
        assert!(!train(&broken, &config, &data, false, 3));
        assert!(!is_complete(&broken));
        assert!(!train(&broken, &config, &data, true, 4));
        assert!(train(&broken, &config, &data, true, u64::MAX));
        assert!(is_complete(&broken));
        same_file(&whole, &broken, "model.safetensors");
        same_file(&whole, &broken, "config.toml");
        if let RunConfig::Diffusion(_) = config {
            same_file(&whole, &broken, "samples/epoch-0001.png");
            same_file(&whole, &broken, "samples/epoch-0002.png");
        }
        assert_eq!(metrics(&whole), metrics(&broken));
        assert_eq!(metrics(&whole).len(), 12, "ten steps and two epochs");
    }
}

#[test]
fn classes_weights_and_importance_survive_an_interruption() {
    let data = crate::common::data();
    let mut config = crate::common::conditional("gaussian", "v", "ancestral");
    config.objective.weighting = Weighting::MinSnr;
    config.training.epochs = 4;
    config.training.sample_count = 0;
    let dir = tempfile::tempdir().unwrap();
    let uniform = dir.path().join("uniform");
    assert!(train(&uniform, &diffusion(&config), &data, false, u64::MAX));
    config.objective.timestep_sampler = TimestepDistribution::Importance;
    let config = diffusion(&config);
    let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
    assert!(train(&whole, &config, &data, false, u64::MAX));
    // Once while the losses by timestep are gathered, once when they are in use.
    assert!(!train(&broken, &config, &data, false, 3));
    assert!(!train(&broken, &config, &data, true, 14));
    assert!(train(&broken, &config, &data, true, u64::MAX));
    same_file(&whole, &broken, "model.safetensors");
    assert_eq!(metrics(&whole), metrics(&broken));
    let model = |folder: &std::path::Path| fs::read(folder.join("model.safetensors")).unwrap();
    assert!(model(&whole) != model(&uniform), "importance changes the run");
}

#[test]
fn a_run_folder_written_before_a_key_existed_continues() {
    let (data, config) =
        (crate::common::data(), diffusion(&crate::common::config("gaussian", "v", "ancestral")));
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    assert!(!train(&folder, &config, &data, false, 3));
    let path = folder.join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    let old: String = text
        .lines()
        .filter(|l| !l.contains("num_classes = 0") && !l.contains("weighting"))
        .fold(String::new(), |text, line| text + line + "\n");
    assert!(old.len() < text.len());
    fs::write(&path, old).unwrap();
    assert!(train(&folder, &config, &data, true, u64::MAX));
}

#[test]
fn a_run_is_a_function_of_its_config() {
    let data = crate::common::data();
    for config in [
        diffusion(&crate::common::config("ink", "softplus", "ancestral")),
        crate::common::classifier_config(),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        assert!(train(&a, &config, &data, false, u64::MAX) && train(&b, &config, &data, false, u64::MAX));
        same_file(&a, &b, "model.safetensors");
        assert_eq!(metrics(&a), metrics(&b));
    }
}

#[test]
fn the_pictures_of_an_epoch_may_take_fewer_evaluations_than_samples_do() {
    let data = crate::common::data();
    let dir = tempfile::tempdir().unwrap();
    let beta = |nfe| Sampling { variance: Variance::Beta, ..Sampling::new(SamplerKind::Ancestral, nfe) };
    let notebook = Sampling::new(SamplerKind::DdpmNotebook, 10);
    let picture = |sampling: Sampling, sample_nfe: usize| {
        let mut config = crate::common::config("gaussian", "eps", "ancestral");
        config.sampling = sampling;
        (config.training.sample_nfe, config.training.epochs) = (sample_nfe, 1);
        let folder = dir.path().join(format!("{}-{}-{sample_nfe}", sampling.sampler.name(), sampling.nfe));
        assert!(train(&folder, &diffusion(&config), &data, false, u64::MAX));
        fs::read(folder.join("samples/epoch-0001.png")).unwrap()
    };
    let five = picture(beta(5), 0);
    assert!(picture(beta(10), 5) == five);
    assert!(picture(beta(5), 10) == five, "fewer, not more");
    // The notebook's sampler has no shorter chain of its own.
    assert!(picture(notebook, 5) == five);
    assert!(picture(beta(10), 0) != five);
}

#[test]
fn a_killed_run_repeats_from_its_last_checkpoint() {
    let (data, mut config) = (crate::common::data(), crate::common::config("gaussian", "eps", "ddim"));
    // A line for every three steps, of which some lie before the checkpoint and some after it.
    config.training.log_every = 3;
    let config = diffusion(&config);
    let dir = tempfile::tempdir().unwrap();
    let (whole, killed) = (dir.path().join("whole"), dir.path().join("killed"));
    assert!(train(&whole, &config, &data, false, u64::MAX));
    // Stopped after 3 steps, but with the checkpoint of step 2 and an incomplete line: what kill -9 leaves.
    assert!(!train(&killed, &config, &data, false, 2));
    let checkpoint = fs::read(killed.join("checkpoint.safetensors")).unwrap();
    assert!(!train(&killed, &config, &data, true, 1));
    fs::write(killed.join("checkpoint.safetensors"), checkpoint).unwrap();
    let text = fs::read_to_string(killed.join("metrics.jsonl")).unwrap();
    fs::write(killed.join("metrics.jsonl"), text + "{\"event\":\"st").unwrap();
    assert!(train(&killed, &config, &data, true, u64::MAX));
    assert_eq!(metrics(&whole), metrics(&killed));
    same_file(&whole, &killed, "model.safetensors");
}

#[test]
fn training_lowers_the_loss() {
    let data = crate::common::data();
    let mut config = crate::common::config("gaussian", "x0", "ancestral");
    config.training.epochs = 12;
    config.training.sample_count = 0;
    let dir = tempfile::tempdir().unwrap();
    assert!(train(&dir.path().join("run"), &diffusion(&config), &data, false, u64::MAX));
    let epochs: Vec<f64> = metrics(&dir.path().join("run"))
        .iter()
        .filter(|line| line["event"] == "epoch")
        .map(|line| line["train_loss"].as_f64().unwrap())
        .collect();
    assert!(epochs[11] < 0.7 * epochs[0], "{epochs:?}");
}

/// A state that the observer [`Probe`] and the test denoise.
const STATE: [f32; 784] = [5.0; 784];

/// Keeps one pixel of what the finished network makes of [`STATE`].
struct Probe<'a>(&'a Cell<f32>);
impl Observer<DiffusionTask> for Probe<'_> {
    fn observe(&mut self, event: &Event<'_, DiffusionTask>) -> dm_train::Result<()> {
        if let Event::Complete { state } = event {
            let degradation = state.task.degradation();
            let (x, t) = dm_degrade::denoiser::inputs(degradation, &STATE, &[Timestep(4)], &Device::Cpu)?;
            let y = state.evaluated_network().forward(&x, &t)?.flatten_all()?.to_vec1::<f32>()?;
            let mut x0 = vec![0.0; 784];
            state.task.parameterization().estimate(degradation, &STATE, Timestep(4), &y, &mut x0)?;
            self.0.set(x0[100]);
        }
        Ok(())
    }
}

#[test]
fn a_model_file_rebuilds_the_network() {
    let (data, config) = (crate::common::data(), crate::common::config("ink", "softplus", "ancestral"));
    let config = config.resolve(&data).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let seen = Cell::new(f32::NAN);
    let folder =
        RunFolder::open(&dir.path().join("run"), &diffusion(&config), OpenOptions::default()).unwrap();
    let task = DiffusionTask::from_config(&config, &data).unwrap();
    let mut trainer = Trainer::open(&folder, task, &config.settings(), &data, &Device::Cpu).unwrap();
    let clock = || Duration::ZERO;
    let mut observers: Vec<Box<dyn Observer<DiffusionTask> + '_>> =
        vec![Box::new(Saver::new(&folder, &clock)), Box::new(Probe(&seen))];
    assert!(trainer.run(&mut observers, &|| false).unwrap());
    drop(observers);
    let model = Model::open(folder.path(), &Device::Cpu).unwrap();
    let estimate = model.denoiser().denoise(&STATE, Timestep(4)).unwrap();
    assert_eq!(estimate[100], seen.get());
    assert_eq!((model.shape, model.num_classes, model.provenance.step), (data.shape(), 10, 10));
    assert_eq!(model.class_names, data.class_names);
    assert_eq!(model.provenance.data_sha256, data.sha256);
}

/// Raises a flag at the end of an epoch, as a signal would.
struct Raise<'a>(u64, &'a AtomicBool);
impl Observer<DiffusionTask> for Raise<'_> {
    fn observe(&mut self, event: &Event<'_, DiffusionTask>) -> dm_train::Result<()> {
        if let Event::Epoch { epoch, .. } = event {
            self.1.fetch_or(*epoch == self.0, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Sampling stops in the middle of a picture; the resumed run draws the picture that is missing.
#[test]
fn an_interruption_during_a_picture_loses_nothing() {
    let data = crate::common::data();
    let config = crate::common::config("gaussian", "v", "ancestral").resolve(&data).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
    assert!(train(&whole, &diffusion(&config), &data, false, u64::MAX));

    for epoch in [1, 2] {
        let resume = epoch > 1;
        let folder = RunFolder::open(&broken, &diffusion(&config), resuming(resume)).unwrap();
        let task = DiffusionTask::from_config(&config, &data).unwrap();
        let mut trainer = Trainer::open(&folder, task, &config.settings(), &data, &Device::Cpu).unwrap();
        let (flag, clock) = (AtomicBool::new(false), || Duration::ZERO);
        let stop = || flag.load(Ordering::Relaxed);
        let pictures = SamplePictures::new(&folder, 4, config.picture_sampling(), &stop);
        let mut observers: Vec<Box<dyn Observer<DiffusionTask> + '_>> =
            vec![Box::new(Raise(epoch, &flag)), Box::new(pictures), Box::new(Saver::new(&folder, &clock))];
        assert!(!trainer.run(&mut observers, &stop).unwrap());
        assert!(!broken.join(format!("samples/epoch-000{epoch}.png")).exists());
        assert_eq!(trainer.state().step, 5 * epoch);
    }
    assert!(!is_complete(&broken));
    assert!(train(&broken, &diffusion(&config), &data, true, u64::MAX));
    assert!(is_complete(&broken));
    for name in ["model.safetensors", "samples/epoch-0001.png", "samples/epoch-0002.png"] {
        same_file(&whole, &broken, name);
    }
}

#[test]
fn a_folder_of_another_config_and_a_locked_folder_are_refused() {
    let mut data = crate::common::data();
    let config = crate::common::config("ink", "softmax", "ancestral").resolve(&data).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let open =
        |config: &DiffusionConfig, resume| RunFolder::open(&path, &diffusion(config), resuming(resume));
    let message = |result: dm_train::Result<RunFolder>| result.err().unwrap().to_string();
    let first = open(&config, false).unwrap();
    let text = message(open(&config, true));
    assert!(text.contains("another process"), "{text}");
    drop(first);
    let text = message(open(&config, false));
    assert!(text.contains("--resume"), "{text}");

    let folder = open(&config, true).unwrap();
    let task = DiffusionTask::from_config(&config, &data).unwrap();
    let trainer = Trainer::open(&folder, task, &config.settings(), &data, &Device::Cpu).unwrap();
    let written = manifest::of(trainer.state(), &folder, RunStatus::Running, Duration::ZERO);
    folder.write_manifest(&written).unwrap();
    drop(folder);
    let folder = open(&config, true).unwrap();
    assert!(folder.check_data(&data.sha256).is_ok());
    data.sha256 = "other".into();
    let text = folder.check_data(&data.sha256).unwrap_err().to_string();
    assert!(text.contains("manifest.json: data_sha256") && text.contains("other"), "{text}");
    drop(folder);

    let mut other = config.clone();
    (other.training.batch_size, other.seed) = (9, Seed(8));
    let text = message(open(&other, true));
    let differences = "seed: found 7, expected 8; training.batch_size: found 8, expected 9";
    assert!(text.contains(differences), "{text}");
    assert!(open(&config, true).is_ok());
}

/// A checkpoint that does not fit the run is refused by the field that differs.
#[test]
fn damaged_checkpoints_are_refused() {
    let data = crate::common::data();
    let config = crate::common::config("gaussian", "v", "ancestral").resolve(&data).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    assert!(!train(&path, &diffusion(&config), &data, false, 3));
    let file = path.join("checkpoint.safetensors");
    let whole = dm_nn::params::file::TensorFile::read(&file).unwrap();
    let message = |change: &dyn Fn(&mut dm_nn::params::file::TensorFile)| {
        let mut damaged = whole.clone();
        change(&mut damaged);
        damaged.write().unwrap();
        let folder = RunFolder::open(&path, &diffusion(&config), resuming(true)).unwrap();
        let task = DiffusionTask::from_config(&config, &data).unwrap();
        let opened = Trainer::open(&folder, task, &config.settings(), &data, &Device::Cpu);
        opened.err().unwrap().to_string()
    };
    for (key, value) in [
        ("schema", "3"),
        ("step", "11"),
        ("step", "x"),
        ("elapsed_s", "-1"),
        ("recent_loss", "{}"),
        ("loss_by_timestep", "[]"),
        ("data_sha256", "other"),
    ] {
        let text = message(&|file| file.set_metadata(key, value));
        assert!(text.contains(&format!("checkpoint.safetensors: {key}: ")), "{text}");
    }
    let text = message(&|file| {
        let config = file.metadata("config").unwrap().replace("0.001", "0.002");
        file.set_metadata("config", config);
    });
    assert!(text.ends_with("optimizer.learning_rate: found 0.002, expected 0.001"), "{text}");
    let text = message(&|file| file.insert_values("param/more", vec![1], vec![0.0]));
    assert!(text.contains("param/more"), "{text}");
    let text = message(&|file| file.insert_values("ema/input.bias", vec![3], vec![0.0; 3]));
    assert!(text.contains("ema/input.bias"), "{text}");
}
