//! Whole runs through the library: determinism, exact resumption, what the folder holds, what is refused.

#![allow(clippy::unwrap_used)]

mod common;

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use candle_core::Device;
use dm_degrade::restorer::Restorer;
use dm_degrade::{SamplerKind, Sampling};
use dm_nn::data::Dataset;
use dm_train::event::{Event, Observer};
use dm_train::levels::LevelLaw;
use dm_train::objective::Weighting;
use dm_train::observers::{Metrics, Samples, Saver};
use dm_train::run::{Run, is_complete};
use dm_train::train::train;
use dm_train::{Config, Model};
use serde_json::Value;

/// Trains in `folder` until `stop_after` steps of this process (or the end); returns whether the run is complete.
fn go(folder: &Path, config: &Config, data: &Dataset, resume: bool, stop_after: u64) -> bool {
    let run = Run::open(folder, config, resume, None).unwrap();
    let (mut state, _) = run.state(config, data, &Device::Cpu).unwrap();
    let ticks = Cell::new(0u64);
    let clock = move || {
        ticks.set(ticks.get() + 1);
        Duration::from_millis(ticks.get())
    };
    let steps = Cell::new(0);
    let mut observers: Vec<Box<dyn Observer + '_>> = vec![
        Box::new(Metrics::new(folder.join("metrics.jsonl"), &clock)),
        Box::new(Samples::new(folder.join("samples"))),
        Box::new(Saver::new(&run, config.training.checkpoint_every, &clock)),
    ];
    train(&mut state, data, &mut observers, &|| {
        steps.set(steps.get() + 1);
        steps.get() == stop_after
    })
    .unwrap()
}

/// The metrics without what a clock says.
fn metrics(folder: &Path) -> Vec<Value> {
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

fn same_file(a: &Path, b: &Path, name: &str) {
    assert!(fs::read(a.join(name)).unwrap() == fs::read(b.join(name)).unwrap(), "{name} differs");
}

#[test]
fn an_interrupted_run_ends_as_if_it_had_not_been() {
    let data = common::data();
    for config in [common::config("gaussian", "v", "bridge"), common::config("ink", "conserving", "bridge")] {
        let dir = tempfile::tempdir().unwrap();
        let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
        assert!(go(&whole, &config, &data, false, u64::MAX));
        assert!(!go(&broken, &config, &data, false, 3));
        assert!(!is_complete(&broken));
        assert!(!go(&broken, &config, &data, true, 4));
        assert!(go(&broken, &config, &data, true, u64::MAX));
        assert!(is_complete(&broken));
        for name in ["model.safetensors", "config.toml", "samples/epoch-0001.png", "samples/epoch-0002.png"] {
            same_file(&whole, &broken, name);
        }
        assert_eq!(metrics(&whole), metrics(&broken));
        assert_eq!(metrics(&whole).len(), 12, "ten steps and two epochs");
    }
}

#[test]
fn classes_weights_and_importance_survive_an_interruption() {
    let data = common::data();
    let mut config = common::conditional("gaussian", "v", "bridge");
    config.objective.weighting = Weighting::MinSnr;
    config.training.epochs = 4;
    config.training.grid = 0;
    let dir = tempfile::tempdir().unwrap();
    let alike = dir.path().join("alike");
    assert!(go(&alike, &config, &data, false, u64::MAX));
    config.objective.levels = LevelLaw::Importance;
    let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
    assert!(go(&whole, &config, &data, false, u64::MAX));
    // Once while the losses of the levels are gathered, once when they are in use.
    assert!(!go(&broken, &config, &data, false, 3));
    assert!(!go(&broken, &config, &data, true, 14));
    assert!(go(&broken, &config, &data, true, u64::MAX));
    same_file(&whole, &broken, "model.safetensors");
    assert_eq!(metrics(&whole), metrics(&broken));
    let model = |folder: &Path| fs::read(folder.join("model.safetensors")).unwrap();
    assert!(model(&whole) != model(&alike), "importance changes the run");
}

#[test]
fn a_run_folder_from_before_a_key_existed_goes_on() {
    let (data, config) = (common::data(), common::config("gaussian", "v", "bridge"));
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    assert!(!go(&folder, &config, &data, false, 3));
    let path = folder.join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    let old: String = text
        .lines()
        .filter(|l| !l.contains("classes") && !l.contains("weighting"))
        .fold(String::new(), |text, line| text + line + "\n");
    assert!(old.len() < text.len());
    fs::write(&path, old).unwrap();
    assert!(go(&folder, &config, &data, true, u64::MAX));
}

#[test]
fn a_run_is_a_function_of_its_config() {
    let (data, config) = (common::data(), common::config("ink", "free", "bridge"));
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    assert!(go(&a, &config, &data, false, u64::MAX) && go(&b, &config, &data, false, u64::MAX));
    same_file(&a, &b, "model.safetensors");
    assert_eq!(metrics(&a), metrics(&b));
}

#[test]
fn the_pictures_of_an_epoch_may_take_fewer_steps_than_samples_do() {
    let data = common::data();
    let dir = tempfile::tempdir().unwrap();
    let picture = |sampler: SamplerKind, steps: usize, grid_steps: usize| {
        let mut config = common::config("gaussian", "eps", "bridge");
        config.sampling = Sampling::new(sampler, steps);
        (config.training.grid_steps, config.training.epochs) = (grid_steps, 1);
        let folder = dir.path().join(format!("{}-{steps}-{grid_steps}", sampler.name()));
        assert!(go(&folder, &config, &data, false, u64::MAX));
        fs::read(folder.join("samples/epoch-0001.png")).unwrap()
    };
    let five = picture(SamplerKind::Ancestral, 5, 0);
    assert!(picture(SamplerKind::Ancestral, 10, 5) == five);
    assert!(picture(SamplerKind::Ancestral, 5, 10) == five, "fewer, not more");
    // The notebook's sampler has no shorter chain of its own.
    assert!(picture(SamplerKind::Prince, 10, 5) == five);
    assert!(picture(SamplerKind::Ancestral, 10, 0) != five);
}

#[test]
fn a_killed_run_repeats_from_its_last_checkpoint() {
    let (data, mut config) = (common::data(), common::config("gaussian", "eps", "ddim"));
    // A line for every three steps, of which some lie before the checkpoint and some after it.
    config.training.log_every = 3;
    let dir = tempfile::tempdir().unwrap();
    let (whole, killed) = (dir.path().join("whole"), dir.path().join("killed"));
    assert!(go(&whole, &config, &data, false, u64::MAX));
    // Stopped after 3 steps, but with the checkpoint of step 2 and a line cut in the middle: what kill -9 leaves.
    assert!(!go(&killed, &config, &data, false, 2));
    let checkpoint = fs::read(killed.join("checkpoint.safetensors")).unwrap();
    assert!(!go(&killed, &config, &data, true, 1));
    fs::write(killed.join("checkpoint.safetensors"), checkpoint).unwrap();
    let text = fs::read_to_string(killed.join("metrics.jsonl")).unwrap();
    fs::write(killed.join("metrics.jsonl"), text + "{\"event\":\"st").unwrap();
    assert!(go(&killed, &config, &data, true, u64::MAX));
    assert_eq!(metrics(&whole), metrics(&killed));
    same_file(&whole, &killed, "model.safetensors");
}

#[test]
fn training_lowers_the_loss() {
    let data = common::data();
    let mut config = common::config("gaussian", "x0", "bridge");
    config.training.epochs = 12;
    config.training.grid = 0;
    let dir = tempfile::tempdir().unwrap();
    assert!(go(&dir.path().join("run"), &config, &data, false, u64::MAX));
    let epochs: Vec<f64> = metrics(&dir.path().join("run"))
        .iter()
        .filter(|line| line["event"] == "epoch")
        .map(|line| line["train_loss"].as_f64().unwrap())
        .collect();
    assert!(epochs[11] < 0.7 * epochs[0], "{epochs:?}");
}

/// Keeps one pixel of what the finished network restores.
struct Probe<'a>(&'a Cell<f32>);
impl Observer for Probe<'_> {
    fn observe(&mut self, event: &Event<'_>) -> dm_train::Result<()> {
        if let Event::Complete { state } = event {
            let (x, t) = dm_degrade::restorer::inputs(
                &*state.degradation,
                &[5.0; 784],
                &[dm_degrade::Level(4)],
                &Device::Cpu,
            )?;
            let y = state.evaluation().forward(&x, &t)?.flatten_all()?.to_vec1::<f32>()?;
            self.0.set(
                state.config.objective.prediction.restore(
                    &*state.degradation,
                    &[5.0; 784],
                    dm_degrade::Level(4),
                    &y,
                )[100],
            );
        }
        Ok(())
    }
}

#[test]
fn a_model_file_rebuilds_the_network() {
    let (data, config) = (common::data(), common::config("ink", "free", "bridge"));
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let seen = Cell::new(f32::NAN);
    let run = Run::open(&folder, &config, false, None).unwrap();
    let (mut state, _) = run.state(&config, &data, &Device::Cpu).unwrap();
    let clock = || Duration::ZERO;
    let mut observers: Vec<Box<dyn Observer + '_>> =
        vec![Box::new(Saver::new(&run, 100, &clock)), Box::new(Probe(&seen))];
    assert!(train(&mut state, &data, &mut observers, &|| false).unwrap());
    drop(observers);
    let model = Model::read(&folder, &Device::Cpu).unwrap();
    let restored = model.restorer().restore(&[5.0; 784], dm_degrade::Level(4)).unwrap();
    assert_eq!(restored[100], seen.get());
}

#[test]
fn a_folder_of_another_config_and_a_locked_folder_are_refused() {
    let config = common::config("ink", "conserving", "bridge");
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let first = Run::open(&folder, &config, false, None).unwrap();
    let message = Run::open(&folder, &config, true, None).err().unwrap().to_string();
    assert!(message.contains("another process"), "{message}");
    drop(first);
    let message = Run::open(&folder, &config, false, None).err().unwrap().to_string();
    assert!(message.contains("--resume"), "{message}");
    let mut data = common::data();
    let run = Run::open(&folder, &config, true, None).unwrap();
    let (state, _) = run.state(&config, &data, &Device::Cpu).unwrap();
    run.write_manifest(&state.standing("running", 0.0)).unwrap();
    assert!(run.check_data(&data.sha256).is_ok());
    data.sha256 = "other".into();
    let message = run.check_data(&data.sha256).unwrap_err().to_string();
    assert!(message.contains("manifest.json: data_sha256") && message.contains("other"), "{message}");
    drop(run);
    let mut other = config.clone();
    other.training.batch = 9;
    let message = Run::open(&folder, &other, true, None).err().unwrap().to_string();
    assert!(message.contains("`batch = 8`") && message.contains("`batch = 9`"), "{message}");
    assert!(Run::open(&folder, &config, true, None).is_ok());
}
