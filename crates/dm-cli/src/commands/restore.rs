//! `dm restore`: how well a model restores degraded test images, as a picture and in numbers.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use dm_degrade::generate::{Request, Start, randomness};
use dm_degrade::samplers::Variance;
use dm_degrade::{Denoiser, Model, Noise, SamplerKind, Sampling, Timestep};
use dm_eval::Features;
use dm_eval::restoration::restoration;
use dm_nn::image::{to_bytes, to_unit};
use dm_nn::picture::grid;
use dm_nn::rng::Seed;
use dm_record::{Restoration, RestorationFile, SCHEMA, Similarity};

use crate::data_args::DataArgs;
use crate::device::{self, DeviceKind};
use crate::seed_arg::seed_range;
use crate::terminal::Terminal;
use crate::{folder, locate};

/// Degrade test images to several timesteps and restore them: one row per image.
///
/// The columns are the clean image and, for each timestep, the degraded image, the network's estimate in one evaluation, and
/// the end of the reverse chain that starts there. A model with classes does not get the class. The table shows how close each
/// of the three is to the clean images, as PSNR in dB and SSIM. These values measure restoration, not generation, and
/// cannot be compared with other scores.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, a model file, or the name of a shipped model.
    #[arg(default_value = locate::DEFAULT_MODEL)]
    model: String,
    /// Index of the first test image, counted from 0.
    #[arg(long, default_value_t = 0)]
    first: usize,
    /// Number of test images; the picture shows the first 50 of them.
    #[arg(long, default_value_t = 8)]
    count: usize,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1, value_parser = seed_range())]
    seed: u64,
    /// Number of timesteps to restore from. They divide the range up to T evenly; the last one is T.
    #[arg(long, default_value_t = 6, value_name = "COUNT")]
    timesteps: usize,
    /// Number of network evaluations of a chain from T; a chain from an earlier timestep takes its share [default: as in the
    /// model's config].
    #[arg(long, value_name = "COUNT")]
    nfe: Option<usize>,
    /// The picture to write.
    #[arg(long, default_value = "out/restore.png", value_name = "FILE")]
    out: PathBuf,
    /// Also write the table as JSON to this file.
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    device: DeviceKind,
}

/// Largest number of images in the picture.
const SHOWN: usize = 50;
/// Images per batch; does not change the images.
const BATCH: usize = 256;
/// What is compared with the clean images: the columns of the picture for each timestep.
const STAGES: [&str; 3] = ["degraded", "estimate", "restored"];

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let model = Model::open(&locate::model(&args.model)?, &device::open(args.device)?)?;
    let sampling = sampling(args, &model);
    sampling.check(&*model.degradation)?;
    ensure!((1..=50).contains(&args.timesteps), "--timesteps: found {}, expected 1 to 50", args.timesteps);
    let data = args.data.open()?;
    model.check_shape(data.shape(), "--data")?;
    let (first, count, n) = (args.first, args.count, data.test.len());
    ensure!(
        count > 0 && first.saturating_add(count) <= n,
        "--first, --count: found {first} and {count}, expected at least one of the {n} test images"
    );

    let len = model.shape.len();
    let clean = &data.test.pixels[first * len..(first + count) * len];
    let bar = terminal.bar(args.timesteps as u64, "restoring {bar:40.cyan/blue} {percent:>3}%  left {eta}");
    let last = model.degradation.timesteps();
    let mut stages = Vec::new();
    for share in 1..=args.timesteps {
        let t = Timestep((last * share / args.timesteps).max(1));
        stages.push(restore(&model, clean, t, args.seed, sampling)?);
        bar.inc(1);
    }
    bar.finish_and_clear();

    let columns: Vec<&[u8]> = std::iter::once(clean)
        .chain(stages.iter().flat_map(|stage| stage.images.iter().map(Vec::as_slice)))
        .collect();
    let row = |i: usize| columns.iter().flat_map(move |column| &column[i * len..(i + 1) * len]);
    let pixels: Vec<u8> = (0..count.min(SHOWN)).flat_map(row).copied().collect();
    folder::create_for(&args.out)?;
    grid::write(&args.out, model.shape, &pixels, columns.len(), 2)?;

    let rows = stages.iter().map(|stage| scores(&model, stage, clean)).collect::<Result<Vec<_>>>()?;
    let lines = table(&rows, count);
    if let Some(path) = &args.scores {
        let file = RestorationFile {
            schema: SCHEMA,
            model: model.name.clone(),
            step: model.provenance.step,
            n: count,
            first_image: first,
            seed: args.seed,
            sampler: sampling.sampler.name().into(),
            nfe_from_last_timestep: sampling.nfe_taken(),
            restoration: rows,
        };
        folder::write_json(path, &file).context("--scores")?;
    }
    terminal.line(args.out.display())?;
    terminal.lines(lines)?;
    Ok(ExitCode::SUCCESS)
}

/// The model's own sampling with --nfe. The sampler `ddpm_notebook` can only start at T. `ancestral` with variance `beta` takes
/// the same steps from any timestep.
fn sampling(args: &Args, model: &Model) -> Sampling {
    let mut sampling = model.sampling;
    if sampling.sampler == SamplerKind::DdpmNotebook {
        sampling.sampler = SamplerKind::Ancestral;
        sampling.variance = Variance::Beta;
    }
    sampling.nfe = args.nfe.unwrap_or(sampling.nfe);
    sampling
}

/// Images degraded to one timestep, and the model's restorations of them.
struct Stage {
    t: Timestep,
    /// Pixels [n, C, H, W] of each of [`STAGES`].
    images: [Vec<u8>; 3],
}

/// Degrades the `clean` images [n, C, H, W] to timestep `t` and restores them.
fn restore(model: &Model, clean: &[u8], t: Timestep, seed: u64, sampling: Sampling) -> Result<Stage> {
    let (process, len) = (&*model.degradation, model.shape.len());
    let draw = randomness(Seed(seed));
    // The chain receives the noise that degraded the image, so that cold sampling reverses the same degradation.
    let state = |i: u64| -> (Vec<f32>, Noise) {
        let (mut image, mut x0, mut x_t) = (vec![0.0; len], vec![0.0; len], vec![0.0; len]);
        to_unit(&clean[i as usize * len..], &mut image);
        process.codec().encode_image(&image, &mut x0);
        let noise = process.sample_noise(&mut draw(i, Timestep(0)));
        process.degrade(&x0, t, &noise, &mut x_t);
        (x_t, noise)
    };
    let count = clean.len() / len;
    let degraded: Vec<f32> = (0..count as u64).flat_map(|i| state(i).0).collect();
    let mut estimate = model.denoiser().denoise(&degraded, t)?;
    estimate.chunks_exact_mut(len).for_each(|x0| process.codec().clip(x0));
    let start = Some(Start { timestep: t, state: &state });
    let request = Request { start, ..Request::new(Seed(seed), count, BATCH, sampling) };
    let restored = model.sample(&request, &mut |_, _, _| {})?;
    Ok(Stage { t, images: [display(model, &degraded, t), display(model, &estimate, Timestep(0)), restored] })
}

/// The pictures of `states` [n, C, H, W] at timestep `t`, as pixels [n, C, H, W].
fn display(model: &Model, states: &[f32], t: Timestep) -> Vec<u8> {
    let mut image = vec![0.0; model.shape.len()];
    let mut pixels = Vec::with_capacity(states.len());
    for state in states.chunks_exact(image.len()) {
        model.degradation.codec().display(state, t, &mut image);
        pixels.extend(to_bytes(&image));
    }
    pixels
}

/// The similarity of each of [`STAGES`] to the `clean` images [n, C, H, W].
fn scores(model: &Model, stage: &Stage, clean: &[u8]) -> Result<Restoration> {
    let features = |pixels: &[u8]| Features::from_pixels("images", model.shape, pixels);
    let original = features(clean)?;
    let similarity = |pixels: &[u8]| -> Result<Similarity> {
        let [psnr, ssim] =
            restoration(&features(pixels)?, &original, model.shape)?.scores().map(|score| score.value);
        Ok(Similarity { psnr: Some(psnr), ssim: Some(ssim) })
    };
    let [degraded, estimate, restored] = &stage.images;
    Ok(Restoration {
        t: stage.t.0,
        timesteps: model.degradation.timesteps(),
        degraded: similarity(degraded)?,
        estimate: similarity(estimate)?,
        restored: similarity(restored)?,
    })
}

/// The lines of the table of PSNR and SSIM.
fn table(rows: &[Restoration], n: usize) -> Vec<String> {
    let mut lines = vec![format!("{:>6}{:>20}{:>20}{:>20}", "t", STAGES[0], STAGES[1], STAGES[2])];
    lines.extend(rows.iter().map(|row| {
        let show = |Similarity { psnr, ssim }: Similarity| {
            format!("{:>9.2} dB {:>7.3}", psnr.unwrap_or(f64::INFINITY), ssim.unwrap_or(f64::NAN))
        };
        format!("{:>6}{}", row.t, [row.degraded, row.estimate, row.restored].map(show).concat())
    }));
    lines.push(format!("PSNR and SSIM of {n} test images"));
    lines
}
