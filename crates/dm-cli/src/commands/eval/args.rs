//! The arguments of `dm eval`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::builder::{PossibleValue, PossibleValuesParser};
use dm_eval::protocol::METRICS;

use crate::eval_session::SessionArgs;
use crate::guidance_args::GuidanceArgs;
use crate::output_args::OutputArgs;
use crate::sampling_args::SamplingArgs;

/// The options that only a model takes.
pub(super) const OF_MODELS: &str = "--nfe, --sampler, --variance, --spacing, --guidance and --autoguidance";

/// Measure the fidelity, the diversity and the novelty of generated images.
///
/// Every value is shown with its real baseline: the same metric, computed on as many real images. Only values with the same
/// number of images, reference and classifier can be compared. Samples, features and baselines are cached by the hash of
/// everything they depend on, so an interrupted evaluation continues where it stopped.
#[derive(clap::Args)]
pub struct Args {
    /// A model (run folder, file or shipped name) to sample from, or images: a folder or file of dm sample, a folder of PNG or
    /// JPEG files, or an IDX file. Several targets of images are one set each, for example samples of several seeds. The shards
    /// of one sample set, or their folder, are one set.
    #[arg(required = true, value_name = "TARGET")]
    pub(super) targets: Vec<String>,
    /// Number of images in a set; images that exist already may be fewer. More than 100000 images have to be in shards. They are
    /// read part by part, and only the metrics fd, score and balance are computed, without a real baseline.
    #[arg(short, long, default_value_t = 10_000)]
    pub(super) n: usize,
    /// Number of sets: for a model, samples of the seeds 1 to SEEDS; for images, disjoint random subsets. Two or more sets give
    /// confidence intervals.
    #[arg(long, default_value_t = 1)]
    pub(super) seeds: u64,
    /// Pool all sets into one set of n images, n / SEEDS from each. A jackknife, which leaves out one seed at a time, estimates
    /// the interval. This takes a fraction of the samples that separate sets of n images take.
    #[arg(long)]
    pub(super) pool: bool,
    /// Metrics, separated by commas [default: all; without a data set those that need only the statistics of the test images
    /// inside the program].
    #[arg(long, value_delimiter = ',', value_name = "METRIC[,METRIC...]", value_parser = metric_names())]
    pub(super) metrics: Vec<String>,
    #[command(flatten)]
    pub(super) sampling: SamplingArgs,
    #[command(flatten)]
    pub(super) guidance: GuidanceArgs,
    /// Also train a new classifier on the first set, with the labels that the first classifier of --classifier assigns, and report
    /// its accuracy on the test images.
    #[arg(long)]
    pub(super) classifier_accuracy: bool,
    /// Also write pictures of the first set and the scores behind them to this folder: best, worst and random images, nearest
    /// training images, failures, and principal components of the features.
    #[arg(long, value_name = "DIR")]
    pub(super) panels: Option<PathBuf>,
    #[command(flatten)]
    pub(super) session: SessionArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// The names of all metrics, each with what it measures.
fn metric_names() -> PossibleValuesParser {
    METRICS.iter().map(|metric| PossibleValue::new(metric.name()).help(metric.summary())).into()
}

impl Args {
    /// Checks the ranges of numbers.
    ///
    /// # Errors
    /// If a number is outside its range.
    pub(super) fn check(&self) -> Result<()> {
        ensure!(self.n >= 1, "--n: found {}, expected 1 to 100000", self.n);
        ensure!((1..=1000).contains(&self.seeds), "--seeds: found {}, expected 1 to 1000", self.seeds);
        Ok(())
    }
}
