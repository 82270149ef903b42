//! `dm sanity`: checks that metrics in a classifier's features rank known corruptions of real images correctly.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use dm_eval::protocol::shuffled;
use dm_eval::sanity::{CorruptionResult, Disorder, disorder, sanity_check};
use dm_record::{CorruptionScores, ReferenceRecord, SCHEMA, SanityFile, SanityResult};

use crate::eval_session::{EvalSession, SessionArgs};
use crate::output_args::OutputArgs;
use crate::records;
use crate::terminal::Terminal;

/// Check that the metrics rank known corruptions of real images correctly.
///
/// Training images are corrupted in known ways, from invisible noise to pure noise. The Frechet distance must rise with the
/// strength of a corruption. If the distance does not rise for a classifier, do not compare models with that classifier. The
/// expected order of corruptions of different kinds is that of MNIST; other data may have another order.
#[derive(clap::Args)]
pub struct Args {
    /// Largest number of images of each corruption.
    #[arg(short, long, default_value_t = 10_000)]
    n: usize,
    #[command(flatten)]
    session: SessionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    ensure!((1..=100_000).contains(&args.n), "--n: found {}, expected 1 to 100000", args.n);
    let session = EvalSession::open(&args.session, terminal)?;
    let data = session.data()?;
    let train = &data.train;
    let n = args.n.min(train.len());
    let rows = shuffled(train.len(), n);
    let labels: Vec<u8> = rows.iter().map(|&row| train.labels[row]).collect();
    let seen = |class: usize| labels.iter().any(|&label| usize::from(label) == class);
    let missing = train.class_counts().iter().enumerate().any(|(class, &count)| count > 0 && !seen(class));
    let classes = data.num_classes();
    ensure!(!missing, "--n: found {n}, expected enough images to see all {classes} classes");
    let pixels: Vec<u8> = rows.iter().flat_map(|&row| train.image(row)).copied().collect();

    let (mut results, mut lines) = (Vec::new(), Vec::new());
    let mut compared_with = ReferenceRecord::default();
    for classifier in &session.classifiers {
        let reference = session.reference(classifier)?;
        let images = reference.images()?;
        let mut watch =
            |part: &str, done, all| session.watch(&format!("{}: {part}", classifier.name), done, all);
        let corruptions = sanity_check(classifier, &pixels, &labels, images, &session.cache, &mut watch)?;
        let wrong = disorder(&corruptions);
        lines.push(format!("{n} images each, {}, classifier {}", reference.describe(), classifier.name));
        lines.extend(table(&corruptions, &wrong));
        compared_with = reference.record();
        results.push(SanityResult {
            classifier: records::classifier(classifier, None),
            corruptions: corruptions.iter().map(scores).collect(),
            disorder: wrong
                .iter()
                .map(|pair| [pair.milder.name, pair.stronger.name].map(str::to_owned))
                .collect(),
        });
    }
    session.finish();
    let record = SanityFile {
        schema: SCHEMA,
        dm_version: env!("CARGO_PKG_VERSION").to_owned(),
        reference: compared_with,
        data_sha256: data.sha256.clone(),
        n,
        results,
    };
    args.output.finish(terminal, &record, || lines)?;
    Ok(ExitCode::SUCCESS)
}

/// The scores of one corruption as a record.
fn scores(result: &CorruptionResult) -> CorruptionScores {
    CorruptionScores {
        name: result.name.to_owned(),
        groups: result.groups,
        fd: result.fd,
        precision: result.precision,
        recall: result.recall,
        coverage: result.coverage,
        memorised: result.memorised,
    }
}

/// The lines of the table, and a line for every pair of corruptions that is out of order.
fn table(results: &[CorruptionResult], wrong: &[Disorder<'_>]) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<26}{:>12}{:>11}{:>9}{:>10}{:>11}",
        "corruption", "FD", "precision", "recall", "coverage", "memorised"
    )];
    lines.extend(results.iter().map(|r| {
        format!(
            "{:<26}{:>12.3}{:>11.3}{:>9.3}{:>10.3}{:>11.3}",
            r.name, r.fd, r.precision, r.recall, r.coverage, r.memorised
        )
    }));
    if wrong.is_empty() {
        lines.push("all corruptions are in order".into());
    }
    lines.extend(wrong.iter().map(|pair| format!("out of order: {pair}")));
    lines
}
