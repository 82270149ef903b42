//! `dm sample`: draws images from a model.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use dm_degrade::generate::{Class, Request, Start};
use dm_degrade::{Model, SamplerKind, Sampling, Timestep};
use dm_nn::data::SampleSet;
use dm_nn::picture::{film, grid};
use dm_nn::rng::Seed;
use dm_train::interpolate;

use crate::device::{self, DeviceKind};
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
    /// Weight W of classifier-free guidance: the network's output is u + W (c - u), with u its output without the class and c
    /// its output with the class. 1 is no guidance; larger weights give more typical and less varied images [default: 1].
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    guidance: Option<f32>,
    /// Sample images between pairs of samples, one pair per row. For a Gaussian model and a deterministic sampler [default
    /// sampler: ddim].
    #[arg(long)]
    interpolate: bool,
    /// Images per batch.
    #[arg(long, default_value_t = 256, value_name = "COUNT")]
    batch_size: usize,
    /// Folder for the results.
    #[arg(long, default_value = "out", value_name = "DIR")]
    out: PathBuf,
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
const GRID: (usize, usize) = (10, 100);
/// Number of images of a strip, and of states per image.
const STRIP: (usize, usize) = (8, 12);
/// Number of images of a film, and of frames.
const FILM: (usize, usize) = (18, 40);
/// Columns of a film.
const FILM_COLUMNS: usize = 6;
/// Columns of the terminal that the preview takes.
const PREVIEW_WIDTH: usize = 120;

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let model = Model::open(&locate::model(&args.model)?, &device::open(args.device)?)?;
    let sampling = sampling(args, &model)?;
    let class = args.class.as_deref().map(|name| class(name, &model)).transpose()?;
    check(args, &sampling, class)?;
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    args.film.as_deref().map(folder::create_for).transpose()?;

    let (degradation, seed) = (&*model.degradation, Seed(args.seed));
    let between = |i: u64| interpolate::start(degradation, seed, i);
    let start = Start { timestep: Timestep(degradation.timesteps()), state: &between };
    let request = Request {
        class,
        guidance: args.guidance.unwrap_or(1.0),
        start: args.interpolate.then_some(start),
        ..Request::new(seed, args.n, args.batch_size, sampling)
    };
    let intervals = sampling.timesteps(degradation)?.len() - 1;
    let mut strip = args.strip.then(|| Trajectory::new(STRIP.0, STRIP.1, intervals));
    let mut film = args.film.as_deref().map(|path| (path, Trajectory::new(FILM.0, FILM.1, intervals)));
    let bar =
        terminal.bar((args.n * intervals) as u64, "sampling {bar:40.cyan/blue} {percent:>3}%  left {eta}");
    let clock = Instant::now();
    let pixels = model.sample(&request, &mut |first, t, states| {
        if t.0 < degradation.timesteps() {
            bar.inc((states.len() / model.shape.len()) as u64);
        }
        let trajectories = strip.iter_mut().chain(film.iter_mut().map(|(_, trajectory)| trajectory));
        trajectories.for_each(|trajectory| trajectory.record(degradation, first, t, states));
    })?;
    let seconds = clock.elapsed().as_secs_f64();
    bar.finish_and_clear();

    if args.show {
        terminal.lines(preview::lines(model.shape, &pixels, PREVIEW_WIDTH, terminal.colors()))?;
    }
    terminal.line(format!(
        "{}: {} images, {} network evaluations each, sampler {}, seed {}: {seconds:.1} s ({:.1} images/s)",
        model.name,
        args.n,
        sampling.nfe_taken(),
        sampling.sampler.name(),
        args.seed,
        args.n as f64 / seconds,
    ))?;
    let samples = sample_set(&model, &request, pixels, seconds)?;
    let path = args.out.join(SAMPLE_SET);
    samples.write(&path)?;
    terminal.line(path.display())?;
    let picture = |name: &str, images: &[u8], columns: usize| -> Result<()> {
        let path = args.out.join(name);
        grid::write(&path, model.shape, images, columns, 2)?;
        terminal.line(path.display())
    };
    let on_grid = &samples.pixels[..samples.pixels.len().min(GRID.1 * model.shape.len())];
    picture("grid.png", on_grid, args.n.min(GRID.0))?;
    if let Some(strip) = &strip {
        picture("strip.png", &strip.strip(model.shape.len()), strip.frames().len())?;
    }
    if let Some((path, trajectory)) = &film {
        film::write(path, model.shape, trajectory.frames(), FILM_COLUMNS.min(args.n))?;
        terminal.line(path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The model's own sampling with the changes of the command line.
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

/// The class that `name` names: `all`, the name of a class, or its number.
fn class(name: &str, model: &Model) -> Result<Class> {
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

/// Checks the ranges of the arguments, and that they fit together.
fn check(args: &Args, sampling: &Sampling, class: Option<Class>) -> Result<()> {
    ensure!((1..=1_000_000).contains(&args.n), "-n: found {}, expected 1 to 1000000", args.n);
    ensure!(
        (1..=100_000).contains(&args.batch_size),
        "--batch-size: found {}, expected 1 to 100000",
        args.batch_size
    );
    if let Some(guidance) = args.guidance {
        ensure!(class.is_some(), "--guidance: found no --class, expected a class to guide towards");
        ensure!(guidance.is_finite(), "--guidance: found {guidance}, expected a finite number");
    }
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
fn sample_set(model: &Model, request: &Request<'_>, pixels: Vec<u8>, seconds: f64) -> Result<SampleSet> {
    let mut provenance = provenance::of(model, &request.sampling)?;
    provenance.insert("seed".into(), request.seed.0.into());
    provenance.insert("seconds".into(), seconds.into());
    let labels: Option<Vec<u8>> =
        request.class.map(|class| (0..request.count as u64).map(|i| class.of(i)).collect());
    if labels.is_some() {
        provenance.insert("guidance".into(), request.guidance.into());
    }
    Ok(SampleSet { shape: model.shape, pixels, labels, metadata: provenance::to_metadata(&provenance) })
}
