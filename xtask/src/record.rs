//! The files of a run as the sweep and the figures read them: `manifest.json` and `metrics.jsonl`. Reading only;
//! `dm` alone writes them. A run that is still going, or was cut off in mid-line, reads as far as it got.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const SCHEMA: u32 = 1;

/// What `manifest.json` says, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub struct Manifest {
    schema: u32,
    pub status: Status,
    pub parameters: u64,
    pub steps_total: u64,
    pub steps_done: u64,
    pub epochs: u64,
    pub wall_s: f64,
    /// Commit of the program, where it was built in a repository.
    pub git_revision: Option<String>,
    pub data_sha256: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Running,
    Complete,
}

impl Manifest {
    /// Reads the manifest of a run folder; `None` where there is none yet.
    pub fn read(run: &Path) -> Result<Option<Self>> {
        let path = run.join("manifest.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let manifest: Self = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        let found = manifest.schema;
        ensure!(found == SCHEMA, "{}: schema is {found}, expected {SCHEMA}", path.display());
        Ok(Some(manifest))
    }
}

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Step(StepRow),
    Epoch(EpochRow),
    Eval(EvalRow),
    /// A kind of event that came after this reader was written.
    #[serde(other)]
    Other,
}

/// The mean over a few steps of training. A loss that was not finite is absent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StepRow {
    pub step: u64,
    pub epoch: u64,
    pub loss: Option<f64>,
    pub images_per_s: Option<f64>,
}

/// The end of an epoch. The ten bins are equal parts of t/T, least degraded first.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EpochRow {
    pub step: u64,
    pub epoch: u64,
    pub train_loss: Option<f64>,
    pub val_loss: Option<f64>,
    #[serde(default)]
    pub val_loss_by_t: Vec<Option<f64>>,
    pub seconds: f64,
    pub images_per_s: Option<f64>,
}

/// Samples measured on the way. A limit that was not defined is absent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EvalRow {
    pub step: u64,
    pub epoch: u64,
    /// Samples behind it.
    pub n: u64,
    pub fd: f64,
    pub fd_infinity: Option<f64>,
}

/// Everything measured in a run, in order of steps.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub steps: Vec<StepRow>,
    pub epochs: Vec<EpochRow>,
    pub evaluations: Vec<EvalRow>,
}

impl Metrics {
    pub fn read(run: &Path) -> Result<Self> {
        let mut tail = Tail::new(run);
        tail.poll()?;
        Ok(tail.metrics)
    }

    /// Takes one more event. A resumed run repeats the steps after its checkpoint: the later telling counts.
    fn push(&mut self, event: Event) {
        match event {
            Event::Step(row) => {
                while self.steps.last().is_some_and(|old| old.step >= row.step) {
                    self.steps.pop();
                }
                self.epochs.retain(|old| old.step <= row.step);
                self.evaluations.retain(|old| old.step <= row.step);
                self.steps.push(row);
            }
            Event::Epoch(row) => {
                while self.epochs.last().is_some_and(|old| old.step >= row.step) {
                    self.epochs.pop();
                }
                self.epochs.push(row);
            }
            Event::Eval(row) => {
                self.evaluations.retain(|old| old.step < row.step);
                self.evaluations.push(row);
            }
            Event::Other => {}
        }
    }

    /// Mean speed over all epochs, weighted by their time.
    pub fn images_per_s(&self) -> Option<f64> {
        let timed = || self.epochs.iter().filter_map(|row| Some((row.images_per_s?, row.seconds)));
        let seconds: f64 = timed().map(|(_, seconds)| seconds).sum();
        (seconds > 0.0).then(|| timed().map(|(speed, seconds)| speed * seconds).sum::<f64>() / seconds)
    }

    pub fn last_train_loss(&self) -> Option<f64> {
        self.epochs.last()?.train_loss
    }

    pub fn last_val_loss(&self) -> Option<f64> {
        self.epochs.last()?.val_loss
    }
}

/// Follows a growing `metrics.jsonl`: each poll reads the whole lines that came since the last.
pub struct Tail {
    path: PathBuf,
    offset: u64,
    partial: Vec<u8>,
    pub metrics: Metrics,
}

impl Tail {
    pub fn new(run: &Path) -> Self {
        Self { path: run.join("metrics.jsonl"), offset: 0, partial: Vec::new(), metrics: Metrics::default() }
    }

    pub fn poll(&mut self) -> Result<()> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| self.path.display().to_string()),
        };
        // A resumed run may cut off what came after its checkpoint: start over then.
        if file.metadata()?.len() < self.offset {
            (self.offset, self.partial, self.metrics) = (0, Vec::new(), Metrics::default());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        self.offset += file.read_to_end(&mut self.partial)? as u64;
        while let Some(end) = self.partial.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            // A line cut by a crash and glued to the next is no event; the rest of the file still is.
            if let Ok(event) = serde_json::from_slice(&line) {
                self.metrics.push(event);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn step(step: u64, loss: f64) -> String {
        format!(
            "{{\"event\":\"step\",\"step\":{step},\"epoch\":1,\"loss\":{loss},\"lr\":1e-3,\"grad_norm\":1,\"images_per_s\":900}}\n"
        )
    }

    fn epoch(step: u64, seconds: f64, speed: f64) -> String {
        format!(
            "{{\"event\":\"epoch\",\"step\":{step},\"epoch\":1,\"train_loss\":0.5,\"train_loss_by_t\":[null],\
             \"val_loss\":0.4,\"val_loss_by_t\":[0.1,null],\"seconds\":{seconds},\"images_per_s\":{speed}}}\n"
        )
    }

    #[test]
    fn a_resumed_run_counts_each_step_once_and_the_later_telling() {
        let dir = tempfile::tempdir().unwrap();
        let lines = [step(10, 1.0), step(20, 0.9), epoch(20, 1.0, 9.0), step(10, 0.8), step(20, 0.7)];
        std::fs::write(dir.path().join("metrics.jsonl"), lines.concat()).unwrap();
        let metrics = Metrics::read(dir.path()).unwrap();
        let seen: Vec<_> = metrics.steps.iter().map(|row| (row.step, row.loss)).collect();
        assert_eq!(seen, [(10, Some(0.8)), (20, Some(0.7))]);
        assert!(metrics.epochs.is_empty(), "the epoch lies after the step that was repeated");
    }

    #[test]
    fn half_a_line_waits_for_its_other_half() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let line = step(10, 1.0);
        std::fs::write(&path, &line[..20]).unwrap();
        let mut tail = Tail::new(dir.path());
        tail.poll().unwrap();
        assert!(tail.metrics.steps.is_empty());
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(&line.as_bytes()[20..])
            .unwrap();
        tail.poll().unwrap();
        assert_eq!(tail.metrics.steps.len(), 1);
    }

    #[test]
    fn measured_samples_stand_beside_the_losses_and_do_not_touch_them() {
        let eval = |step: u64, fd: f64| {
            format!(
                "{{\"event\":\"eval\",\"step\":{step},\"epoch\":1,\"n\":1000,\"n_reference\":10000,\"fd\":{fd},\
                 \"fd_infinity\":null,\"precision\":0.5,\"recall\":0.5,\"seconds\":1}}\n"
            )
        };
        let read = |lines: &[String]| {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("metrics.jsonl"), lines.concat()).unwrap();
            Metrics::read(dir.path()).unwrap()
        };
        let (plain, with) = (
            read(&[step(10, 1.0), epoch(10, 1.0, 9.0), step(20, 0.5), epoch(20, 1.0, 9.0)]),
            read(&[
                step(10, 1.0),
                epoch(10, 1.0, 9.0),
                eval(10, 80.0),
                step(20, 0.5),
                epoch(20, 1.0, 9.0),
                eval(20, 30.0),
                eval(20, 31.0),
            ]),
        );
        assert_eq!((&plain.steps, &plain.epochs), (&with.steps, &with.epochs));
        assert_eq!(with.evaluations.iter().map(|row| row.fd).collect::<Vec<_>>(), [80.0, 31.0]);
        assert_eq!(with.evaluations[0].fd_infinity, None);
    }

    #[test]
    fn events_of_other_kinds_and_broken_lines_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let text =
            format!("{{\"event\":\"note\",\"text\":1}}\n{{\"event\":\"ste{}", step(10, 1.0)) + &step(20, 0.5);
        std::fs::write(dir.path().join("metrics.jsonl"), text).unwrap();
        let metrics = Metrics::read(dir.path()).unwrap();
        assert_eq!(metrics.steps.len(), 1);
    }

    #[test]
    fn speed_is_weighted_by_time() {
        let mut tail = Tail::new(Path::new("nowhere"));
        for line in [epoch(10, 1.0, 100.0), epoch(20, 3.0, 200.0)] {
            tail.metrics.push(serde_json::from_str(&line).unwrap());
        }
        assert_eq!(tail.metrics.images_per_s(), Some(175.0));
    }

    #[test]
    fn a_manifest_of_another_schema_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"{"schema":9,"status":"running","parameters":1,"steps_total":1,"steps_done":0,"epochs":1,"wall_s":0}"#;
        std::fs::write(dir.path().join("manifest.json"), text).unwrap();
        let error = Manifest::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("manifest.json: schema is 9, expected 1"), "{error}");
    }
}
