//! Follows a submitted sweep until all of its runs have ended.

use super::client::{self, Task};
use super::jobs::Submitted;
use crate::records::read_manifest;
use crate::sweep::folder;
use crate::sweep::process;
use crate::sweep::progress::{self, State};
use crate::sweep::study::Job;
use crate::sweep::training_progress::TrainingProgress;
use anyhow::Result;
use dm_record::RunStatus;
use std::path::Path;
use std::sync::mpsc;
use std::thread::sleep;
use std::time::Duration;

/// How often Slurm is asked. A busy controller should not be asked more often.
const POLL: Duration = Duration::from_secs(2);
/// How often the watching process looks whether it is to end.
const TICK: Duration = Duration::from_millis(100);
/// Number of log lines in the message about a failed run.
const TAIL_LINES: usize = 10;

/// Shows the states of `jobs` until all of them have ended; returns the last state of each. Ctrl-C ends only the watching.
pub fn watch(jobs: &[Job], submitted: &Submitted, out: &Path) -> Result<Vec<State>> {
    process::catch_interrupts()?;
    let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        let follower = scope.spawn(move || follow(jobs, submitted, out, &send));
        let states = progress::show(&names, &receive);
        follower.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(states)
    })
}

/// Sends every change of a state, until all runs and the job of the figures have ended.
fn follow(
    jobs: &[Job],
    submitted: &Submitted,
    out: &Path,
    send: &mpsc::Sender<(usize, State)>,
) -> Result<()> {
    let mut trainings: Vec<_> = jobs.iter().map(|job| TrainingProgress::new(&out.join(&job.name))).collect();
    let mut states = vec![State::Waiting; jobs.len()];
    loop {
        let tasks = client::squeue(&submitted.ids())?;
        for (index, (job, training)) in jobs.iter().zip(&mut trainings).enumerate() {
            if states[index].is_end() {
                continue;
            }
            let state = if process::interrupted() {
                State::Unwatched
            } else {
                let number = submitted.number(&job.name);
                let of = |id: &str| tasks.iter().find(|task| task.job == id && task.number == number);
                state(job, of(&submitted.train), of(&submitted.evaluate), training, out)
            };
            if state != states[index] {
                states[index] = state.clone();
                // The receiver outlives this thread, so sending cannot fail.
                let _ = send.send((index, state));
            }
        }
        let figures = tasks.iter().any(|task| task.job == submitted.figures && task.is_active());
        if process::interrupted() || (!figures && states.iter().all(State::is_end)) {
            return Ok(());
        }
        for _ in 0..POLL.as_millis() / TICK.as_millis() {
            if process::interrupted() {
                break;
            }
            sleep(TICK);
        }
    }
}

/// The state of a run whose two tasks are `train` and `evaluate`, as far as Slurm still knows them.
fn state(
    job: &Job,
    train: Option<&Task>,
    evaluate: Option<&Task>,
    training: &mut TrainingProgress,
    out: &Path,
) -> State {
    let run = out.join(&job.name);
    let failed = |task: Option<&Task>| {
        let slurm = task.map_or("Slurm no longer knows its jobs".into(), |task| {
            format!("Slurm says {} ({})", task.state, task.reason)
        });
        State::Failed(format!("{slurm}; {}", log_end(job, out)))
    };
    match (train, evaluate) {
        (Some(task), _) if task.state == "RUNNING" => training.poll().unwrap_or(State::Starting),
        (Some(task), _) if task.is_active() => State::Queued(task.reason.clone()),
        (Some(task), _) if task.state != "COMPLETED" => failed(Some(task)),
        (_, Some(task)) if task.state == "RUNNING" => State::Sampling,
        (_, Some(task)) if task.is_active() => State::Queued(task.reason.clone()),
        (_, task) => {
            let is_complete = read_manifest(&run).is_ok_and(|manifest| {
                manifest.is_some_and(|manifest| manifest.status == RunStatus::Complete)
            });
            let is_done = is_complete && folder::is_sampled(&run, &job.sample);
            if is_done { State::Complete { made: true } } else { failed(task.or(train)) }
        }
    }
}

/// Where the log of a run is, and its last lines.
fn log_end(job: &Job, out: &Path) -> String {
    let log = out.join("logs").join(format!("{}.txt", job.name));
    let text = std::fs::read(&log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<&str> = text.lines().rev().take(TAIL_LINES).collect();
    lines.reverse();
    let slurm = out.join("logs/slurm");
    let (log, slurm) = (log.display(), slurm.display());
    if lines.is_empty() {
        return format!("its log {log} is empty; Slurm's own logs are in {slurm}");
    }
    format!("its log {log} ends (Slurm's own logs are in {slurm}):\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::study::Sample;

    fn task(state: &str) -> Task {
        Task { job: "1".into(), number: Some(1), state: state.into(), reason: "None".into() }
    }

    #[test]
    fn the_states_of_both_tasks_make_the_state_of_a_run() {
        let dir = tempfile::tempdir().unwrap();
        let sample = Sample { n: 4, nfe: None, seed: 1, restored: 4, measure: None };
        let job = Job {
            name: "a".into(),
            title: "a".into(),
            group: None,
            loss: "error".into(),
            config: "a.toml".into(),
            set: Vec::new(),
            sample,
            evaluations: Vec::new(),
        };
        let run = dir.path().join("a");
        let of = |train: Option<&str>, evaluate: Option<&str>| {
            let (train, evaluate) = (train.map(task), evaluate.map(task));
            state(&job, train.as_ref(), evaluate.as_ref(), &mut TrainingProgress::new(&run), dir.path())
        };
        assert_eq!(of(Some("PENDING"), Some("PENDING")), State::Queued("None".into()));
        assert_eq!(of(Some("RUNNING"), Some("PENDING")), State::Starting);
        assert_eq!(of(Some("COMPLETED"), Some("PENDING")), State::Queued("None".into()));
        assert_eq!(of(Some("COMPLETED"), Some("RUNNING")), State::Sampling);
        let State::Failed(message) = of(Some("FAILED"), Some("CANCELLED")) else { panic!("not failed") };
        assert!(message.contains("FAILED") && message.contains("logs/a.txt is empty"), "{message}");
        std::fs::create_dir_all(dir.path().join("logs")).unwrap();
        std::fs::write(dir.path().join("logs/a.txt"), "first\nerror: loss is NaN\n").unwrap();
        let State::Failed(message) = of(None, None) else { panic!("not failed") };
        assert!(message.ends_with("first\nerror: loss is NaN"), "{message}");
    }
}
