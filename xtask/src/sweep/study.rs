//! Studies: files in `xtask/sweeps/` that list runs. This module reads and checks a study and selects the runs of one profile.
//!
//! A study may state the config and the profiles that its runs share at the top. A run then states only its differences. A run
//! with `seeds` stands for one run per training seed.

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The size of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A check that everything works, for CI: under three minutes
    Smoke,
    /// A short training that draws recognisable digits: under 40 minutes on two cores
    Laptop,
    /// The whole training, 100 epochs for the reference as in the starter notebook
    Full,
}

impl Profile {
    pub fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Laptop => "laptop",
            Self::Full => "full",
        }
    }
}

/// One run of one profile: the arguments for `dm`.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub name: String,
    /// Its name in figures.
    pub title: String,
    /// Title of the runs that differ from this one in their training seed only, if the study lists seeds.
    pub group: Option<String>,
    /// Description of the loss. Losses of different kinds never share an axis.
    pub loss: String,
    pub config: PathBuf,
    pub set: Vec<String>,
    pub sample: Sample,
    /// Further evaluations of the finished run.
    pub evaluations: Vec<Evaluation>,
}

/// A further evaluation of a finished run, written to `scores/NAME.json` in the run folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    pub name: String,
    /// `eval` or `restore` of `dm` with its options, without the model and the file of the scores. [`RUN`] stands for the folder
    /// of the run.
    pub command: String,
}

/// Stands for the folder of the run in the command of an evaluation.
pub const RUN: &str = "{run}";

/// How a finished run is sampled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Number of images.
    pub n: u32,
    /// Network evaluations per image; absent: as in the model's config.
    #[serde(alias = "steps")]
    pub nfe: Option<u32>,
    #[serde(default = "first_seed")]
    pub seed: u64,
    /// Number of test images to restore.
    #[serde(default = "default_restored")]
    pub restored: u32,
    /// The evaluation by `dm eval`, if there is one.
    pub measure: Option<Measure>,
}

/// How a finished run is evaluated, on images of the generation seeds 1 to `seeds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Number of images of all seeds together: a multiple of `seeds`.
    pub n: u32,
    /// At least two, because the interval is estimated from them.
    pub seeds: u32,
    /// Names of metrics for `dm eval --metrics`.
    pub metrics: Vec<String>,
    /// The reference for `dm eval --reference`; absent: the test images.
    pub reference: Option<String>,
}

fn first_seed() -> u64 {
    1
}

fn default_restored() -> u32 {
    4
}

/// A file of `xtask/sweeps/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Study {
    /// Config of every run that states none.
    config: Option<PathBuf>,
    /// Profiles of every run that states none.
    #[serde(default)]
    profiles: BTreeMap<Profile, ProfileSettings>,
    run: Vec<Run>,
}

/// A run, or one run per training seed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    name: String,
    title: String,
    loss: String,
    config: Option<PathBuf>,
    /// Overrides of the config, after those of the profile.
    #[serde(default)]
    set: Vec<String>,
    /// Training seeds, each of which is a run named `NAME-SEED`; absent: one run with the seed of the config.
    seeds: Option<Vec<u64>>,
    /// The title without the seed, for a run that was made from `seeds`.
    #[serde(skip)]
    group: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<Profile, ProfileSettings>,
    /// Whether the profile's evaluations are made; false for a run that only the evaluations of another run need.
    #[serde(default = "yes")]
    evaluate: bool,
}

fn yes() -> bool {
    true
}

impl Run {
    /// The runs of all training seeds.
    fn expand(self) -> Vec<Self> {
        let Some(seeds) = &self.seeds else { return vec![self] };
        let run = |seed: &u64| Self {
            name: format!("{}-{seed}", self.name),
            title: format!("{}, seed {seed}", self.title),
            group: Some(self.title.clone()),
            loss: self.loss.clone(),
            config: self.config.clone(),
            set: self.set.iter().cloned().chain([format!("seed={seed}")]).collect(),
            seeds: None,
            profiles: self.profiles.clone(),
            evaluate: self.evaluate,
        };
        seeds.iter().map(run).collect()
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileSettings {
    #[serde(default)]
    set: Vec<String>,
    sample: Sample,
    #[serde(default)]
    evaluations: Vec<Evaluation>,
}

/// The file of a study.
pub fn find(folder: &Path, study: &str) -> Result<PathBuf> {
    let file = folder.join(format!("{study}.toml"));
    if !is_plain(study) || !file.is_file() {
        bail!("--study {study}: no such study, expected one of {}", studies(folder)?.join(", "));
    }
    Ok(file)
}

/// The names of all studies, in order.
fn studies(folder: &Path) -> Result<Vec<String>> {
    let name = |path: PathBuf| Some(path.file_name()?.to_str()?.strip_suffix(".toml")?.to_owned());
    Ok(crate::workspace::entries(folder)?.into_iter().filter_map(name).collect())
}

/// Every run of a profile, as written in `file`. Config paths are relative to `root`.
pub fn load(file: &Path, root: &Path, profile: Profile) -> Result<Vec<Job>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let study: Study = toml::from_str(&text).with_context(|| file.display().to_string())?;
    let mut jobs: Vec<Job> = Vec::new();
    for run in study.run.into_iter().flat_map(Run::expand) {
        let place = format!("{}: run.name = {:?}", file.display(), run.name);
        ensure!(is_plain(&run.name), "{place}, expected letters, digits and hyphens");
        ensure!(jobs.iter().all(|job| job.name != run.name), "{place}: named twice");
        let config = run.config.as_ref().or(study.config.as_ref());
        let config = config.with_context(|| format!("{place}: no config, here or at the top"))?;
        let mut profiles = if run.profiles.is_empty() { study.profiles.clone() } else { run.profiles };
        let Some(ProfileSettings { set, sample, evaluations }) = profiles.remove(&profile) else { continue };
        if let Some(Measure { n, seeds, metrics, .. }) = &sample.measure {
            ensure!(
                *seeds >= 2 && *n > 0 && n.is_multiple_of(*seeds) && !metrics.is_empty(),
                "{place}: measure: found n = {n}, seeds = {seeds}, {} metrics; expected at least two seeds, a multiple of them \
                 as n, and a metric",
                metrics.len()
            );
        }
        for evaluation in &evaluations {
            let command = evaluation.command.split_whitespace().next().unwrap_or_default();
            ensure!(
                is_plain(&evaluation.name) && ["eval", "restore"].contains(&command),
                "{place}: evaluations: found {:?} = {:?}, expected a name of letters, digits and hyphens, and eval or restore",
                evaluation.name,
                evaluation.command
            );
        }
        jobs.push(Job {
            config: root.join(config),
            name: run.name,
            title: run.title,
            group: run.group,
            loss: run.loss,
            set: [set, run.set].concat(),
            sample,
            evaluations: if run.evaluate { evaluations } else { Vec::new() },
        });
    }
    ensure!(!jobs.is_empty(), "{}: no run for profile {}", file.display(), profile.name());
    Ok(jobs)
}

/// Keeps the named runs, in the order of the study.
pub fn select(jobs: Vec<Job>, only: &[String]) -> Result<Vec<Job>> {
    for name in only {
        if jobs.iter().all(|job| job.name != *name) {
            let known: Vec<_> = jobs.iter().map(|job| job.name.as_str()).collect();
            bail!("--only {name}: no such run in this profile, expected one of {}", known.join(", "));
        }
    }
    Ok(jobs.into_iter().filter(|job| only.is_empty() || only.contains(&job.name)).collect())
}

/// Whether a name can be a folder's name and nothing else.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUDY: &str = r#"
        config = "data/shared.toml"
        profiles.smoke = { set = ["epochs=1"], sample = { n = 4, nfe = 2 } }
        profiles.full = { sample = { n = 100 } }

        [[run]]
        name = "plain"
        title = "Plain"
        loss = "error"

        [[run]]
        name = "other"
        title = "Other"
        loss = "error"
        config = "data/other.toml"
        set = ["epochs=2", "seed=3"]

        [[run]]
        name = "own"
        title = "Own"
        loss = "error"
        profiles.full = { set = ["epochs=9"], sample = { n = 5, seed = 3 } }
    "#;

    fn load_text(text: &str, profile: Profile) -> Result<Vec<Job>> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.toml"), text).unwrap();
        load(&find(dir.path(), "a")?, Path::new("/root"), profile)
    }

    fn names(jobs: &[Job]) -> Vec<&str> {
        jobs.iter().map(|job| job.name.as_str()).collect()
    }

    #[test]
    fn runs_are_selected_by_profile_and_inherit_the_settings_at_the_top() {
        let smoke = load_text(STUDY, Profile::Smoke).unwrap();
        assert_eq!(names(&smoke), ["plain", "other"]);
        assert_eq!(
            [&smoke[0], &smoke[1]].map(|job| job.config.display().to_string()),
            ["/root/data/shared.toml", "/root/data/other.toml"]
        );
        assert_eq!(smoke[0].sample, Sample { n: 4, nfe: Some(2), seed: 1, restored: 4, measure: None });
        // The run's own settings come last and win.
        assert_eq!(smoke[1].set, ["epochs=1", "epochs=2", "seed=3"]);
        let full = load_text(STUDY, Profile::Full).unwrap();
        assert_eq!((full[2].set.as_slice(), full[2].sample.n), (&["epochs=9".to_owned()][..], 5));
        let none = load_text(STUDY, Profile::Laptop).unwrap_err().to_string();
        assert!(none.contains("no run for profile laptop"), "{none}");
    }

    #[test]
    fn a_run_with_seeds_is_one_run_per_seed() {
        let text =
            STUDY.replacen("set = [\"epochs=2\", \"seed=3\"]", "set = [\"epochs=2\"]\nseeds = [1, 4]", 1);
        let jobs = load_text(&text, Profile::Smoke).unwrap();
        assert_eq!(names(&jobs), ["plain", "other-1", "other-4"]);
        assert_eq!((jobs[2].title.as_str(), jobs[2].group.as_deref()), ("Other, seed 4", Some("Other")));
        assert_eq!(jobs[2].set, ["epochs=1", "epochs=2", "seed=4"]);
        let twice = text.replacen("[1, 4]", "[4, 4]", 1);
        let twice = load_text(&twice, Profile::Smoke).unwrap_err().to_string();
        assert!(twice.contains("\"other-4\": named twice"), "{twice}");
    }

    #[test]
    fn mistakes_are_refused_before_anything_is_trained() {
        for (old, new, message) in [
            ("title = \"Own\"", "titel = \"Own\"", "titel"),
            ("\"other\"", "\"plain\"", "named twice"),
            ("\"other\"", "\"../other\"", "expected letters"),
            ("config = \"data/shared.toml\"", "", "no config"),
            (
                "n = 100",
                "n = 100, measure = { n = 70, seeds = 1, metrics = [\"fd\"] }",
                "\"plain\": measure: found",
            ),
            (
                "{ sample = { n = 100 } }",
                "{ sample = { n = 100 }, evaluations = [{ name = \"a\", command = \"train\" }] }",
                "expected a name of letters, digits and hyphens, and eval or restore",
            ),
            ("n = 100", "n = 100, measure = { n = 71, seeds = 2, metrics = [\"fd\"] }", "measure: found"),
            ("n = 100", "n = 100, measure = { n = 70, seeds = 2, metrics = [] }", "measure: found"),
        ] {
            let error = load_text(&STUDY.replacen(old, new, 1), Profile::Full).unwrap_err();
            assert!(format!("{error:#}").contains(message), "{message}: {error:#}");
        }
        let fits =
            STUDY.replacen("n = 100", "n = 100, measure = { n = 70, seeds = 2, metrics = [\"fd\"] }", 1);
        assert!(load_text(&fits, Profile::Full).is_ok());
    }

    #[test]
    fn only_keeps_the_order_of_the_study_and_refuses_unknown_names() {
        let select = |only: &[&str]| {
            let only: Vec<_> = only.iter().map(ToString::to_string).collect();
            select(load_text(STUDY, Profile::Full).unwrap(), &only)
        };
        assert_eq!(names(&select(&[]).unwrap()), ["plain", "other", "own"]);
        assert_eq!(names(&select(&["own", "plain"]).unwrap()), ["plain", "own"]);
        assert!(select(&["third"]).unwrap_err().to_string().contains("plain, other, own"));
    }

    #[test]
    fn the_studies_of_this_workspace_are_well_formed() {
        let root = crate::workspace::root();
        let dir = root.join("xtask/sweeps");
        for study in studies(&dir).unwrap() {
            let jobs = |profile| load(&find(&dir, &study).unwrap(), root, profile).unwrap();
            let all = [Profile::Smoke, Profile::Laptop, Profile::Full].map(jobs);
            assert!(all[0].iter().all(|job| job.config.is_file()), "{study}");
            assert!(
                all.iter().all(|jobs| names(jobs) == names(&all[0])),
                "{study}: every profile has every run"
            );
            if study == "digits" {
                assert_eq!(names(&all[0]), ["ddpm-reference", "ddpm-unet", "ink-unet"]);
            }
        }
        let error = find(&dir, "nets").unwrap_err().to_string();
        let known = studies(&dir).unwrap().join(", ");
        assert_eq!(error, format!("--study nets: no such study, expected one of {known}"));
    }
}
