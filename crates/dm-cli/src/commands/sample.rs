//! `dm sample`: draw images from a model.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use dm_degrade::samplers::Spacing;
use dm_degrade::{Degradation, Level, SamplerKind, Sampling};
use dm_nn::data::{PIXELS, sheet};
use dm_nn::rng::Seed;
use dm_train::generate::{Request, images, quantise};
use dm_train::{Model, grid};

use crate::device::{self, DeviceKind};
use crate::terminal::Terminal;
use crate::{locate, preview};

/// Draw images from a model.
///
/// Writes images.safetensors (tensor `images`, u8 [N, 1, 28, 28], 255 = full ink) and grid.png. Image i depends on the
/// seed and on i alone: not on how many are drawn, in which batches, or on how many threads.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, a model file, or the name of a shipped model.
    #[arg(default_value = locate::DEFAULT_MODEL)]
    model: String,
    /// Number of images.
    #[arg(short, long, default_value_t = 100)]
    n: usize,
    /// Root of all randomness.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Network evaluations per image, at most [default: as in the model's config].
    #[arg(long)]
    steps: Option<usize>,
    /// Sampler [default: as in the model's config].
    #[arg(long, value_parser = samplers())]
    sampler: Option<SamplerKind>,
    /// Share of fresh noise in each step of ddim, 0 to 1 [default: as in the model's config, for its own sampler].
    #[arg(long)]
    eta: Option<f64>,
    /// Where the levels lie: even, or closer in the middle [default: as in the model's config].
    #[arg(long, value_parser = spacings())]
    spacing: Option<Spacing>,
    /// Images per batch.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Folder for the results.
    #[arg(long, default_value = "out", value_name = "DIR")]
    out: PathBuf,
    /// Also show the first images in the terminal.
    #[arg(long)]
    show: bool,
    /// Also write strip.png: how the first eight images come out of the prior.
    #[arg(long)]
    strip: bool,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    device: DeviceKind,
}

/// The names of all samplers, each with what it does.
pub(super) fn samplers() -> impl TypedValueParser<Value = SamplerKind> {
    let value = |kind: SamplerKind| PossibleValue::new(kind.name()).help(kind.summary());
    PossibleValuesParser::new(SamplerKind::ALL.map(value)).try_map(|name| name.parse())
}

/// The names of all spacings.
fn spacings() -> impl TypedValueParser<Value = Spacing> {
    PossibleValuesParser::new(Spacing::ALL.map(Spacing::name)).try_map(|name| name.parse())
}

/// The model's own way of sampling with what the command line changes.
fn sampling(args: &Args, model: &Model) -> Result<Sampling> {
    let own = changed(model, args.sampler, args.steps);
    let sampling =
        Sampling { eta: args.eta.unwrap_or(own.eta), spacing: args.spacing.unwrap_or(own.spacing), ..own };
    sampling.check(&*model.degradation)?;
    Ok(sampling)
}

/// The model's own way of sampling with another sampler or number of steps.
pub(super) fn changed(model: &Model, sampler: Option<SamplerKind>, steps: Option<usize>) -> Sampling {
    let own = model.config.sampling;
    let sampler = sampler.unwrap_or(own.sampler);
    // A sampler chosen by hand brings neither step count nor eta of its own: the notebook's needs every level, and only
    // ddim knows eta.
    let all = (sampler == SamplerKind::Prince).then(|| model.degradation.steps());
    let eta = if sampler == own.sampler { own.eta } else { 0.0 };
    Sampling { sampler, steps: steps.or(all).unwrap_or(own.steps), eta, spacing: own.spacing }
}

/// Images in a strip.
const STRIP_ROWS: usize = 8;
/// States per image in a strip.
const STRIP_COLUMNS: usize = 12;

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let model = Model::read(&locate::model(&args.model)?, &device::open(args.device)?)?;
    let sampling = sampling(args, &model)?;
    let Sampling { sampler, steps, .. } = sampling;
    let evaluations = sampling.evaluations();
    anyhow::ensure!((1..=1_000_000).contains(&args.n), "-n: found {}, expected 1 to 1000000", args.n);
    anyhow::ensure!(
        (1..=100_000).contains(&args.batch),
        "--batch: found {}, expected 1 to 100000",
        args.batch
    );
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;

    let request = Request { seed: Seed(args.seed), count: args.n, batch: args.batch, sampling };
    let walked = sampling.levels(&*model.degradation)?.len() - 1;
    let work = (args.n * walked) as u64;
    let bar = terminal.bar(work, "sampling {bar:40.cyan/blue} {percent:>3}%  left {eta}");
    let mut strip = Strip::new(walked);
    let start = Instant::now();
    let pixels = images(&*model.degradation, &model.restorer(), &request, &mut |first, level, states| {
        if level.0 < model.degradation.steps() {
            bar.inc((states.len() / PIXELS) as u64);
        }
        if args.strip && first == 0 {
            strip.see(&*model.degradation, level, states);
        }
    })?;
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();

    let sheet_path = args.out.join("images.safetensors");
    let origin = [
        ("model", model.config.name.clone()),
        ("seed", args.seed.to_string()),
        ("sampler", sampler.name().to_owned()),
        ("steps", steps.to_string()),
        ("eta", sampling.eta.to_string()),
        ("spacing", sampling.spacing.name().to_owned()),
        ("seconds", format!("{seconds:.3}")),
    ];
    sheet::write(&sheet_path, &pixels, &origin.map(|(key, value)| (key.to_owned(), value)).into())?;
    let grid_path = args.out.join("grid.png");
    let shown = &pixels[..pixels.len().min(100 * PIXELS)];
    grid::write(&grid_path, shown, 10, 2)?;
    if args.show {
        let width = 120.min(args.n * 29);
        preview::lines(&pixels, width).iter().for_each(|line| terminal.line(line));
    }
    let rate = args.n as f64 / seconds;
    let name = &model.config.name;
    terminal.line(format!(
        "{name}: {} images, {evaluations} evaluations each, sampler {}, seed {}: {seconds:.1} s ({rate:.1} images/s)",
        args.n,
        sampler.name(),
        args.seed
    ));
    terminal.line(sheet_path.display());
    terminal.line(grid_path.display());
    if args.strip {
        let path = args.out.join("strip.png");
        grid::write(&path, &strip.pixels(), strip.columns.len(), 2)?;
        terminal.line(path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// States of the first samples along the chain.
struct Strip {
    /// Number of the state just seen.
    seen: usize,
    /// Which states to keep.
    keep: Vec<usize>,
    /// Kept states, one column each: images [rows, 784].
    columns: Vec<Vec<u8>>,
}

impl Strip {
    fn new(steps: usize) -> Self {
        let last = STRIP_COLUMNS.min(steps + 1) - 1;
        let keep = (0..=last).map(|i| i * steps / last.max(1)).collect();
        Self { seen: 0, keep, columns: Vec::new() }
    }

    fn see(&mut self, degradation: &dyn Degradation, _: Level, states: &[f32]) {
        if self.keep.contains(&self.seen) {
            let rows = states.chunks_exact(PIXELS).take(STRIP_ROWS);
            self.columns.push(
                rows.flat_map(|state| quantise(&degradation.to_image(state)).collect::<Vec<_>>()).collect(),
            );
        }
        self.seen += 1;
    }

    /// Row by row: sample, then state.
    fn pixels(&self) -> Vec<u8> {
        let rows = self.columns.first().map_or(0, |column| column.len() / PIXELS);
        let cell = |row: usize| self.columns.iter().flat_map(move |c| &c[row * PIXELS..(row + 1) * PIXELS]);
        (0..rows).flat_map(cell).copied().collect()
    }
}
