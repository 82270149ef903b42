//! Small data sets and small configs, so that a whole run takes a second.

#![allow(dead_code, reason = "each test uses its part")]

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use candle_core::Device;
use dm_nn::data::{Dataset, Images, ReadOptions};
use dm_nn::image::ImageShape;
use dm_nn::rng::{Purpose, Seed};
use dm_nn::storage::{Disk, Storage};
use dm_train::config::DiffusionConfig;
use dm_train::observers::{Metrics, SamplePictures, Saver};
use dm_train::{
    ClassifierTask, DiffusionTask, Event, Observer, OpenOptions, RunConfig, RunFolder, Task, Trainer,
};
use serde_json::Value;

/// The first 40 training and 16 test images of MNIST.
pub fn data() -> Dataset {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist");
    let mut data = Dataset::open(&dir, &ReadOptions::default()).unwrap();
    truncate(&mut data.train, 40);
    truncate(&mut data.test, 16);
    data
}

fn truncate(images: &mut Images, count: usize) {
    images.labels.truncate(count);
    images.pixels.truncate(count * images.shape.len());
}

/// Random images of `shape` in three classes.
pub fn random_data(shape: ImageShape, train: usize, test: usize) -> Dataset {
    let images = |index: u64, count: usize| {
        let mut values = vec![0.0; count * shape.len()];
        Seed(11).stream(Purpose(100), index, 0).fill_uniform(&mut values);
        let pixels = dm_nn::image::to_bytes(&values).collect();
        Images { shape, num_classes: 3, pixels, labels: (0..count).map(|i| (i % 3) as u8).collect() }
    };
    Dataset::in_memory(images(0, train), images(1, test)).unwrap()
}

/// A config of two epochs of five steps; `degradation`, `parameterization` and `sampler` as in a config file.
pub fn config(degradation: &str, parameterization: &str, sampler: &str) -> DiffusionConfig {
    let text = format!(
        r#"
        name = "small"
        seed = 7
        [network]
        kind = "unet"
        channels = [8, 8, 8]
        groups = 4
        time_embed_dim = 16
        [degradation]
        kind = "{degradation}"
        timesteps = 10
        [objective]
        parameterization = "{parameterization}"
        [optimizer]
        learning_rate = 1e-3
        lr_schedule = "cosine"
        grad_clip_norm = 1.0
        [training]
        epochs = 2
        batch_size = 8
        ema_decay = 0.9
        validation_images = 16
        log_every = 1
        checkpoint_every = 2
        sample_count = 4
        [sampling]
        sampler = "{sampler}"
        nfe = 5
        "#
    );
    parse(&text)
}

/// The same with ten classes and five timesteps.
pub fn conditional(degradation: &str, parameterization: &str, sampler: &str) -> DiffusionConfig {
    let config = RunConfig::Diffusion(config(degradation, parameterization, sampler)).to_toml().unwrap();
    let config = config.replace("num_classes = 0", "num_classes = 10");
    parse(&config.replacen("timesteps = 10", "timesteps = 5", 1))
}

/// A config of two epochs of five steps of a classifier.
pub fn classifier_config() -> RunConfig {
    let text = r#"
        name = "small-classifier"
        [classifier]
        channels = [4, 4]
        features = 5
        [training]
        epochs = 2
        batch_size = 8
        log_every = 1
        checkpoint_every = 2
    "#;
    RunConfig::parse(text, Path::new("classifier.toml")).unwrap()
}

fn parse(text: &str) -> DiffusionConfig {
    match RunConfig::parse(text, Path::new("small.toml")).unwrap() {
        RunConfig::Diffusion(config) => config,
        RunConfig::Classifier(_) => panic!("expected the config of a diffusion model"),
    }
}

/// Trains in `folder` for at most `steps` steps of this process; returns whether the run is complete. The config is resolved
/// first.
pub fn train(folder: &Path, config: &RunConfig, data: &Dataset, resume: bool, steps: u64) -> bool {
    try_train(folder, config, data, resume, steps, Arc::new(Disk)).unwrap()
}

/// As [`train`], where the files are written to `storage`, and errors are returned.
pub fn try_train(
    folder: &Path,
    config: &RunConfig,
    data: &Dataset,
    resume: bool,
    steps: u64,
    storage: Arc<dyn Storage>,
) -> dm_train::Result<bool> {
    let config = config.clone().resolve(data)?;
    let options = OpenOptions { resume, storage, ..OpenOptions::default() };
    let folder = RunFolder::open(folder, &config, options)?;
    match &config {
        RunConfig::Diffusion(config) => {
            let task = DiffusionTask::from_config(config, data)?;
            let trainer = Trainer::open(&folder, task, &config.settings(), data, &Device::Cpu)?;
            let (count, sampling) = (config.training.sample_count, config.picture_sampling());
            let pictures = SamplePictures::new(&folder, count, sampling, &|| false);
            train_with(&folder, trainer, vec![Box::new(pictures)], steps)
        }
        RunConfig::Classifier(config) => {
            let task = ClassifierTask::from_config(config, data)?;
            let trainer = Trainer::open(&folder, task, &config.settings(), data, &Device::Cpu)?;
            train_with(&folder, trainer, Vec::new(), steps)
        }
    }
}

/// Raises a flag after a number of steps, as a signal would.
struct StopAfter<'a> {
    steps: u64,
    flag: &'a AtomicBool,
}

impl<T: Task> Observer<T> for StopAfter<'_> {
    fn observe(&mut self, event: &Event<'_, T>) -> dm_train::Result<()> {
        if let Event::Step { .. } = event {
            self.steps -= 1;
            self.flag.fetch_or(self.steps == 0, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn train_with<T: Task>(
    folder: &RunFolder,
    mut trainer: Trainer<'_, T>,
    more: Vec<Box<dyn Observer<T> + '_>>,
    steps: u64,
) -> dm_train::Result<bool> {
    let ticks = Cell::new(0u64);
    let clock = move || {
        ticks.set(ticks.get() + 1);
        Duration::from_millis(ticks.get())
    };
    let flag = AtomicBool::new(false);
    let mut observers: Vec<Box<dyn Observer<T> + '_>> = vec![Box::new(Metrics::new(folder, &clock))];
    observers.extend(more);
    observers.push(Box::new(Saver::new(folder, &clock)));
    observers.push(Box::new(StopAfter { steps, flag: &flag }));
    trainer.run(&mut observers, &|| flag.load(Ordering::Relaxed))
}

/// The lines of the metrics without the values that depend on the clock.
pub fn metrics(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        let object = value.as_object_mut().unwrap();
        object.remove("seconds");
        object.remove("images_per_s");
        value
    };
    text.lines().map(line).collect()
}

/// Checks that the file `name` is the same in the folders `a` and `b`.
pub fn same_file(a: &Path, b: &Path, name: &str) {
    assert!(fs::read(a.join(name)).unwrap() == fs::read(b.join(name)).unwrap(), "{name} differs");
}

/// Whether the manifest in `folder` says that the run is complete.
pub fn is_complete(folder: &Path) -> bool {
    let manifest = dm_train::run_folder::read_manifest(folder).unwrap();
    manifest.status == dm_record::RunStatus::Complete
}
