//! `dm restore`: what a model makes of degraded test images.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use dm_degrade::{Level, Restorer, SamplerKind};
use dm_nn::data::{Dataset, PIXELS};
use dm_nn::rng::Seed;
use dm_train::generate::{Request, Start, images, quantise, randomness};
use dm_train::{Model, grid};

use crate::device::{self, DeviceKind};
use crate::terminal::Terminal;
use crate::{folder, locate};

/// Degrade test images to several levels and restore them: one row per image.
///
/// Columns: the image, then for each level the degraded state, the network's estimate in one step, and the end of the
/// reverse chain that starts there. A model with classes is not told them.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, a model file, or the name of a shipped model.
    #[arg(default_value = locate::DEFAULT_MODEL)]
    model: String,
    /// First test image.
    #[arg(long, default_value_t = 0)]
    index: usize,
    /// Number of test images.
    #[arg(long, default_value_t = 8)]
    count: usize,
    /// Root of all randomness.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of levels: equal shares of T, T itself the last.
    #[arg(long, default_value_t = 6)]
    levels: usize,
    /// Network evaluations of a chain from T to 0; a chain from below takes its share [default: as in the model's
    /// config].
    #[arg(long)]
    steps: Option<usize>,
    /// Where the picture goes.
    #[arg(long, default_value = "out/restore.png", value_name = "FILE")]
    out: PathBuf,
    /// Folder with the four IDX files.
    #[arg(long, default_value = "data/mnist", value_name = "DIR")]
    data: PathBuf,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    device: DeviceKind,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let model = Model::read(&locate::model(&args.model)?, &device::open(args.device)?)?;
    let process = &*model.degradation;
    let mut sampling = model.config.sampling;
    // The notebook's sampler only knows the whole way from T; ancestral sampling can start anywhere.
    if sampling.sampler == SamplerKind::Prince {
        sampling.sampler = SamplerKind::Bridge;
    }
    sampling.steps = args.steps.unwrap_or(sampling.steps);
    sampling.check(process)?;
    ensure!((1..=50).contains(&args.levels), "--levels: found {}, expected 1 to 50", args.levels);
    let test = Dataset::read(&locate::data(&args.data))?.test;
    let (first, end) = (args.index, args.index.saturating_add(args.count));
    if args.count == 0 || end > test.len() {
        let below = test.len();
        bail!("--index, --count: found {first} and {}, expected images below {below}", args.count);
    }

    let clean: Vec<Vec<f32>> = (first..end)
        .map(|i| process.to_state(&test.image(i).iter().map(|&p| f32::from(p) / 255.0).collect::<Vec<_>>()))
        .collect();
    let draw = randomness(Seed(args.seed));
    let bar = terminal.bar(args.levels as u64, "restoring {bar:40.cyan/blue} {percent:>3}%  left {eta}");
    // One column of images [count, 784] each.
    let show = |states: &[f32]| -> Vec<u8> {
        states.chunks_exact(PIXELS).flat_map(|s| quantise(&process.to_image(s)).collect::<Vec<_>>()).collect()
    };
    let mut columns = vec![show(&clean.concat())];
    for share in 1..=args.levels {
        let level = Level((process.steps() * share / args.levels).max(1));
        // The chain is told the key, so that cold sampling goes back the way the image came.
        let state = |i: u64| {
            let key = process.draw(&mut draw(i, Level(0)));
            (process.apply(&clean[i as usize], level, &key), key)
        };
        let degraded: Vec<f32> = (0..args.count as u64).flat_map(|i| state(i).0).collect();
        let mut estimate = model.restorer().restore(&degraded, level)?;
        estimate.chunks_exact_mut(PIXELS).for_each(|x0| process.clip(x0));
        let start = Some(Start { level, state: &state });
        let request = Request { start, ..Request::new(Seed(args.seed), args.count, 256, sampling) };
        columns.extend([
            show(&degraded),
            show(&estimate),
            images(&model.restorer(), &request, &mut |_, _, _| {})?,
        ]);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let row = |i: usize| columns.iter().flat_map(move |column| &column[i * PIXELS..(i + 1) * PIXELS]);
    let pixels: Vec<u8> = (0..args.count).flat_map(row).copied().collect();
    folder::make_for(&args.out)?;
    grid::write(&args.out, &pixels, columns.len(), 2)?;
    terminal.line(args.out.display());
    Ok(ExitCode::SUCCESS)
}
