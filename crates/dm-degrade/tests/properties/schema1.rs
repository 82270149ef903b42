//! Configs of schema 1: every recorded run, and configs that are written out here.

use std::path::{Path, PathBuf};

use dm_degrade::samplers::{Spacing, Variance};
use dm_degrade::{ModelConfig, ParameterizationKind, SamplerKind, schema1};
use toml::{Table, Value};

use super::MNIST;

/// Old keys, none of which may be left; with the table they were in.
const OLD: [(&str, &str); 15] = [
    ("data", "dir"),
    ("network", "time"),
    ("network", "classes"),
    ("degradation", "steps"),
    ("objective", "prediction"),
    ("objective", "last_level"),
    ("objective", "levels"),
    ("optimizer", "clip"),
    ("optimizer", "decay"),
    ("training", "batch"),
    ("training", "images"),
    ("training", "grid"),
    ("training", "grid_steps"),
    ("training", "shift"),
    ("sampling", "steps"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn upgraded(text: &str) -> Table {
    schema1::upgrade(text.parse().unwrap())
}

fn get<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let (section, key) = path.split_once('.').unwrap();
    table.get(section)?.as_table()?.get(key)
}

/// The config files below `folder`.
fn configs(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            configs(&path, found);
        } else if path.file_name().is_some_and(|name| name == "config.toml") {
            found.push(path);
        }
    }
}

#[test]
fn every_recorded_config_is_read() {
    let mut paths = Vec::new();
    configs(&root().join("report/runs"), &mut paths);
    assert!(!paths.is_empty(), "recorded runs are in the repository");
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let table = upgraded(&text);
        for (section, key) in OLD {
            assert!(
                get(&table, &format!("{section}.{key}")).is_none(),
                "{}: {section}.{key}",
                path.display()
            );
        }
        assert_eq!(schema1::upgrade(table.clone()), table, "upgrading twice is upgrading once");
        let config = ModelConfig::from_table(table, &path).unwrap();
        assert_eq!((config.image, config.num_classes), (MNIST, 10));
        let process = config.degradation.build_unfitted(config.image).unwrap();
        config.sampling.check(process.as_ref()).unwrap();
        config.objective.parameterization.build().check(process.as_ref()).unwrap();
    }
}

const RUN: &str = r#"
name = "ink-unet"
seed = 3
[data]
dir = "data/mnist"
[network]
kind = "unet"
channels = [32, 64, 64]
groups = 8
time = 128
attention = true
classes = 10
[degradation]
kind = "ink"
steps = 1000
density = 256.0
density_end = 1.0
sigma_min = 0.2
sigma_max = 8.0
[objective]
prediction = "conserving"
last_level = true
weighting = "ink"
levels = "importance"
label_dropout = 0.1
[optimizer]
learning_rate = 0.001
decay = "cosine"
clip = 1.0
[training]
batch = 128
images = 0
grid = 40
grid_steps = 20
eval_images = 1000
[sampling]
sampler = "bridge_2m"
steps = 100
eta = 0.0
spacing = "early"
"#;

#[test]
fn keys_and_values_of_a_run_have_their_names_of_today() {
    let table = upgraded(RUN);
    let integer = |path: &str| get(&table, path).and_then(Value::as_integer);
    let text = |path: &str| get(&table, path).and_then(Value::as_str);
    assert_eq!(text("data.path"), Some("data/mnist"));
    assert_eq!((integer("network.time_embed_dim"), integer("network.num_classes")), (Some(128), Some(10)));
    assert_eq!(get(&table, "network.attention"), Some(&Value::Array(vec![Value::Integer(2)])));
    assert_eq!(integer("degradation.timesteps"), Some(1000));
    assert_eq!(text("objective.parameterization"), Some("softmax"));
    assert_eq!(text("objective.timestep_sampler"), Some("importance"));
    assert_eq!(get(&table, "objective.include_last_timestep"), Some(&Value::Boolean(true)));
    assert_eq!(get(&table, "optimizer.grad_clip_norm"), Some(&Value::Float(1.0)));
    assert_eq!(text("optimizer.lr_schedule"), Some("cosine"));
    let training = ["batch_size", "max_images", "sample_count", "sample_nfe", "eval_images"];
    let training = training.map(|key| integer(&format!("training.{key}")).unwrap());
    assert_eq!(training, [128, 0, 40, 20, 1000]);
    let config = ModelConfig::from_table(table, Path::new("run")).unwrap();
    assert_eq!(config.sampling.sampler, SamplerKind::Ancestral2m);
    assert_eq!(config.sampling.spacing, Spacing::Power(1.5));
    assert_eq!((config.sampling.nfe, config.seed.0), (100, 3));
    assert_eq!(config.objective.parameterization, ParameterizationKind::Softmax);
}

#[test]
fn the_old_ancestral_sampler_has_the_larger_variance() {
    for (old, sampler, variance) in [
        ("bridge", SamplerKind::Ancestral, Variance::Posterior),
        ("ancestral", SamplerKind::Ancestral, Variance::Beta),
        ("prince", SamplerKind::DdpmNotebook, Variance::Posterior),
        ("dpmpp2m", SamplerKind::Dpmpp2m, Variance::Posterior),
    ] {
        let table = upgraded(&RUN.replace("bridge_2m", old));
        let again = schema1::upgrade(table.clone());
        assert_eq!(again, table);
        let sampling = ModelConfig::from_table(again, Path::new("run")).unwrap().sampling;
        assert_eq!((sampling.sampler, sampling.variance), (sampler, variance), "{old}");
    }
}

#[test]
fn lengths_in_pixels_become_multiples_of_the_side() {
    for (degradation, key, pixels, today) in [
        ("fade", "sigma_max", 24.0, "radius"),
        ("snow", "drift", 3.0, "streak"),
        ("stir", "amplitude", 14.0, "amplitude"),
    ] {
        let text = format!(
            "[degradation]\nkind = \"{degradation}\"\nsteps = 100\n{key} = {pixels:.1}\n[sampling]\nsteps = 1"
        );
        let table = upgraded(&text);
        let found = get(&table, &format!("degradation.{today}")).and_then(Value::as_float).unwrap();
        assert_eq!(found * 28.0, pixels);
        // With these values the process is the registered default.
        let config: dm_degrade::DegradationConfig = table["degradation"].clone().try_into().unwrap();
        let entry = dm_degrade::REGISTRY.iter().find(|r| r.entry.name == degradation).unwrap();
        assert_eq!(config, (entry.config)());
    }
}

#[test]
fn a_config_of_a_classifier_is_upgraded_too() {
    let text = "name = \"judge\"\n[data]\ndir = \"data/mnist\"\n[judge]\nchannels = [16, 32, 64]\nfeatures = 64\n\
                [optimizer]\ndecay = \"cosine\"\nclip = 0.0\n[training]\nbatch = 128\nimages = 0\nshift = 2";
    let table = upgraded(text);
    assert!(!table.contains_key("judge"));
    assert_eq!(get(&table, "classifier.features"), Some(&Value::Integer(64)));
    assert_eq!(get(&table, "training.max_shift"), Some(&Value::Integer(2)));
    assert_eq!(get(&table, "data.path").and_then(Value::as_str), Some("data/mnist"));
    assert_eq!(get(&table, "image.height"), Some(&Value::Integer(28)));
    assert_eq!(table.get("num_classes"), Some(&Value::Integer(10)));
}

#[test]
fn a_config_of_today_is_left_alone() {
    let table: Table = "name = \"x\"\n[sampling]\nsampler = \"ancestral\"\nnfe = 10".parse().unwrap();
    assert_eq!(schema1::upgrade(table.clone()), table);
}
