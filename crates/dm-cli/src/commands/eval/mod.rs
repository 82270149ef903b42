//! `dm eval`: measures the fidelity of generated images by one fixed protocol. Every value has a real baseline and, with
//! several seeds, an interval.

mod args;
mod classifier_accuracy;
mod draw;
mod eval_result;
mod panels;
mod report;
mod sample_sets;
mod streamed;
mod target;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use dm_eval::protocol::{Metric, ReferenceStatistics, metrics_named};

use crate::eval_session::EvalSession;
use crate::terminal::Terminal;
use crate::waiting::waiting;
use target::Target;

pub use args::Args;

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    args.check()?;
    let mut metrics = metrics_named(&args.metrics)?;
    let session = EvalSession::open(&args.session, terminal)?;
    if args.metrics.is_empty() && session.data().is_err() {
        metrics.retain(|metric| ReferenceStatistics::METRICS.contains(&metric.name()));
    }
    let target = waiting(terminal, "reading images", || Target::open(args, &session.device))?;
    target.check(args, session.shape())?;
    if let Target::Streamed(set) = &target {
        streamed::run(set, args, &metrics, &session, terminal)?;
        return Ok(ExitCode::SUCCESS);
    }
    let samples = target.sets(args, &session)?;
    let (main, others) =
        session.classifiers.split_first().context("--classifier: found none, expected one")?;
    let needs_training = args.panels.is_some();
    let mut main = eval_result::evaluate(main, &samples, &metrics, needs_training, &session)?;
    if args.classifier_accuracy {
        main.table.rows.push(classifier_accuracy::row(&main, &session)?);
    }
    if main.table.rows.is_empty() {
        let reasons =
            main.table.omitted.iter().map(|omitted| format!("{}: {}", omitted.metric, omitted.reason));
        bail!("none of the metrics has a value: {}", reasons.collect::<Vec<_>>().join("; "));
    }
    if let Some(folder) = &args.panels {
        panels::write(folder, &main, &samples)?;
    }
    // Metrics that search the training set are slow. Only the first classifier computes them.
    let of_classifier: Vec<&dyn Metric> =
        metrics.iter().copied().filter(|metric| !metric.uses_training_set()).collect();
    let others = others.iter().map(|classifier| {
        eval_result::evaluate(classifier, &samples, &of_classifier, needs_training, &session)
    });
    let others = others.collect::<Result<Vec<_>>>()?;
    session.finish();

    let record = report::record(&session, &samples, &main, &others);
    args.output.finish(terminal, &record, || report::lines(&samples, &main, &others))?;
    Ok(ExitCode::SUCCESS)
}
