//! Which checkpoints a run keeps, which one it continues from, and which changes of the config it accepts.

use std::fs;
use std::path::Path;

use crate::common::{metrics, same_file, train};
use candle_core::Device;
use dm_nn::data::Dataset;
use dm_nn::params::file::TensorFile;
use dm_record::{EvalLine, MetricsLine};
use dm_train::config::DiffusionConfig;
use dm_train::observers::{JsonLines, Metrics, Saver};
use dm_train::optimizer::LrSchedule;
use dm_train::{
    DiffusionTask, Event, Observer, OpenOptions, RunConfig, RunFolder, Trainer, checkpoint_files,
};

/// A run of four epochs of five steps that saves after every second step and draws no pictures.
fn config() -> DiffusionConfig {
    let mut config = crate::common::config("gaussian", "v", "ancestral");
    config.optimizer.lr_schedule = LrSchedule::Constant;
    (config.training.epochs, config.training.sample_count) = (4, 0);
    config
}

fn run(config: &DiffusionConfig) -> RunConfig {
    RunConfig::Diffusion(config.clone())
}

/// Names and steps of the checkpoints in `folder`, the newest first.
fn checkpoints(folder: &Path) -> Vec<(String, String)> {
    let all = checkpoint_files::all(folder).unwrap().into_iter();
    let named = all.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, TensorFile::read(&path).unwrap().metadata("step").unwrap().to_owned())
    });
    named.collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(name, step)| (name.to_owned(), step.to_owned())).collect()
}

#[test]
fn the_newest_checkpoints_are_kept() {
    let (data, mut config) = (crate::common::data(), config());
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str| dir.path().join(name);
    // Checkpoints of steps 2, 4, 5, 6, 7.
    assert!(!train(&folder("two"), &run(&config), &data, false, 7));
    let two = [("checkpoint.safetensors", "7"), ("checkpoint-00000006.safetensors", "6")];
    assert_eq!(checkpoints(&folder("two")), pairs(&two));
    config.training.keep_checkpoints = 4;
    assert!(!train(&folder("four"), &run(&config), &data, false, 7));
    let steps: Vec<String> = checkpoints(&folder("four")).into_iter().map(|(_, step)| step).collect();
    assert_eq!(steps, ["7", "6", "5", "4"]);
    // The number may change when a run continues. Fewer are kept as soon as there is a new one.
    config.training.keep_checkpoints = 1;
    assert!(!train(&folder("four"), &run(&config), &data, true, 1));
    assert_eq!(checkpoints(&folder("four")), pairs(&[("checkpoint.safetensors", "8")]));
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let (data, config) = (crate::common::data(), config());
    let dir = tempfile::tempdir().unwrap();
    let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
    assert!(train(&whole, &run(&config), &data, false, u64::MAX));
    assert!(!train(&broken, &run(&config), &data, false, 7));
    let newest = broken.join(checkpoint_files::NEWEST);
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&newest, bytes).unwrap();

    let open = |config: &DiffusionConfig, data: &Dataset| {
        let config = config.clone().resolve(data).unwrap();
        let options = OpenOptions { resume: true, ..OpenOptions::default() };
        let folder = RunFolder::open(&broken, &run(&config), options).unwrap();
        let task = DiffusionTask::from_config(&config, data).unwrap();
        let trainer = Trainer::open(&folder, task, &config.settings(), data, &Device::Cpu)?;
        let damaged: Vec<String> = trainer.damaged_checkpoints().iter().map(ToString::to_string).collect();
        dm_train::Result::Ok((trainer.state().step, trainer.checkpoint().map(Path::to_owned), damaged))
    };
    let (step, used, damaged) = open(&config, &data).unwrap();
    assert_eq!((step, used), (6, Some(broken.join("checkpoint-00000006.safetensors"))));
    assert_eq!(damaged.len(), 1);
    assert!(
        damaged[0].contains("checkpoint.safetensors") && damaged[0].contains("damaged"),
        "{}",
        damaged[0]
    );
    assert!(train(&broken, &run(&config), &data, true, u64::MAX));
    assert_eq!(metrics(&whole), metrics(&broken));
    for name in ["model.safetensors", "config.toml"] {
        same_file(&whole, &broken, name);
    }
    assert_eq!(checkpoints(&whole), checkpoints(&broken));

    // Without any checkpoint that can be read, the run does not begin again by itself.
    for path in checkpoint_files::all(&broken).unwrap() {
        fs::write(path, "damaged").unwrap();
    }
    let text = open(&config, &data).unwrap_err().to_string();
    assert!(text.contains("checkpoint.safetensors"), "{text}");
}

/// Writes a line with the next Frechet distance after every epoch.
struct Distances<'a>(&'a RunFolder, &'a [f64]);
impl Observer<DiffusionTask> for Distances<'_> {
    fn observe(&mut self, event: &Event<'_, DiffusionTask>) -> dm_train::Result<()> {
        let Event::Epoch { epoch, state, .. } = event else { return Ok(()) };
        let fd = Some(self.1[*epoch as usize - 1]);
        let line = EvalLine { step: state.step, epoch: *epoch, fd, ..EvalLine::default() };
        JsonLines::new(self.0).append(&MetricsLine::Eval(line))
    }
}

#[test]
fn the_best_checkpoint_and_its_model_are_kept() {
    let data = crate::common::data();
    let config = config().resolve(&data).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let folder = RunFolder::open(&path, &run(&config), OpenOptions::default()).unwrap();
    let task = DiffusionTask::from_config(&config, &data).unwrap();
    let mut trainer = Trainer::open(&folder, task, &config.settings(), &data, &Device::Cpu).unwrap();
    let clock = || std::time::Duration::ZERO;
    let mut observers: Vec<Box<dyn Observer<DiffusionTask> + '_>> = vec![
        Box::new(Metrics::new(&folder, &clock)),
        Box::new(Distances(&folder, &[9.0, 4.0, 6.0, 4.0])),
        Box::new(Saver::new(&folder, &clock)),
    ];
    assert!(trainer.run(&mut observers, &|| false).unwrap());
    drop(observers);
    let kept = [
        ("checkpoint.safetensors", "20"),
        ("checkpoint-00000018.safetensors", "18"),
        ("checkpoint-best.safetensors", "10"),
    ];
    assert_eq!(checkpoints(&path), pairs(&kept));
    let model = |name: &str| dm_degrade::Model::open(&path.join(name), &Device::Cpu).unwrap();
    assert_eq!(model("model-best.safetensors").provenance.step, 10);
    assert_eq!(model("model.safetensors").provenance.step, 20);
}

#[test]
fn a_finished_run_can_be_made_longer() {
    let (data, long) = (crate::common::data(), config());
    let mut short = long.clone();
    short.training.epochs = 2;
    let dir = tempfile::tempdir().unwrap();
    let (whole, extended) = (dir.path().join("whole"), dir.path().join("extended"));
    assert!(train(&whole, &run(&long), &data, false, u64::MAX));
    assert!(train(&extended, &run(&short), &data, false, u64::MAX));
    // Other reports and more checkpoints do not change what is computed either.
    let mut longer = long.clone();
    (longer.training.checkpoint_every, longer.training.keep_checkpoints) = (3, 5);
    assert!(train(&extended, &run(&longer), &data, true, u64::MAX));
    assert_eq!(metrics(&whole), metrics(&extended));
    let weights = |folder: &Path| TensorFile::read(&folder.join("model.safetensors")).unwrap();
    let (a, b) = (weights(&whole), weights(&extended));
    assert!(a.names().count() > 10 && a.names().all(|name| a.get(name) == b.get(name)));
    let text = fs::read_to_string(extended.join("config.toml")).unwrap();
    assert!(text.contains("epochs = 4") && text.contains("checkpoint_every = 3"), "{text}");

    // A run cannot become shorter than it is.
    let options = OpenOptions { resume: true, ..OpenOptions::default() };
    let short = short.resolve(&data).unwrap();
    let text = RunFolder::open(&extended, &run(&short), options).err().unwrap().to_string();
    assert!(text.contains("training.epochs: found 4"), "{text}");
}

/// All differences are listed at once: config, data and schema.
#[test]
fn every_difference_is_listed() {
    let (data, config) = (crate::common::data(), config());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    assert!(!train(&path, &run(&config), &data, false, 3));
    let manifest = path.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap().replace("\"schema\": 2", "\"schema\": 99");
    fs::write(&manifest, text).unwrap();
    let mut other = config.clone();
    (other.training.batch_size, other.training.ema_decay, other.training.log_every) = (4, 0.5, 7);
    let other = other.resolve(&data).unwrap();
    let sha256 = "0".repeat(64);
    let options = OpenOptions { resume: true, data_sha256: Some(&sha256), ..OpenOptions::default() };
    let text = RunFolder::open(&path, &run(&other), options).err().unwrap().to_string();
    for part in [
        "training.batch_size: found 8, expected 4",
        "training.ema_decay: found 0.9, expected 0.5",
        "schema: found 99",
        "data_sha256: found",
        &sha256,
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert!(!text.contains("log_every") && text.lines().count() == 1, "{text}");
}
