//! `dm restore`: what a model makes of degraded test images, as a picture and in numbers.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use dm_degrade::{Level, Restorer, SamplerKind};
use dm_eval::Features;
use dm_eval::restoration::restoration;
use dm_nn::data::{Dataset, PIXELS};
use dm_nn::params::file::write_atomic;
use dm_nn::rng::Seed;
use dm_train::generate::{Request, Start, images, quantise, randomness};
use dm_train::{Model, grid};
use serde_json::{Value, json};

use crate::device::{self, DeviceKind};
use crate::terminal::Terminal;
use crate::{folder, locate};

/// Degrade test images to several levels and restore them: one row per image.
///
/// Columns: the image, then for each level the degraded state, the network's estimate in one step, and the end of the
/// reverse chain that starts there. A model with classes is not told them. The table says how close each of the three comes
/// to the images: PSNR in dB and SSIM, level by level. That is restoration, not generation, and compares with no other score.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, a model file, or the name of a shipped model.
    #[arg(default_value = locate::DEFAULT_MODEL)]
    model: String,
    /// First test image.
    #[arg(long, default_value_t = 0)]
    index: usize,
    /// Number of test images; the first 50 are shown.
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
    /// Also write the table as JSON to this file.
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// Folder with the four IDX files.
    #[arg(long, default_value = "data/mnist", value_name = "DIR")]
    data: PathBuf,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    device: DeviceKind,
}

/// Images in the picture, at most.
const SHOWN: usize = 50;

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
    let show = |states: &[f32], level: Level| -> Vec<u8> {
        let picture = |state| quantise(&process.picture(state, level)).collect::<Vec<_>>();
        states.chunks_exact(PIXELS).flat_map(picture).collect()
    };
    let whole = Level(0);
    let mut columns = vec![show(&clean.concat(), whole)];
    let levels = (1..=args.levels).map(|share| Level((process.steps() * share / args.levels).max(1)));
    for level in levels.clone() {
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
            show(&degraded, level),
            show(&estimate, whole),
            images(&model.restorer(), &request, &mut |_, _, _| {})?,
        ]);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let row = |i: usize| columns.iter().flat_map(move |column| &column[i * PIXELS..(i + 1) * PIXELS]);
    let pixels: Vec<u8> = (0..args.count.min(SHOWN)).flat_map(row).copied().collect();
    folder::make_for(&args.out)?;
    grid::write(&args.out, &pixels, columns.len(), 2)?;

    let rows = levels.zip(columns[1..].chunks_exact(STAGES.len()));
    let rows = rows.map(|(level, stages)| {
        let stages = stages.iter().map(|pixels| closeness(pixels, &columns[0]));
        Ok((level, stages.collect::<Result<Vec<_>>>()?))
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    if let Some(path) = &args.scores {
        let evaluations = sampling.levels(process)?.len() - 1;
        let report = json!({
            "schema": 1, "model": model.config.name, "step": model.step, "n": args.count, "first_image": first,
            "seed": args.seed, "sampler": sampling.sampler.name(), "evaluations_from_last_level": evaluations,
            "restoration": rows.iter().map(|row| entry(row, process.steps())).collect::<Vec<_>>(),
        });
        write_atomic(path, serde_json::to_string_pretty(&report)?.as_bytes()).context("--scores")?;
    }
    terminal.line(args.out.display());
    table(&rows, args.count).iter().for_each(|line| terminal.line(line));
    Ok(ExitCode::SUCCESS)
}

/// What is compared with the images: columns of the picture at each level.
const STAGES: [&str; 3] = ["degraded", "estimate", "restored"];

/// A level, and PSNR and SSIM of each stage.
type Row = (Level, Vec<[f64; 2]>);

/// PSNR and SSIM of images [n, 784] against their originals.
fn closeness(pixels: &[u8], originals: &[u8]) -> Result<[f64; 2]> {
    let ink = |name: &str, pixels: &[u8]| {
        let values = pixels.iter().map(|&p| f64::from(p) / 255.0).collect();
        Features::new(name, pixels.len() / PIXELS, PIXELS, values)
    };
    Ok(restoration(&ink("restored", pixels)?, &ink("test images", originals)?)?
        .scores()
        .map(|score| score.value))
}

/// A row as JSON; the PSNR of a perfect image is infinite, in JSON null.
fn entry((level, stages): &Row, steps: usize) -> Value {
    let mut entry = json!({ "t": level.0, "steps": steps });
    for (name, [psnr, ssim]) in STAGES.iter().zip(stages) {
        entry[name] = json!({ "psnr": psnr, "ssim": ssim });
    }
    entry
}

fn table(rows: &[Row], n: usize) -> Vec<String> {
    let mut lines = vec![format!("{:>6}{:>20}{:>20}{:>20}", "t", STAGES[0], STAGES[1], STAGES[2])];
    lines.extend(rows.iter().map(|(level, stages)| {
        let stages = stages.iter().map(|[psnr, ssim]| format!("{psnr:>9.2} dB {ssim:>7.3}"));
        format!("{:>6}{}", level.0, stages.collect::<String>())
    }));
    lines.push(format!("PSNR and SSIM of {n} test images"));
    lines
}
