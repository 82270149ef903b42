//! `dm eval`: how good generated images are, by one fixed protocol, with floor and interval beside every value.

mod classifier;
mod draw;
mod files;
mod ladder;
mod likelihood;
mod measured;
mod panels;
mod report;
mod target;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use candle_core::Device;
use dm_degrade::SamplerKind;
use dm_degrade::samplers::Spacing;
use dm_eval::cache::Cache;
use dm_eval::judge::Judge;
use dm_eval::protocol::{Images, Measure, measures};
use dm_nn::data::{Dataset, PIXELS};
use dm_nn::params::file::write_atomic;
use indicatif::ProgressBar;

use super::sample::{samplers, spacings};
use crate::device::{self, DeviceKind};
use crate::locate;
use crate::terminal::Terminal;
use files::Source;
use measured::measured;
use target::Target;

/// Measure generated images against real ones.
///
/// Every value stands beside its floor: the same measure on real images, at the same n. Values of different n, reference or
/// judge do not compare. Samples, features and floors are kept in a cache, under the hash of everything they depend on: an
/// evaluation that was cut off goes on where it was.
#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "options of a command line")]
pub struct Args {
    /// A model (run folder, file or shipped name), a folder or a file of images from `dm sample`, an IDX file, or a folder
    /// of PNGs of 28x28; or several of images, such as `dm sample` draws with several seeds: each is a set.
    #[arg(required_unless_present = "ladder", conflicts_with = "ladder", value_name = "TARGET")]
    targets: Vec<String>,
    /// Check the judge instead: real images spoiled in ten known ways must come out in order.
    #[arg(long)]
    ladder: bool,
    /// The reference, of which at most 10,000 images count: test, train, or images as for TARGET.
    #[arg(long, default_value = "test", value_name = "test|train|PATH")]
    against: String,
    /// Images to measure, at most [with --likelihood 200 if not said].
    #[arg(short, long, default_value_t = 10_000, default_value_if("likelihood", "true", "200"))]
    n: usize,
    /// Sets of n images: of a model those of generation seeds 1 to SEEDS, of images as many
    /// disjoint ones, drawn at random. Two or more give an interval.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Make one set of n out of the seeds, n / SEEDS images of each: one value of n images with an interval from leaving
    /// out one seed after another (jackknife), for a fraction of the sampling.
    #[arg(long)]
    pool: bool,
    /// Measures, separated by commas [default: all].
    #[arg(long, value_delimiter = ',')]
    metrics: Vec<String>,
    /// Network evaluations per image [default: as in the model's config].
    #[arg(long)]
    steps: Option<usize>,
    /// Sampler [default: as in the model's config].
    #[arg(long, value_parser = samplers())]
    sampler: Option<SamplerKind>,
    /// Where the levels lie [default: as in the model's config].
    #[arg(long, value_parser = spacings())]
    spacing: Option<Spacing>,
    /// The classifier behind the features: a shipped name, a file or a run folder. Several, separated by commas, show
    /// whether a ranking holds; all but the first leave out what asks about the training set.
    #[arg(long, value_delimiter = ',', default_value = "judge", value_name = "JUDGE[,JUDGE...]")]
    judge: Vec<String>,
    /// Bound the likelihood of test images instead, in bits per dimension: how many bits a Gaussian model needs for an
    /// image of 256 greys, or an Ink model for its grain counts. The two do not compare.
    #[arg(long, conflicts_with_all = ["ladder", "metrics", "sampler", "spacing", "seeds", "pool", "panels", "classifier_accuracy"])]
    likelihood: bool,
    /// Also train a classifier on the first set, as the judge labels it, and say how it does on the test images.
    #[arg(long, conflicts_with = "ladder")]
    classifier_accuracy: bool,
    /// Also write pictures of the first set and the scores behind them into this folder: best, worst and random images,
    /// nearest training images, failures, and the features seen from two sides.
    #[arg(long, value_name = "DIR", conflicts_with = "ladder")]
    panels: Option<PathBuf>,
    /// Folder with the four IDX files.
    #[arg(long, default_value = "data/mnist", value_name = "DIR")]
    data: PathBuf,
    /// Folder of the cache, which may be deleted at any time. What another build of the program kept is not believed.
    #[arg(long, default_value = "runs/.cache", value_name = "DIR")]
    cache: PathBuf,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Also write the JSON to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    device: DeviceKind,
}

/// Reference images at most: what the test set has.
const MOST_REFERENCE: usize = 10_000;

/// What every part of an evaluation uses.
struct Room {
    judges: Vec<Judge>,
    data: Dataset,
    device: Device,
    cache: Cache,
    bar: ProgressBar,
}

impl Room {
    fn new(args: &Args, terminal: &Terminal) -> Result<Self> {
        let device = device::open(args.device)?;
        let judges = args.judge.iter().map(|name| Ok(Judge::read(&locate::file(name)?, &device)?));
        Ok(Self {
            judges: judges.collect::<Result<_>>()?,
            data: Dataset::read(&locate::data(&args.data))?,
            device,
            cache: Cache::new(&args.cache, &locate::program_sha256()?),
            bar: terminal.bar(1, "{msg:<44} {bar:24.cyan/blue} {percent:>3}%  left {eta}"),
        })
    }

    /// Shows how far a part has come.
    fn watch(&self, part: &str, done: usize, all: usize) {
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(part.to_owned());
    }

    fn images(&self, name: &str, pixels: &[u8], judge: &Judge) -> Result<Images> {
        let mut watch = |part: &str, done, all| self.watch(part, done, all);
        Ok(Images::new(name, pixels.to_vec(), judge, Some(&self.cache), &mut watch)?)
    }
}

/// The first `n` of `pixels`, or all there are.
fn first(pixels: &[u8], n: usize) -> &[u8] {
    &pixels[..pixels.len().min(n * PIXELS)]
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    ensure!((1..=100_000).contains(&args.n), "--n: found {}, expected 1 to 100000", args.n);
    ensure!((1..=1000).contains(&args.seeds), "--seeds: found {}, expected 1 to 1000", args.seeds);
    if args.ladder {
        return ladder::run(args, terminal);
    }
    if args.likelihood {
        let [name] = &args.targets[..] else {
            bail!("--likelihood: found several targets, expected one model")
        };
        return likelihood::run(name, args, terminal);
    }
    let measures = measures(&args.metrics)?;
    let room = Room::new(args, terminal)?;
    let target = Target::open(&args.targets, &room.device)?;
    target.check(args)?;
    let drawn = target.sets(args, &room)?;
    let (main, others) = room.judges.split_first().context("--judge: found none, expected one")?;
    let mut main = measured(main, &drawn, &measures, args, &room)?;
    if args.classifier_accuracy {
        main.table.rows.push(classifier::row(&main, &room)?);
    }
    if let Some(folder) = &args.panels {
        panels::write(folder, &main, &drawn)?;
    }
    // What asks about the training set in pixels is the same for every judge.
    let of_judge: Vec<Measure> = measures.into_iter().filter(|measure| !measure.memorisation).collect();
    let others = others.iter().map(|judge| measured(judge, &drawn, &of_judge, args, &room));
    let others = others.collect::<Result<Vec<_>>>()?;
    room.bar.finish_and_clear();

    let report = report::json(&room, &drawn, &main, &others);
    finish(args, terminal, &report, || report::lines(&drawn, &main, &others))
}

/// The test images that are the reference where no other is named.
pub fn test_reference(data: &Dataset) -> &[u8] {
    first(&data.test.pixels, MOST_REFERENCE)
}

fn reference(args: &Args, room: &Room, judge: &Judge) -> Result<Images> {
    match args.against.as_str() {
        "test" => room.images("test images", test_reference(&room.data), judge),
        "train" => room.images("training images", first(&room.data.train.pixels, MOST_REFERENCE), judge),
        path => {
            let source = Source::read(Path::new(path))?;
            room.images(path, first(&source.pixels, MOST_REFERENCE), judge)
        }
    }
}

/// Writes and prints the result.
fn finish(
    args: &Args,
    terminal: &Terminal,
    report: &serde_json::Value,
    lines: impl FnOnce() -> Vec<String>,
) -> Result<ExitCode> {
    let text = serde_json::to_string_pretty(report)?;
    if let Some(path) = &args.out {
        write_atomic(path, text.as_bytes()).context("--out")?;
    }
    if args.json {
        terminal.line(text);
    } else {
        lines().iter().for_each(|line| terminal.line(line));
    }
    Ok(ExitCode::SUCCESS)
}
