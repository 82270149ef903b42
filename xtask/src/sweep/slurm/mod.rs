//! The executor on a cluster: writes batch scripts, submits them to Slurm, and follows the jobs.
//!
//! The run folders must be on a file system that the cluster's nodes share.

mod client;
mod jobs;
mod options;
mod scripts;
mod watch;

use super::executor::{Executor, Outcome};
use super::folder;
use super::study::Job;
use super::worker::Setup;
use crate::workspace::{root, write_atomically};
use anyhow::{Context, Result, anyhow, bail};
use jobs::Submitted;
pub use options::Options;
use scripts::{STAGES, Scripts, Stage};
use std::path::{Path, PathBuf};

/// Runs jobs on a cluster.
pub struct Slurm {
    pub options: Options,
    /// Name of the sweep, which begins the names of its jobs.
    pub name: String,
    /// Options that name the study, its profile and the folder of its runs, for `xtask`.
    pub place: Vec<String>,
}

impl Executor for Slurm {
    fn run(&self, jobs: &[Job], setup: &Setup) -> Result<Outcome> {
        let scripts = Scripts {
            jobs,
            options: &self.options,
            name: self.name.clone(),
            root: root().to_owned(),
            out: &setup.out,
            dm: &setup.dm,
            xtask: std::env::current_exe().context("finding this binary")?,
            place: self.place.clone(),
            device: setup.device.name(),
        };
        let folder = setup.out.join("slurm");
        if self.options.dry_run {
            print_scripts(&scripts, &folder);
            return Ok(Outcome::LeftAlone);
        }
        let submitted = match in_queue(&folder)? {
            Some(submitted)
                if self.options.watch && jobs.iter().all(|job| submitted.number(&job.name).is_some()) =>
            {
                eprintln!("following the jobs {}", submitted.ids().join(", "));
                submitted
            }
            Some(submitted) => {
                let ids = submitted.ids();
                bail!(
                    "{}: found the jobs {} in the queue, expected none: --watch follows them, scancel {} cancels them",
                    folder.display(),
                    ids.join(", "),
                    ids.join(" ")
                )
            }
            None => submit(&scripts, &folder, setup)?,
        };
        if !self.options.watch {
            eprintln!("the same command with --watch shows the states of the runs");
            return Ok(Outcome::LeftAlone);
        }
        watch::watch(jobs, &submitted, &setup.out).map(Outcome::Ended)
    }
}

/// The submitted jobs, if any of them is still waiting or running.
fn in_queue(folder: &Path) -> Result<Option<Submitted>> {
    let Some(submitted) = Submitted::read(folder)? else { return Ok(None) };
    let is_active = client::squeue(&submitted.ids())?.iter().any(client::Task::is_active);
    Ok(is_active.then_some(submitted))
}

fn path_of(stage: Stage, folder: &Path) -> PathBuf {
    folder.join(format!("{}.sbatch", stage.name()))
}

/// Prints what [`submit`] would write and run.
fn print_scripts(scripts: &Scripts<'_>, folder: &Path) {
    let mut before = String::new();
    for stage in STAGES {
        let path = path_of(stage, folder);
        let dependency = stage.dependency(&before).map(|words| format!(" --dependency='{words}'"));
        println!("==> {}\n{}", path.display(), scripts.script(stage));
        println!("$ sbatch --parsable{} {}\n", dependency.unwrap_or_default(), path.display());
        before = format!("<id of {}>", stage.name());
    }
}

/// Writes and submits the scripts. If one of them is refused, the jobs before it are cancelled.
fn submit(scripts: &Scripts<'_>, folder: &Path, setup: &Setup) -> Result<Submitted> {
    if setup.clean {
        folder::announce_deletion(scripts.jobs, &setup.out)?;
        scripts.jobs.iter().try_for_each(|job| folder::delete(&setup.out.join(&job.name)))?;
    }
    for path in [folder, &scripts.slurm_logs()] {
        std::fs::create_dir_all(path).with_context(|| path.display().to_string())?;
    }
    // All scripts are written before the first one is submitted, so that a full disk leaves no job in the queue.
    for stage in STAGES {
        write_atomically(&path_of(stage, folder), scripts.script(stage).as_bytes())?;
    }
    let mut ids: Vec<String> = Vec::new();
    for stage in STAGES {
        let path = path_of(stage, folder);
        let dependency = ids.last().and_then(|before| stage.dependency(before));
        match client::sbatch(&path, dependency.as_deref()) {
            Ok(id) => {
                eprintln!("{}: job {id}", path.display());
                ids.push(id);
            }
            Err(error) if ids.is_empty() => return Err(error),
            Err(error) => bail!("{error:#}{}", cancelled(&ids)),
        }
    }
    let [train, evaluate, figures] =
        ids.try_into().map_err(|ids| anyhow!("found the jobs {ids:?}, expected three"))?;
    let runs = scripts.jobs.iter().map(|job| job.name.clone()).collect();
    let submitted = Submitted { train, evaluate, figures, runs };
    submitted.write(folder)?;
    Ok(submitted)
}

/// Cancels jobs; returns the end of the message about it.
fn cancelled(ids: &[String]) -> String {
    match client::scancel(ids) {
        Ok(()) => format!("; the jobs {} are cancelled", ids.join(", ")),
        Err(error) => format!("; the jobs {} are still in the queue: {error:#}", ids.join(", ")),
    }
}
