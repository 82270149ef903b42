//! The studies in `xtask/sweeps/`: each of their configs is valid, the zoo covers the registry, and each run of a study differs
//! from the base run in one thing. How a sweep runs a study is tested in xtask.

use std::path::{Path, PathBuf};

use dm_degrade::REGISTRY;
use dm_train::RunConfig;
use dm_train::config::DiffusionConfig;
use toml::{Table, Value};

const PROFILES: [&str; 3] = ["smoke", "laptop", "full"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn words(table: &Value, key: &str) -> Vec<String> {
    let list = table.get(key).and_then(Value::as_array).into_iter().flatten();
    list.map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// The config of a diffusion model at `path`, with overrides.
fn read(path: &str, overrides: &[String]) -> DiffusionConfig {
    match RunConfig::read(&root().join(path), overrides).unwrap() {
        RunConfig::Diffusion(config) => config,
        RunConfig::Classifier(_) => panic!("{path}: expected the config of a diffusion model"),
    }
}

/// The names of all studies.
fn studies() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("xtask/sweeps")).unwrap();
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Name, config and loss label of every run of `study` in `profile`, as the sweep passes them to `dm train`. A run that lists
/// `seeds` stands for one run per training seed.
fn runs(study: &str, profile: &str) -> Vec<(String, DiffusionConfig, String)> {
    let file = root().join(format!("xtask/sweeps/{study}.toml"));
    let sweep: Value = std::fs::read_to_string(file).unwrap().parse::<Table>().unwrap().into();
    let mut found = Vec::new();
    for run in sweep["run"].as_array().unwrap() {
        let text = |key: &str| run[key].as_str().unwrap().to_owned();
        let setting = |key: &str| run.get(key).or(sweep.get(key)).unwrap();
        let config = |seed: &[String]| {
            let shared = words(&setting("profiles")[profile], "set");
            let set = [shared, words(run, "set"), seed.to_vec()].concat();
            read(setting("config").as_str().unwrap(), &set)
        };
        match run.get("seeds").and_then(Value::as_array) {
            None => found.push((text("name"), config(&[]), text("loss"))),
            Some(seeds) => found.extend(seeds.iter().map(|seed| {
                let name = format!("{}-{seed}", text("name"));
                (name, config(&[format!("seed={seed}")]), text("loss"))
            })),
        }
    }
    found
}

/// The parts of a config in which two configs are compared. A difference within a part counts as one.
fn groups(config: &DiffusionConfig) -> [String; 6] {
    let DiffusionConfig { network, degradation, objective, optimizer, training, sampling, .. } = config;
    [
        format!("network: {network:?}"),
        format!("degradation: {degradation:?}"),
        format!("objective: {objective:?}"),
        format!("optimizer: {optimizer:?}"),
        format!("training: {training:?}"),
        format!("sampling: {sampling:?}"),
    ]
}

/// Number of parts in which two configs differ.
fn differing(a: &DiffusionConfig, b: &DiffusionConfig) -> usize {
    groups(a).iter().zip(groups(b)).filter(|(a, b)| *a != b).count()
}

#[test]
fn every_run_of_every_study_and_profile_has_a_valid_config() {
    assert!(studies().len() > 3);
    for study in studies() {
        for profile in PROFILES {
            assert!(!runs(&study, profile).is_empty(), "{study}, {profile}");
        }
    }
}

/// Degradations that differ from Ink in one respect. They belong to the study `controls`, not to the zoo.
const CONTROLS: [&str; 2] = ["fade_counts", "blur_noise"];

#[test]
fn the_zoo_is_the_registry_and_nothing_else_differs() {
    for profile in PROFILES {
        let zoo = runs("zoo", profile);
        let first = &zoo[0].1;
        let registry = || REGISTRY.iter().filter(|entry| !CONTROLS.contains(&entry.entry.name));
        assert_eq!(zoo.len(), registry().count());
        for ((name, config, _), entry) in zoo.iter().zip(registry()) {
            assert_eq!(name, entry.entry.name);
            assert_eq!(config.degradation, (entry.config)(), "{name}: the registered defaults");
            assert_eq!(config.objective.parameterization, entry.entry.parameterization, "{name}");
            assert_eq!(config.sampling.sampler, entry.entry.sampler, "{name}");
            // With parameterization and sampler put back, the config of the first run.
            let mut same = config.clone();
            same.degradation = first.degradation.clone();
            same.objective.parameterization = first.objective.parameterization;
            same.sampling.sampler = first.sampling.sampler;
            assert_eq!(&same, first, "{name}");
        }
    }
    let laptop = &runs("zoo", "laptop")[0].1.training;
    assert_eq!((laptop.epochs, laptop.max_images, laptop.batch_size), (1, 0, 128));
}

#[test]
fn each_ablation_changes_one_thing_to_what_the_reference_has() {
    let reference = read("data/configs/ddpm-reference.toml", &[]);
    for profile in PROFILES {
        let runs = runs("ablation", profile);
        let (name, base, _) = &runs[0];
        assert_eq!(name, "base");
        for (name, config, _) in &runs[1..] {
            assert_eq!(differing(base, config), 1, "{name}");
            let (a, b) = (&config.training, &base.training);
            assert_eq!(
                (a.epochs, a.max_images, a.batch_size),
                (b.epochs, b.max_images, b.batch_size),
                "{name}: the budget"
            );
            let is_reference = match name.as_str() {
                "network" => config.network == reference.network,
                "target" => config.objective.parameterization == reference.objective.parameterization,
                "no-ema" => config.training.ema_decay == reference.training.ema_decay,
                "low-rate" => config.optimizer.learning_rate == reference.optimizer.learning_rate,
                "constant-rate" => config.optimizer.lr_schedule == reference.optimizer.lr_schedule,
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
fn table(config: &DiffusionConfig) -> Table {
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
            let mine = runs.iter().filter(|(name, ..)| name.starts_with(process));
            let mine: Vec<&DiffusionConfig> = mine.map(|(_, config, _)| config).collect();
            assert_eq!(mine.iter().map(|config| config.seed.0).collect::<Vec<_>>(), [1, 2, 3], "{profile}");
            for config in &mine {
                let same = DiffusionConfig { seed: mine[0].seed, ..(*config).clone() };
                assert_eq!(&same, mine[0], "{profile}");
            }
        }
        let config = |name: &str| &runs.iter().find(|(found, ..)| found == name).unwrap().1;
        let (gaussian, ink) = (config("gaussian-1"), config("ink-1"));
        assert_eq!((&gaussian.network, gaussian.seed), (&ink.network, ink.seed));
        assert_eq!(gaussian.optimizer, ink.optimizer);
        assert_eq!((&gaussian.training, gaussian.sampling), (&ink.training, ink.sampling), "{profile}");
    }
}

#[test]
fn runs_with_one_label_have_one_loss() {
    for study in studies() {
        let runs = runs(&study, "full");
        for (name, config, label) in &runs {
            let same = runs.iter().filter(|(_, _, other)| other == label);
            for (other, found, _) in same {
                let (a, b) = (config.objective.parameterization, found.objective.parameterization);
                assert_eq!(a, b, "{study}: {name} and {other} are both labelled `{label}`");
            }
        }
    }
}
