//! What a sweep consists of: the files `xtask/sweeps/*.toml`, checked, and narrowed to one profile. Whether a run
//! has been made already is not known here.

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How much work a sweep is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Does everything work? Under three minutes, for CI
    Smoke,
    /// Digits worth looking at, under 40 minutes on two cores
    Laptop,
    /// The 100 epochs of the starter notebook
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

/// One run of one profile: what to hand to `dm`.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub name: String,
    /// What the figures call it.
    pub title: String,
    /// What its loss is; losses of different kinds never share an axis.
    pub loss: String,
    pub config: PathBuf,
    pub set: Vec<String>,
    pub sample: Sample,
}

/// How a finished run is sampled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Number of images.
    pub n: u32,
    /// Network evaluations per image; absent: as in the model's config.
    pub steps: Option<u32>,
    #[serde(default = "first_seed")]
    pub seed: u64,
}

fn first_seed() -> u64 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SweepFile {
    run: Vec<RunSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunSpec {
    name: String,
    title: String,
    loss: String,
    config: PathBuf,
    profiles: BTreeMap<Profile, ProfileSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileSpec {
    #[serde(default)]
    set: Vec<String>,
    sample: Sample,
}

/// Every run of a profile, files in order of name, runs as written. Config paths are taken from `root`.
pub fn load(dir: &Path, root: &Path, profile: Profile) -> Result<Vec<Job>> {
    let entries = std::fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| dir.display().to_string())?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    let mut jobs: Vec<Job> = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let sweep: SweepFile = toml::from_str(&text).with_context(|| file.display().to_string())?;
        for run in sweep.run {
            let place = || format!("{}: run.name = {:?}", file.display(), run.name);
            ensure!(is_plain(&run.name), "{}, expected letters, digits and hyphens", place());
            ensure!(jobs.iter().all(|job| job.name != run.name), "{}: named twice", place());
            let mut profiles = run.profiles;
            if let Some(chosen) = profiles.remove(&profile) {
                jobs.push(Job {
                    name: run.name,
                    title: run.title,
                    loss: run.loss,
                    config: root.join(run.config),
                    set: chosen.set,
                    sample: chosen.sample,
                });
            }
        }
    }
    ensure!(!jobs.is_empty(), "{}: no run for profile {}", dir.display(), profile.name());
    Ok(jobs)
}

/// Keeps the named runs, in the order of the sweep.
pub fn select(jobs: Vec<Job>, only: &[String]) -> Result<Vec<Job>> {
    for name in only {
        if jobs.iter().all(|job| job.name != *name) {
            let known: Vec<_> = jobs.iter().map(|job| job.name.as_str()).collect();
            bail!("--only {name}: no such run in this profile, expected one of {}", known.join(", "));
        }
    }
    Ok(jobs.into_iter().filter(|job| only.is_empty() || only.contains(&job.name)).collect())
}

/// A name that is also a folder's name, and nothing else.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"
        [[run]]
        name = "first"
        title = "First"
        loss = "error"
        config = "data/first.toml"
        profiles.smoke = { set = ["epochs=1"], sample = { n = 4, steps = 2 } }
        profiles.full = { sample = { n = 100 } }

        [[run]]
        name = "second"
        title = "Second"
        loss = "error"
        config = "data/second.toml"
        profiles.full = { sample = { n = 100, seed = 3 } }
    "#;

    fn load_text(text: &str, profile: Profile) -> Result<Vec<Job>> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.toml"), text).unwrap();
        load(dir.path(), Path::new("/root"), profile)
    }

    #[test]
    fn a_profile_holds_the_runs_that_name_it() {
        let smoke = load_text(TWO, Profile::Smoke).unwrap();
        assert_eq!(smoke.len(), 1);
        assert_eq!(smoke[0].config, Path::new("/root/data/first.toml"));
        assert_eq!(smoke[0].set, ["epochs=1"]);
        assert_eq!(smoke[0].sample, Sample { n: 4, steps: Some(2), seed: 1 });
        let full = load_text(TWO, Profile::Full).unwrap();
        assert_eq!(full.iter().map(|job| job.name.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        assert!(
            load_text(TWO, Profile::Laptop).unwrap_err().to_string().contains("no run for profile laptop")
        );
    }

    #[test]
    fn unknown_keys_double_names_and_odd_names_are_refused() {
        let unknown = TWO.replace("title = \"First\"", "titel = \"First\"");
        assert!(format!("{:#}", load_text(&unknown, Profile::Full).unwrap_err()).contains("titel"));
        let twice = TWO.replace("\"second\"", "\"first\"");
        assert!(load_text(&twice, Profile::Full).unwrap_err().to_string().contains("named twice"));
        let odd = TWO.replace("\"second\"", "\"../second\"");
        assert!(load_text(&odd, Profile::Full).unwrap_err().to_string().contains("expected letters"));
    }

    #[test]
    fn only_keeps_the_order_of_the_sweep_and_refuses_strangers() {
        let jobs = || load_text(TWO, Profile::Full).unwrap();
        let names = |only: &[&str]| {
            let only: Vec<_> = only.iter().map(ToString::to_string).collect();
            select(jobs(), &only).map(|jobs| jobs.into_iter().map(|job| job.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap(), ["first", "second"]);
        assert_eq!(names(&["second", "first"]).unwrap(), ["first", "second"]);
        assert!(names(&["third"]).unwrap_err().to_string().contains("first, second"));
    }

    #[test]
    fn the_sweeps_of_this_workspace_are_well_formed() {
        let root = crate::workspace::root();
        for profile in [Profile::Smoke, Profile::Laptop, Profile::Full] {
            let jobs = load(&root.join("xtask/sweeps"), root, profile).unwrap();
            let names: Vec<_> = jobs.iter().map(|job| job.name.as_str()).collect();
            assert_eq!(names, ["ddpm-reference", "ddpm-unet", "ink-unet"], "{}", profile.name());
        }
    }
}
