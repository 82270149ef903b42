//! `dm restore`: how well a model restores degraded test images, as a picture and in numbers, and images from photon counts.

mod photon_run;
mod photon_scores;
mod photons;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use dm_degrade::generate::{Request, Start, randomness};
use dm_degrade::samplers::Variance;
use dm_degrade::{Denoiser, Model, Noise, SamplerKind, Sampling, Timestep};
use dm_eval::restoration::restoration;
use dm_eval::{Classifier, Features};
use dm_nn::data::image_file::{self, Format};
use dm_nn::data::{Dataset, SampleSet};
use dm_nn::image::{to_bytes, to_unit};
use dm_nn::rng::Seed;
use dm_record::{Restoration, RestorationFile, SCHEMA, Similarity};

use crate::bar::Bar;
use crate::data_args::DataArgs;
use crate::device::{self, DeviceKind};
use crate::seed_arg::seed_range;
use crate::terminal::Terminal;
use crate::{folder, locate};

/// Degrade test images to several timesteps and restore them, or restore photon counts: one row per image.
///
/// The columns are the clean image and, for each timestep, the degraded image, the network's estimate in one evaluation, and
/// the end of the reverse chain that starts there. A model with classes does not get the class. The table shows how close each
/// of the three is to the clean images, as PSNR in dB and SSIM. These values measure restoration, not generation, and
/// cannot be compared with other scores.
///
/// With --counts, photon counts of a microscope or telescope are restored instead, by draws from the posterior of a model of
/// grains; with --photons alone, the counts of test images are simulated and the restorations are scored. The columns are the
/// original if it is known, the counts, their Richardson-Lucy deconvolution, the mean and twice the standard deviation of the
/// draws, and single draws. Mean, standard deviation and all draws are also written as .npy files beside the picture.
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
    /// The file to write: a picture (.png), or the images of the picture row by row (.npz, .safetensors, .idx, or a folder of PNG
    /// files). Photon counts are always restored into a picture.
    #[arg(long, default_value = "out/restore.png", value_name = "FILE")]
    out: PathBuf,
    /// Also write the table as JSON to this file.
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
    /// Also report how many images this classifier assigns to the right class: a shipped name, a file or a run folder.
    #[arg(long, value_name = "CLASSIFIER")]
    classifier: Option<String>,
    #[command(flatten)]
    photons: photons::PhotonArgs,
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
    let model = locate::model(&args.model)?.open_model(&device::open(args.device)?)?;
    let sampling = sampling(args, &model);
    sampling.check(&*model.degradation)?;
    ensure!((1..=50).contains(&args.timesteps), "--timesteps: found {}, expected 1 to 50", args.timesteps);
    let call = photon_run::Call {
        model: &model,
        sampling,
        seed: args.seed,
        out: &args.out,
        scores: args.scores.as_deref(),
        json: args.json,
    };
    let photons = args.photons.any()?;
    if let Some(counts) = args.photons.counts_file() {
        return photon_run::measured(&call, &args.photons, counts, terminal);
    }
    let data = args.data.open_test_images(terminal)?;
    model.check_shape(data.shape(), "--data")?;
    let (first, count, n) = (args.first, args.count, data.test.len());
    ensure!(
        count > 0 && first.saturating_add(count) <= n,
        "--first, --count: found {first} and {count}, expected at least one of the {n} test images"
    );

    let len = model.shape.len();
    let clean = &data.test.pixels[first * len..(first + count) * len];
    let labels = &data.test.labels[first..first + count];
    let classifier = args.classifier.as_deref().map(|name| classifier(name, &data, &model)).transpose()?;
    if photons {
        let named = args.classifier.as_deref().zip(classifier.as_ref());
        let images = (clean, labels, first);
        return photon_run::simulated(&call, &args.photons, images, named, terminal);
    }
    degraded(args, &model, sampling, (clean, labels), classifier.as_ref(), terminal)
}

/// Degrades the `clean` images [n, C, H, W], whose classes are `labels` `[n]`, restores them, and writes the picture and the table.
fn degraded(
    args: &Args,
    model: &Model,
    sampling: Sampling,
    (clean, labels): (&[u8], &[u8]),
    classifier: Option<&Classifier>,
    terminal: &Terminal,
) -> Result<ExitCode> {
    let (len, last) = (model.shape.len(), model.degradation.timesteps());
    let count = clean.len() / len;
    let format = Format::of(&args.out, model.shape)?;
    let starts: Vec<Timestep> =
        (1..=args.timesteps).map(|share| Timestep((last * share / args.timesteps).max(1))).collect();
    // A unit of the bar is a timestep of an image.
    let bar = terminal.bar(starts.iter().map(|t| (t.0 * count) as u64).sum(), "restoring");
    let clock = Instant::now();
    let restore = |&t| restore(model, clean, t, args.seed, sampling, &bar);
    let stages = starts.iter().map(restore).collect::<Result<Vec<_>>>()?;
    let seconds = clock.elapsed().as_secs_f64();
    bar.finish();

    let columns: Vec<&[u8]> = std::iter::once(clean)
        .chain(stages.iter().flat_map(|stage| stage.images.iter().map(Vec::as_slice)))
        .collect();
    let row = |i: usize| columns.iter().flat_map(move |column| &column[i * len..(i + 1) * len]);
    let pixels: Vec<u8> = (0..count.min(SHOWN)).flat_map(row).copied().collect();
    folder::create_for(&args.out)?;
    image_file::write(&args.out, format, &SampleSet::of(model.shape, pixels), columns.len())?;

    let rows = stages
        .iter()
        .map(|stage| scores(model, stage, clean, classifier.map(|classifier| (classifier, labels))))
        .collect::<Result<Vec<_>>>()?;
    let mut lines = table(&rows, &model.name, count, seconds);
    let shown = count.min(SHOWN);
    lines.push(format!(
        "{}: a row is one of {shown} test images: clean, then {} for each t of the table",
        args.out.display(),
        STAGES.join(", ")
    ));
    let record = RestorationFile {
        schema: SCHEMA,
        model: model.name.clone(),
        step: model.provenance.step,
        n: count,
        first_image: args.first,
        seed: args.seed,
        sampler: sampling.sampler.name().into(),
        nfe_from_last_timestep: sampling.nfe_taken(),
        restoration: rows,
    };
    if let Some(path) = &args.scores {
        folder::write_json(path, &record).context("--scores")?;
    }
    if args.json {
        terminal.line(serde_json::to_string_pretty(&record)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    terminal.lines(lines)?;
    Ok(ExitCode::SUCCESS)
}

/// The model's own sampling with --nfe. The sampler `ddpm_notebook` can only start at T, so `ancestral` with variance `beta`, which
/// takes the same steps from any timestep, replaces it.
fn sampling(args: &Args, model: &Model) -> Sampling {
    let mut sampling = model.sampling;
    if sampling.sampler == SamplerKind::DdpmNotebook {
        sampling.sampler = SamplerKind::Ancestral;
        sampling.variance = Variance::Beta;
    }
    sampling.nfe = args.nfe.unwrap_or(sampling.nfe);
    sampling
}

/// The classifier `name`, which must fit the classes of `data` and the images of `model`.
fn classifier(name: &str, data: &Dataset, model: &Model) -> Result<Classifier> {
    ensure!(
        data.num_classes() > 0,
        "--classifier: found images without labels, expected a data set with classes"
    );
    let classifier = locate::classifier(name)?.open_classifier(model.device())?;
    classifier.check_shape(data.shape(), "--classifier")?;
    Ok(classifier)
}

/// Images degraded to one timestep, and the model's restorations of them.
struct Stage {
    t: Timestep,
    /// Pixels [n, C, H, W] of each of [`STAGES`].
    images: [Vec<u8>; 3],
}

/// Degrades the `clean` images [n, C, H, W] to timestep `t` and restores them. `bar` receives the timesteps of all images.
fn restore(
    model: &Model,
    clean: &[u8],
    t: Timestep,
    seed: u64,
    sampling: Sampling,
    bar: &Bar,
) -> Result<Stage> {
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
    let mut before = t;
    let restored = model.sample(&request, &mut |_, s, states| {
        // At the first states of a batch, s is `t`, and the difference is 0.
        let passed = before.0.saturating_sub(s.0) * (states.len() / len);
        bar.inc(passed as u64);
        before = s;
    })?;
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

/// The similarity of each of [`STAGES`] to the `clean` images [n, C, H, W], and how many of them `classifier` assigns to the
/// class of their label, if one is given with the labels.
fn scores(
    model: &Model,
    stage: &Stage,
    clean: &[u8],
    classifier: Option<(&Classifier, &[u8])>,
) -> Result<Restoration> {
    let features = |pixels: &[u8]| Features::from_pixels("images", model.shape, pixels);
    let original = features(clean)?;
    let similarity = |pixels: &[u8]| -> Result<Similarity> {
        let [psnr, ssim] =
            restoration(&features(pixels)?, &original, model.shape)?.scores().map(|score| score.value);
        let accuracy = classifier.map(|(classifier, labels)| -> Result<f64> {
            let predicted = classifier.extract_features(pixels, &mut |_| {})?.labels();
            let right = predicted.iter().zip(labels).filter(|(predicted, label)| predicted == label).count();
            Ok(right as f64 / labels.len() as f64)
        });
        Ok(Similarity { psnr: Some(psnr), ssim: Some(ssim), accuracy: accuracy.transpose()? })
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
fn table(rows: &[Restoration], name: &str, n: usize, seconds: f64) -> Vec<String> {
    // The share of correctly classified images takes eight more columns.
    let width = if rows.iter().any(|row| row.degraded.accuracy.is_some()) { 28 } else { 20 };
    let mut lines = vec![format!("{:>6}", "t") + &STAGES.map(|stage| format!("{stage:>width$}")).concat()];
    lines.extend(rows.iter().map(|row| {
        let show = |Similarity { psnr, ssim, accuracy }: Similarity| {
            let accuracy = accuracy.map_or(String::new(), |share| format!(" {:>5.1} %", 100.0 * share));
            format!("{:>9.2} dB {:>7.3}{accuracy}", psnr.unwrap_or(f64::INFINITY), ssim.unwrap_or(f64::NAN))
        };
        format!("{:>6}{}", row.t, [row.degraded, row.estimate, row.restored].map(show).concat())
    }));
    lines.push(format!("{name}: PSNR and SSIM of {n} test images, {seconds:.1} s"));
    lines
}
