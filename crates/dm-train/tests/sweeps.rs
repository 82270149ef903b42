//! The sets of runs in `xtask/sweeps/`: every config they make is valid, the zoo is the registry, the runs of a study
//! differ from its base in one thing. How a sweep runs them is tested in xtask.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use dm_degrade::REGISTRY;
use dm_train::Config;
use toml::{Table, Value};

const PROFILES: [&str; 3] = ["smoke", "laptop", "full"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn words(table: &Value, key: &str) -> Vec<String> {
    let list = table.get(key).and_then(Value::as_array).into_iter().flatten();
    list.map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// Name, config and loss label of every run of `set` in `profile`, as the sweep hands them to `dm train`.
fn runs(set: &str, profile: &str) -> Vec<(String, Config, String)> {
    let file = root().join(format!("xtask/sweeps/{set}.toml"));
    let sweep: Value = std::fs::read_to_string(file).unwrap().parse::<Table>().unwrap().into();
    let run = |run: &Value| {
        let said = |key: &str| run.get(key).or(sweep.get(key)).unwrap();
        let set = [words(&said("profiles")[profile], "set"), words(run, "set")].concat();
        let config = Config::read(&root().join(said("config").as_str().unwrap()), &set).unwrap();
        (run["name"].as_str().unwrap().to_owned(), config, run["loss"].as_str().unwrap().to_owned())
    };
    sweep["run"].as_array().unwrap().iter().map(run).collect()
}

/// The parts of a config: a change in one of them is one change.
fn groups(config: &Config) -> [String; 6] {
    let Config { network, degradation, objective, optimizer, training, sampling, .. } = config;
    [
        format!("network: {network:?}"),
        format!("degradation: {degradation:?}"),
        format!("objective: {objective:?}"),
        format!("optimizer: {optimizer:?}"),
        format!("training: {training:?}"),
        format!("sampling: {sampling:?}"),
    ]
}

fn differing(a: &Config, b: &Config) -> usize {
    groups(a).iter().zip(groups(b)).filter(|(a, b)| *a != b).count()
}

#[test]
fn every_run_of_every_set_and_profile_has_a_valid_config() {
    for entry in std::fs::read_dir(root().join("xtask/sweeps")).unwrap() {
        let path = entry.unwrap().path();
        for profile in PROFILES {
            assert!(!runs(path.file_stem().unwrap().to_str().unwrap(), profile).is_empty());
        }
    }
}

#[test]
fn the_zoo_is_the_registry_and_nothing_else_differs() {
    for profile in PROFILES {
        let zoo = runs("zoo", profile);
        let first = &zoo[0].1;
        assert_eq!(zoo.len(), REGISTRY.len());
        for ((name, config, _), entry) in zoo.iter().zip(REGISTRY) {
            assert_eq!(name, entry.name);
            assert_eq!(config.degradation, (entry.config)(), "{name}: the registered defaults");
            assert_eq!(config.objective.prediction, entry.prediction, "{name}");
            assert_eq!(config.sampling.sampler, entry.sampler, "{name}");
            // With prediction and sampler put back, the first run's config.
            let mut same = config.clone();
            same.degradation = first.degradation.clone();
            same.objective.prediction = first.objective.prediction;
            same.sampling.sampler = first.sampling.sampler;
            assert_eq!(&same, first, "{name}");
        }
    }
    let laptop = &runs("zoo", "laptop")[0].1.training;
    assert_eq!((laptop.epochs, laptop.images, laptop.batch), (1, 0, 128));
}

#[test]
fn each_ablation_changes_one_thing_to_what_the_reference_has() {
    let reference = Config::read(&root().join("data/configs/ddpm-reference.toml"), &[]).unwrap();
    for profile in PROFILES {
        let runs = runs("ablation", profile);
        let (name, base, _) = &runs[0];
        assert_eq!(name, "base");
        for (name, config, _) in &runs[1..] {
            assert_eq!(differing(base, config), 1, "{name}");
            let (a, b) = (&config.training, &base.training);
            assert_eq!((a.epochs, a.images, a.batch), (b.epochs, b.images, b.batch), "{name}: the budget");
            let is_reference = match name.as_str() {
                "network" => config.network == reference.network,
                "target" => config.objective.prediction == reference.objective.prediction,
                "no-ema" => config.training.ema_decay == reference.training.ema_decay,
                "low-rate" => config.optimizer.learning_rate == reference.optimizer.learning_rate,
                "constant-rate" => config.optimizer.decay == reference.optimizer.decay,
                // Two changes within one group, one run each: together they are the reference's.
                _ => {
                    let (mut both, mine) = (table(&reference), table(config));
                    let (key, other) =
                        if name == "range" { ("range", "schedule") } else { ("schedule", "range") };
                    both.insert(other.to_owned(), table(base)[other].clone());
                    both == mine && mine[key] != table(base)[key]
                }
            };
            assert!(is_reference, "{name}");
        }
    }
}

/// The degradation of a config as a table.
fn table(config: &Config) -> Table {
    Table::try_from(&config.degradation).unwrap()
}

#[test]
fn each_study_of_ink_changes_one_thing() {
    for profile in PROFILES {
        let runs = runs("ink", profile);
        let base = &runs[0].1;
        for (i, (name, config, _)) in runs.iter().enumerate().skip(1) {
            assert_eq!(differing(base, config), 1, "{name}");
            assert!(runs[..i].iter().all(|(_, other, _)| other != config), "{name} is a run of its own");
        }
    }
}

#[test]
fn the_seeds_of_a_process_differ_in_nothing_else() {
    for profile in PROFILES {
        let runs = runs("seeds", profile);
        for process in ["gaussian", "ink"] {
            let mut mine = runs.iter().filter(|(name, ..)| name.starts_with(process));
            let first = &mine.next().unwrap().1;
            let rest: Vec<_> =
                mine.map(|(_, config, _)| Config { seed: first.seed, ..config.clone() }).collect();
            assert_eq!(rest, [first.clone(), first.clone()], "{profile}");
        }
        let [gaussian, ink] = [&runs[0].1, &runs[1].1];
        assert_eq!((&gaussian.network, gaussian.seed), (&ink.network, ink.seed));
        assert_eq!(gaussian.optimizer, ink.optimizer);
        assert_eq!((&gaussian.training, gaussian.sampling), (&ink.training, ink.sampling), "{profile}");
    }
}

#[test]
fn runs_with_one_label_have_one_loss() {
    for set in ["zoo", "ink", "ablation", "digits", "seeds"] {
        let runs = runs(set, "full");
        for (name, config, label) in &runs {
            let same = runs.iter().filter(|(_, _, other)| other == label);
            for (other, found, _) in same {
                let (a, b) = (config.objective.prediction, found.objective.prediction);
                assert_eq!(a, b, "{set}: {name} and {other} are both labelled `{label}`");
            }
        }
    }
}
