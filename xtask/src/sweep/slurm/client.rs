//! The commands of Slurm: submitting a script, and asking for the states of jobs.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Output};

/// One job or one task of an array in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Id of the job; for an array, of the whole array.
    pub job: String,
    /// Number of the task in the array; `None` for a job that is no array.
    pub number: Option<usize>,
    /// State in Slurm's words, for example `PENDING`.
    pub state: String,
    /// Why the task waits or has failed, in Slurm's words.
    pub reason: String,
}

impl Task {
    /// Whether the task is waiting, running, or on its way between both.
    pub fn is_active(&self) -> bool {
        const ACTIVE: [&str; 11] = [
            "PENDING",
            "RUNNING",
            "SUSPENDED",
            "CONFIGURING",
            "COMPLETING",
            "REQUEUED",
            "REQUEUE_HOLD",
            "STAGE_OUT",
            "SIGNALING",
            "RESIZING",
            "PREEMPTED",
        ];
        ACTIVE.contains(&self.state.as_str())
    }
}

/// Submits the script at `path`; returns the id of the job.
pub fn sbatch(path: &Path, dependency: Option<&str>) -> Result<String> {
    let mut command = Command::new("sbatch");
    command.arg("--parsable").args(dependency.map(|words| format!("--dependency={words}"))).arg(path);
    let output = output(&mut command)?;
    if !output.status.success() {
        bail!("{}: sbatch failed: {}", path.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let id = text.trim().split(';').next().unwrap_or_default();
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        bail!("{}: sbatch: found {:?}, expected the id of a job", path.display(), text.trim());
    }
    Ok(id.to_owned())
}

/// Cancels jobs. Jobs that have ended are left as they are.
pub fn scancel(ids: &[String]) -> Result<()> {
    output(Command::new("scancel").args(ids)).map(drop)
}

/// The tasks of the jobs `ids` that Slurm still knows, ended ones included.
pub fn squeue(ids: &[String]) -> Result<Vec<Task>> {
    let mut command = Command::new("squeue");
    command.args(["--noheader", "--array", "--states=all", "--format=%F|%K|%T|%r", "--jobs", &ids.join(",")]);
    let output = output(&mut command)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // Slurm forgets ended jobs after some minutes.
    if !output.status.success() && !errors.contains("Invalid job id") {
        bail!("squeue failed: {}", errors.trim());
    }
    String::from_utf8_lossy(&output.stdout).lines().map(task).collect()
}

/// One line of squeue.
fn task(line: &str) -> Result<Task> {
    let mut fields = line.trim().split('|').map(str::to_owned);
    let mut next = || fields.next().with_context(|| format!("squeue: found {line:?}, expected four fields"));
    Ok(Task { job: next()?, number: next()?.parse().ok(), state: next()?, reason: next()? })
}

fn output(command: &mut Command) -> Result<Output> {
    let program = command.get_program().display().to_string();
    command
        .output()
        .with_context(|| format!("{program}: cannot start it; Slurm's commands must be installed here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_squeue_are_tasks() {
        let found = task("12|3|PENDING|Dependency").unwrap();
        let expected =
            Task { job: "12".into(), number: Some(3), state: "PENDING".into(), reason: "Dependency".into() };
        assert_eq!(found, expected);
        assert!(found.is_active());
        let single = task("14|N/A|FAILED|NonZeroExitCode").unwrap();
        assert!(single.number.is_none() && !single.is_active());
        assert!(task("12|3").is_err());
    }
}
