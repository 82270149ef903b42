//! Reads `metrics.jsonl` of a run. The run may still be training, and the last line may be incomplete.

use anyhow::{Context, Result};
use dm_record::{EpochLine, EvalLine, MetricsLine, StepLine};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// All metrics of a run, in order of steps.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub steps: Vec<StepLine>,
    pub epochs: Vec<EpochLine>,
    pub evaluations: Vec<EvalLine>,
}

impl Metrics {
    /// Reads the metrics of a run folder; they are empty where there is no file yet.
    pub fn read(run: &Path) -> Result<Self> {
        let mut reader = MetricsReader::new(run);
        reader.poll()?;
        Ok(reader.metrics)
    }

    /// Adds one line. A resumed run repeats the steps after its checkpoint; the later line replaces the earlier one.
    fn push(&mut self, line: MetricsLine) {
        match line {
            MetricsLine::Step(line) => {
                self.steps.retain(|old| old.step < line.step);
                self.epochs.retain(|old| old.step <= line.step);
                self.evaluations.retain(|old| old.step <= line.step);
                self.steps.push(line);
            }
            MetricsLine::Epoch(line) => {
                self.epochs.retain(|old| old.step < line.step);
                self.epochs.push(line);
            }
            MetricsLine::Eval(line) => {
                self.evaluations.retain(|old| old.step < line.step);
                self.evaluations.push(line);
            }
            MetricsLine::Unknown => {}
        }
    }

    /// Mean training speed over all epochs, weighted by their durations.
    pub fn images_per_s(&self) -> Option<f64> {
        let timed = || self.epochs.iter().filter_map(|line| Some((line.images_per_s?, line.seconds?)));
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

/// Follows a growing `metrics.jsonl`: each poll reads the whole lines that were added since the last one.
pub struct MetricsReader {
    path: PathBuf,
    offset: u64,
    partial: Vec<u8>,
    pub metrics: Metrics,
}

impl MetricsReader {
    pub fn new(run: &Path) -> Self {
        Self { path: run.join("metrics.jsonl"), offset: 0, partial: Vec::new(), metrics: Metrics::default() }
    }

    /// Reads the lines that were added since the last poll.
    ///
    /// # Errors
    /// If reading fails. A missing file is not an error.
    pub fn poll(&mut self) -> Result<()> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| self.path.display().to_string()),
        };
        // A resumed run cuts off the lines after its checkpoint. The reader then starts over.
        if file.metadata()?.len() < self.offset {
            (self.offset, self.partial, self.metrics) = (0, Vec::new(), Metrics::default());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        self.offset += file.read_to_end(&mut self.partial)? as u64;
        while let Some(end) = self.partial.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            // A crash may leave half a line, to which the next line is appended. Both are skipped.
            if let Ok(line) = serde_json::from_slice(&line) {
                self.metrics.push(line);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::{epoch_line, eval_line, step_line};
    use std::io::Write;

    fn read(lines: &[String]) -> Metrics {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("metrics.jsonl"), lines.concat()).unwrap();
        Metrics::read(dir.path()).unwrap()
    }

    #[test]
    fn the_later_line_of_a_repeated_step_is_kept() {
        let lines = [step_line(10, 1.0), step_line(20, 0.9), epoch_line(20, 1.0, 9.0)];
        let metrics = read(&[&lines[..], &[step_line(10, 0.8), step_line(20, 0.7)]].concat());
        let seen: Vec<_> = metrics.steps.iter().map(|line| (line.step, line.loss)).collect();
        assert_eq!(seen, [(10, Some(0.8)), (20, Some(0.7))]);
        assert!(metrics.epochs.is_empty(), "the epoch ends after the repeated step");
    }

    #[test]
    fn an_incomplete_line_is_read_when_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let (path, line) = (dir.path().join("metrics.jsonl"), step_line(10, 1.0));
        std::fs::write(&path, &line[..20]).unwrap();
        let mut reader = MetricsReader::new(dir.path());
        reader.poll().unwrap();
        assert!(reader.metrics.steps.is_empty());
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&line.as_bytes()[20..]).unwrap();
        reader.poll().unwrap();
        assert_eq!(reader.metrics.steps.len(), 1);
    }

    #[test]
    fn evaluations_do_not_change_the_losses() {
        let [first, second] =
            [10, 20].map(|step| [step_line(step, 0.5), epoch_line(step, 1.0, 9.0)].concat());
        let plain = read(&[first.clone(), second.clone()]);
        let with = read(&[
            first,
            eval_line(10, 80.0, "null"),
            second,
            eval_line(20, 30.0, "1"),
            eval_line(20, 31.0, "1"),
        ]);
        assert_eq!((&plain.steps, &plain.epochs), (&with.steps, &with.epochs));
        assert_eq!(with.evaluations.iter().map(|line| line.fd).collect::<Vec<_>>(), [Some(80.0), Some(31.0)]);
        assert_eq!(with.evaluations[0].fd_infinity, None);
    }

    #[test]
    fn unknown_events_and_broken_lines_are_skipped() {
        let broken = format!("{{\"event\":\"ste{}", step_line(10, 1.0));
        assert_eq!(read(&["{\"event\":\"note\"}\n".into(), broken, step_line(20, 0.5)]).steps.len(), 1);
    }

    #[test]
    fn speed_is_weighted_by_time() {
        let metrics = read(&[epoch_line(10, 1.0, 100.0), epoch_line(20, 3.0, 200.0)]);
        assert_eq!(metrics.images_per_s(), Some(175.0));
    }
}
