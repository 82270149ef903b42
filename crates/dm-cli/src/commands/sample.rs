//! `dm sample`: draws images from a model.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use dm_degrade::generate::{self, Class, Request, Start};
use dm_degrade::{Model, SamplerKind, Sampling, Timestep};
use dm_nn::data::image_file::{self, Format};
use dm_nn::data::{SampleSet, Shard};
use dm_nn::image::ImageShape;
use dm_nn::picture::{film, grid};
use dm_nn::rng::Seed;
use dm_record::RunStatus;
use dm_train::interpolate;
use dm_train::run_folder::read_manifest;

use crate::device::{self, DeviceKind};
use crate::eval_session::first;
use crate::guidance_args::GuidanceArgs;
use crate::image_files::SAMPLE_SET;
use crate::sampling_args::SamplingArgs;
use crate::seed_arg::seed_range;
use crate::terminal::Terminal;
use crate::trajectory::Trajectory;
use crate::{folder, locate, preview, provenance};

/// Sample images from a model.
///
/// Writes images.safetensors (tensor `images`, u8 [n, channels, height, width], 0 is black and 255 is white; with --class
/// also the tensor `labels`, one u8 per image) and grid.png with the first 100 images. Image i depends only on the seed and
/// on i, not on the number of images, the batch size or the number of threads.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, a model file, or the name of a shipped model.
    #[arg(default_value = locate::DEFAULT_MODEL)]
    model: String,
    /// Number of images.
    #[arg(short, long, default_value_t = 100)]
    n: usize,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1, value_parser = seed_range())]
    seed: u64,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Share of fresh noise in each step of the sampler `ddim`, 0 to 1 [default: as in the model's config for its own
    /// sampler, otherwise 0].
    #[arg(long)]
    eta: Option<f64>,
    /// Sample this class, by name or number, or `all`: image i then has class i modulo the number of classes. For a model that
    /// was trained with classes.
    #[arg(long)]
    class: Option<String>,
    #[command(flatten)]
    guidance: GuidanceArgs,
    /// Sample images between pairs of samples, one pair per row. For a Gaussian model and a deterministic sampler [default
    /// sampler: ddim].
    #[arg(long)]
    interpolate: bool,
    /// Images per batch.
    #[arg(long, default_value_t = 256, value_name = "COUNT")]
    batch_size: usize,
    /// Draw only shard i of the k shards that the n images are divided into, as a file of its own. Several machines can draw
    /// one shard each; `dm shards join` then writes what one machine would have written.
    #[arg(long, value_name = "i/k", conflicts_with_all = ["show", "strip", "film"])]
    shard: Option<Shard>,
    /// Folder for the results.
    #[arg(long, default_value = "out", value_name = "DIR")]
    out: PathBuf,
    /// Also write all images to this file, in the format of its name: .npz, .idx, .safetensors, a picture (.png), or a folder of PNG
    /// files.
    #[arg(long, value_name = "FILE", conflicts_with = "shard")]
    images: Option<PathBuf>,
    /// Also show the first images in the terminal.
    #[arg(long)]
    show: bool,
    /// Also write strip.png: the first eight images on their way from the prior.
    #[arg(long)]
    strip: bool,
    /// Also write a film of the first 18 images on their way from the prior, as .gif or .png (APNG).
    #[arg(long, value_name = "FILE")]
    film: Option<PathBuf>,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    device: DeviceKind,
}

/// Number of columns of the grid, and largest number of images on it.
pub(super) const GRID: (usize, usize) = (10, 100);
/// Largest number of images that one call draws, and of images in a set that is divided into shards.
const MOST: (usize, usize) = (1_000_000, 1_000_000_000);
/// Largest number of bytes of pixels in memory: as much as a file of images may take.
const MOST_PIXELS: usize = 1 << 30;
/// Largest number of values in the states of a batch. A sampler holds several such states.
const MOST_NUMBERS: usize = 1 << 25;
/// Number of images of a strip, and of states per image.
const STRIP: (usize, usize) = (8, 12);
/// Number of images of a film, and of frames.
const FILM: (usize, usize) = (18, 40);
/// Columns of a film.
const FILM_COLUMNS: usize = 6;
/// Largest number of columns of the terminal that the preview takes.
const PREVIEW_WIDTH: usize = 120;

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let model = locate::model(&args.model)?.open_model(&device::open(args.device)?)?;
    let guidance = args.guidance.open(&model)?;
    let sampling = sampling(args, &model)?;
    let class = args.class.as_deref().map(|name| class(name, &model)).transpose()?;
    check(args, &sampling, class)?;
    check_memory(args, model.shape)?;
    let format = |path: &PathBuf| Format::of(path, model.shape);
    let images_format = args.images.as_ref().map(format).transpose()?;
    let pictures = args.show.then(Terminal::pictures).transpose()?;
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    [&args.film, &args.images].into_iter().flatten().try_for_each(|path| folder::create_for(path))?;

    let (degradation, seed) = (&*model.degradation, Seed(args.seed));
    let between = |i: u64| interpolate::start(degradation, seed, i);
    let start = Start { timestep: Timestep(degradation.timesteps()), state: &between };
    let range = args.shard.map_or(0..args.n, |shard| shard.range(args.n));
    let request = Request {
        first: range.start as u64,
        class,
        guidance: guidance.of_class(),
        start: args.interpolate.then_some(start),
        ..Request::new(seed, range.len(), args.batch_size, sampling)
    };
    let intervals = sampling.timesteps(degradation)?.len() - 1;
    let mut strip = args.strip.then(|| Trajectory::new(STRIP.0, STRIP.1, intervals));
    let mut film = args.film.as_deref().map(|path| (path, Trajectory::new(FILM.0, FILM.1, intervals)));
    let bar = terminal.bar((range.len() * intervals) as u64, "sampling");
    let clock = Instant::now();
    let pixels = generate::images(&guidance.denoiser(&model)?, &request, &mut |first, t, states| {
        if t.0 < degradation.timesteps() {
            bar.inc((states.len() / model.shape.len()) as u64);
        }
        let trajectories = strip.iter_mut().chain(film.iter_mut().map(|(_, trajectory)| trajectory));
        trajectories.for_each(|trajectory| trajectory.record(degradation, first, t, states));
    })?;
    let seconds = clock.elapsed().as_secs_f64();
    bar.finish();

    if let Some(pictures) = pictures {
        let width = Terminal::width().min(PREVIEW_WIDTH);
        terminal.lines(preview::lines(model.shape, &pixels, width, pictures))?;
    }
    terminal.line(format!(
        "{}: {} images, {} network evaluations each, sampler {}, seed {}: {seconds:.1} s ({:.1} images/s){}",
        model.name,
        range.len(),
        sampling.nfe_taken(),
        sampling.sampler.name(),
        args.seed,
        range.len() as f64 / seconds,
        unfinished(&model).unwrap_or_default(),
    ))?;
    let mut samples = sample_set(&model, &request, pixels)?;
    samples.metadata.extend(provenance::to_metadata(&guidance.provenance()));
    if let Some(shard) = args.shard {
        shard.add_to(&mut samples.metadata, args.n);
        let path = args.out.join(shard.file_name());
        samples.write(&path)?;
        terminal.line(path.display())?;
        return Ok(ExitCode::SUCCESS);
    }
    write(args, &samples, images_format, terminal)?;
    if let Some(strip) = &strip {
        let path = args.out.join("strip.png");
        grid::write(&path, model.shape, &strip.strip(model.shape.len()), strip.frames().len(), 2)?;
        terminal.line(path.display())?;
    }
    if let Some((path, trajectory)) = &film {
        film::write(path, model.shape, trajectory.frames(), FILM_COLUMNS.min(args.n))?;
        terminal.line(path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the sample set, the grid and, in the format `images_format`, the file of --images, and prints their paths.
fn write(args: &Args, samples: &SampleSet, images_format: Option<Format>, terminal: &Terminal) -> Result<()> {
    let path = args.out.join(SAMPLE_SET);
    samples.write(&path)?;
    terminal.line(path.display())?;
    terminal.line(write_grid(&args.out, samples.shape, &samples.pixels)?.display())?;
    if let Some((path, format)) = args.images.as_ref().zip(images_format) {
        image_file::write(path, format, samples, args.n.min(GRID.0))?;
        terminal.line(path.display())?;
    }
    Ok(())
}

/// Writes grid.png with the first of the images `pixels` to `folder`, and returns its path.
///
/// # Errors
/// If writing fails.
pub fn write_grid(folder: &Path, shape: ImageShape, pixels: &[u8]) -> Result<PathBuf> {
    let path = folder.join("grid.png");
    let on_grid = first(pixels, GRID.1, shape);
    grid::write(&path, shape, on_grid, (pixels.len() / shape.len()).min(GRID.0), 2)?;
    Ok(path)
}

/// How far the training of a run is that is not complete.
fn unfinished(model: &Model) -> Option<String> {
    let manifest = read_manifest(model.provenance.path.parent()?)?;
    let note = || format!("; not fully trained: {} of {} steps", model.provenance.step, manifest.steps_total);
    (manifest.status != RunStatus::Complete).then(note)
}

/// The model's own sampling with the changes of the command line, checked.
fn sampling(args: &Args, model: &Model) -> Result<Sampling> {
    if args.interpolate && model.degradation.gaussian().is_none() {
        let name = model.degradation.name();
        bail!(
            "--interpolate: found the degradation `{name}`, expected a Gaussian one: interpolation along arcs needs a \
             Gaussian prior"
        );
    }
    let sampling = args.sampling.apply(model, args.interpolate.then_some(SamplerKind::Ddim));
    let sampling = Sampling { eta: args.eta.unwrap_or(sampling.eta), ..sampling };
    sampling.check(&*model.degradation)?;
    Ok(sampling)
}

/// The class with the name or the number `name`, or all classes in turn for `all`.
///
/// # Errors
/// If the model has no such class.
pub fn class(name: &str, model: &Model) -> Result<Class> {
    let num_classes = model.conditional_classes();
    if num_classes == 0 {
        bail!(
            "--class: found `{}`, a model without classes, expected one trained with network.num_classes in its config",
            model.name
        );
    }
    if name == "all" {
        return Ok(Class::All { num_classes });
    }
    let named = model.class_names.iter().position(|class| class == name);
    match named.or_else(|| name.parse().ok()) {
        Some(class) if class < num_classes => Ok(Class::One(class as u8)),
        _ => bail!("--class: found {name}, expected the name of a class, 0 to {}, or all", num_classes - 1),
    }
}

/// Checks that the images of one call and the states of a batch can be held in memory.
fn check_memory(args: &Args, shape: ImageShape) -> Result<()> {
    let n = args.shard.map_or(args.n, |shard| shard.range(args.n).len());
    let most = MOST_PIXELS / shape.len().max(1);
    ensure!(n <= most, "-n: found {n} images of {shape}, expected at most {most} in one call: draw shards");
    let most = MOST_NUMBERS / shape.len().max(1);
    let batch = args.batch_size.min(n);
    ensure!(batch <= most, "--batch-size: found {batch} images of {shape}, expected at most {most}");
    Ok(())
}

/// Checks the ranges of the arguments, and that they fit together.
fn check(args: &Args, sampling: &Sampling, class: Option<Class>) -> Result<()> {
    let most = if args.shard.is_some() { MOST.1 } else { MOST.0 };
    ensure!((1..=most).contains(&args.n), "-n: found {}, expected 1 to {most}", args.n);
    if let Some(shard) = args.shard {
        let (n, k, drawn) = (args.n, shard.count(), shard.range(args.n).len());
        ensure!(k <= n, "--shard: found {shard}, expected at most {n} shards for {n} images");
        ensure!(
            drawn <= MOST.0,
            "--shard: found {shard} with {drawn} images, expected more shards of at most {} images",
            MOST.0
        );
    }
    ensure!(
        (1..=100_000).contains(&args.batch_size),
        "--batch-size: found {}, expected 1 to 100000",
        args.batch_size
    );
    ensure!(
        args.shard.is_none() || args.guidance.autoguidance.is_none(),
        "--autoguidance: found --shard, expected only one of them"
    );
    args.guidance.check(class.is_some())?;
    if args.interpolate {
        let (n, columns) = (args.n, interpolate::COLUMNS);
        ensure!(
            n.is_multiple_of(columns),
            "-n: found {n}, expected a multiple of {columns} with --interpolate"
        );
        let one_class = !matches!(class, Some(Class::All { .. }));
        ensure!(one_class, "--class: found all, expected one class with --interpolate");
        if !sampling.is_deterministic() {
            let name = sampling.sampler.name();
            bail!(
                "--interpolate: found the sampler {name}, eta {}, expected ddim with eta 0, dpmpp_2m, heun or cold: with \
                 fresh noise, nearby states do not become similar images",
                sampling.eta
            );
        }
    }
    if let Some(path) = &args.film {
        film::Format::of(path)?;
    }
    Ok(())
}

/// The sample set: pixels, labels and provenance.
///
/// # Errors
/// If the config of the degradation cannot be written as JSON.
pub fn sample_set(model: &Model, request: &Request<'_>, pixels: Vec<u8>) -> Result<SampleSet> {
    let mut provenance = provenance::of(model, &request.sampling)?;
    provenance.insert("seed".into(), request.seed.0.into());
    let numbers = request.first..request.first + request.count as u64;
    let labels: Option<Vec<u8>> = request.class.map(|class| numbers.map(|i| class.of(i)).collect());
    if labels.is_some() {
        provenance.insert("guidance".into(), request.guidance.into());
    }
    Ok(SampleSet { shape: model.shape, pixels, labels, metadata: provenance::to_metadata(&provenance) })
}
