//! `dm sample`: draw images from a model.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use dm_degrade::{Degradation, Level, SamplerKind};
use dm_nn::data::{PIXELS, sheet};
use dm_nn::rng::Seed;
use dm_train::generate::{Request, images, quantise};
use dm_train::{Model, config, grid};

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
    /// Network evaluations per image [default: as in the model's config].
    #[arg(long)]
    steps: Option<usize>,
    /// Sampler: bridge, prince, ddim or cold [default: as in the model's config].
    #[arg(long, value_parser = parse_sampler)]
    sampler: Option<SamplerKind>,
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

/// Reads the name of a sampler.
pub(super) fn parse_sampler(name: &str) -> Result<SamplerKind> {
    let known = SamplerKind::ALL.map(SamplerKind::name).join(", ");
    let found = SamplerKind::ALL.into_iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| anyhow!("found {name}, expected one of {known}"))
}

/// Images in a strip.
const STRIP_ROWS: usize = 8;
/// States per image in a strip.
const STRIP_COLUMNS: usize = 12;

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let model = Model::read(&locate::model(&args.model)?, &device::open(args.device)?)?;
    let sampler = args.sampler.unwrap_or(model.config.sampling.sampler);
    // A sampler chosen by hand brings no step count of its own: the notebook's needs every level.
    let all = (sampler == SamplerKind::Prince).then(|| model.degradation.steps());
    let steps = args.steps.or(all).unwrap_or(model.config.sampling.steps);
    config::check_sampling(&*model.degradation, sampler, steps)?;
    anyhow::ensure!((1..=1_000_000).contains(&args.n), "-n: found {}, expected 1 to 1000000", args.n);
    anyhow::ensure!(
        (1..=100_000).contains(&args.batch),
        "--batch: found {}, expected 1 to 100000",
        args.batch
    );
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;

    let request = Request { seed: Seed(args.seed), count: args.n, batch: args.batch, sampler, steps };
    let work = (args.n * steps) as u64;
    let bar = terminal.bar(work, "sampling {bar:40.cyan/blue} {percent:>3}%  left {eta}");
    let mut strip = Strip::new(steps);
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
        "{name}: {} images, {steps} evaluations each, sampler {}, seed {}: {seconds:.1} s ({rate:.1} images/s)",
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
