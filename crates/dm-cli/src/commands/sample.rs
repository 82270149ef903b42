//! `dm sample`: draw images from a model.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use dm_degrade::samplers::Spacing;
use dm_degrade::{Level, SamplerKind, Sampling};
use dm_nn::data::{CLASSES, PIXELS, sheet};
use dm_nn::rng::Seed;
use dm_train::generate::{Class, Request, Start, images};
use dm_train::{Model, film, grid, interpolate};
use serde_json::{Map, Value};

use crate::device::{self, DeviceKind};
use crate::terminal::Terminal;
use crate::trajectory::Trajectory;
use crate::{folder, locate, origin, preview};

/// Draw images from a model.
///
/// Writes images.safetensors (tensor `images`, u8 `[N, 1, 28, 28]`, 255 = full ink; with --class also `labels`, u8 `[N]`)
/// and grid.png. Image i depends on the seed and on i alone: not on how many are drawn, in which batches, or on how many
/// threads.
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
    /// Where the levels lie: even, or closer in the middle or near T [default: as in the model's config].
    #[arg(long, value_parser = spacings())]
    spacing: Option<Spacing>,
    /// Draw this class, 0 to 9, or `all`: image i of class i mod 10. Needs a model trained with classes.
    #[arg(long, value_parser = parse_class)]
    class: Option<Class>,
    /// Weight W of classifier-free guidance: the network's output is without + W (with - without) the class. 1 is plain,
    /// above 1 more typical of the class and less varied [default: 1].
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    guidance: Option<f32>,
    /// Draw images between pairs of samples, one pair a row. Needs a Gaussian model and a sampler that draws nothing
    /// on its way [default sampler: ddim].
    #[arg(long)]
    interpolate: bool,
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
    /// Also write a film of how the first 18 images come out of the prior: a .gif, or a .png (APNG).
    #[arg(long, value_name = "FILE")]
    film: Option<PathBuf>,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    device: DeviceKind,
}

/// The names of all samplers, each with what it does.
pub(super) fn samplers() -> impl TypedValueParser<Value = SamplerKind> {
    let value = |kind: SamplerKind| PossibleValue::new(kind.name()).help(kind.summary());
    PossibleValuesParser::new(SamplerKind::ALL.map(value)).try_map(|name| name.parse())
}

/// The file of the images in the folder of results.
pub(super) const SHEET: &str = "images.safetensors";

/// The names of all spacings.
pub(super) fn spacings() -> impl TypedValueParser<Value = Spacing> {
    PossibleValuesParser::new(Spacing::ALL.map(Spacing::name)).try_map(|name| name.parse())
}

/// The model's own way of sampling with what the command line changes.
fn sampling(args: &Args, model: &Model) -> Result<Sampling> {
    if args.interpolate && model.degradation.signal_and_noise(Level(1)).is_none() {
        let name = model.degradation.name();
        bail!(
            "--interpolate: found the degradation `{name}`, expected a Gaussian one: only there the arc between two \
             states of the prior is made of such states"
        );
    }
    let usual = args.interpolate.then_some(SamplerKind::Ddim);
    let own = changed(model, args.sampler.or(usual), args.steps, args.spacing);
    let sampling = Sampling { eta: args.eta.unwrap_or(own.eta), ..own };
    sampling.check(&*model.degradation)?;
    Ok(sampling)
}

/// The model's own way of sampling with another sampler, number of steps or spacing.
pub(super) fn changed(
    model: &Model,
    sampler: Option<SamplerKind>,
    steps: Option<usize>,
    spacing: Option<Spacing>,
) -> Sampling {
    let own = model.config.sampling;
    let sampler = sampler.unwrap_or(own.sampler);
    // A sampler chosen by hand brings neither step count nor eta of its own: the notebook's needs every level, and only
    // ddim knows eta.
    let all = (sampler == SamplerKind::Prince).then(|| model.degradation.steps());
    let eta = if sampler == own.sampler { own.eta } else { 0.0 };
    let spacing = spacing.unwrap_or(own.spacing);
    Sampling { sampler, steps: steps.or(all).unwrap_or(own.steps), eta, spacing }
}

/// Reads a class.
fn parse_class(text: &str) -> Result<Class> {
    match text.parse::<u8>() {
        Ok(class) if usize::from(class) < CLASSES => Ok(Class::One(class)),
        _ if text == "all" => Ok(Class::All),
        _ => bail!("found {text}, expected 0 to 9, or all"),
    }
}

/// Images and states per image in a strip.
const STRIP: (usize, usize) = (8, 12);
/// Images and frames of a film, and its columns.
const FILM: (usize, usize) = (18, 40);
const FILM_COLUMNS: usize = 6;

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let (model, sha256) = origin::read(&locate::model(&args.model)?, &device::open(args.device)?)?;
    let sampling = sampling(args, &model)?;
    check(args, &model, &sampling)?;
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;

    let (degradation, seed) = (&*model.degradation, Seed(args.seed));
    let between = |i: u64| interpolate::start(degradation, seed, i);
    let start = Start { level: Level(degradation.steps()), state: &between };
    let request = Request {
        class: args.class,
        guidance: args.guidance.unwrap_or(1.0),
        start: args.interpolate.then_some(start),
        ..Request::new(seed, args.n, args.batch, sampling)
    };
    let walked = sampling.levels(degradation)?.len() - 1;
    let bar = terminal.bar((args.n * walked) as u64, "sampling {bar:40.cyan/blue} {percent:>3}%  left {eta}");
    let mut strip = args.strip.then(|| Trajectory::new(STRIP.0, STRIP.1, walked));
    let mut film = args.film.as_deref().map(|path| (path, Trajectory::new(FILM.0, FILM.1, walked)));
    let clock = Instant::now();
    let pixels = images(&model.restorer(), &request, &mut |first, level, states| {
        if level.0 < degradation.steps() {
            bar.inc((states.len() / PIXELS) as u64);
        }
        let kept = strip.iter_mut().chain(film.iter_mut().map(|(_, kept)| kept));
        kept.for_each(|kept| kept.see(degradation, first, level, states));
    })?;
    let seconds = clock.elapsed().as_secs_f64();
    bar.finish_and_clear();

    if args.show {
        let width = 120.min(args.n * 29);
        preview::lines(&pixels, width, terminal.colours()).iter().for_each(|line| terminal.line(line));
    }
    let rate = args.n as f64 / seconds;
    let name = &model.config.name;
    terminal.line(format!(
        "{name}: {} images, {} evaluations each, sampler {}, seed {}: {seconds:.1} s ({rate:.1} images/s)",
        args.n,
        sampling.evaluations(),
        sampling.sampler.name(),
        args.seed
    ));
    let mut about = origin::of(&model, &sha256, &sampling)?;
    about.insert("seconds".into(), seconds.into());
    let sheet = args.out.join(SHEET);
    write_sheet(&sheet, about, &request, &pixels)?;
    terminal.line(sheet.display());
    let picture = |name: &str, images: &[u8], columns: usize| -> Result<()> {
        let path = args.out.join(name);
        grid::write(&path, images, columns, 2)?;
        terminal.line(path.display());
        Ok(())
    };
    picture("grid.png", &pixels[..pixels.len().min(100 * PIXELS)], args.n.min(10))?;
    if let Some(strip) = &strip {
        picture("strip.png", &strip.strip(), strip.frames().len())?;
    }
    if let Some((path, kept)) = &film {
        film::write(path, kept.frames(), FILM_COLUMNS.min(args.n))?;
        terminal.line(path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks what the arguments ask of each other and of the model.
fn check(args: &Args, model: &Model, sampling: &Sampling) -> Result<()> {
    ensure!((1..=1_000_000).contains(&args.n), "-n: found {}, expected 1 to 1000000", args.n);
    ensure!((1..=100_000).contains(&args.batch), "--batch: found {}, expected 1 to 100000", args.batch);
    if args.class.is_some() && model.config.network.classes() == 0 {
        let name = &model.config.name;
        bail!(
            "--class: found `{name}`, a model without classes, expected one trained with network.classes = 10"
        );
    }
    if let Some(guidance) = args.guidance {
        ensure!(args.class.is_some(), "--guidance: found no --class, expected a class to guide to");
        ensure!(guidance.is_finite(), "--guidance: found {guidance}, expected a finite number");
    }
    if args.interpolate {
        let n = args.n;
        let whole_rows = n.is_multiple_of(interpolate::COLUMNS);
        ensure!(whole_rows, "-n: found {n}, expected a multiple of 10 with --interpolate");
        ensure!(args.class != Some(Class::All), "--class: found all, expected one class with --interpolate");
        if !sampling.is_deterministic() {
            let name = sampling.sampler.name();
            bail!(
                "--interpolate: found the sampler {name}, eta {}, expected ddim with eta 0, dpmpp2m, heun or cold: with \
                 fresh noise near states do not become near images",
                sampling.eta
            );
        }
    }
    if let Some(path) = &args.film {
        film::Format::of(path)?;
        folder::make_for(path)?;
    }
    Ok(())
}

/// Writes the sheet with where it comes from.
fn write_sheet(
    path: &Path,
    mut about: Map<String, Value>,
    request: &Request<'_>,
    pixels: &[u8],
) -> Result<()> {
    about.insert("seed".into(), request.seed.0.into());
    let labels: Option<Vec<u8>> =
        request.class.map(|class| (0..request.count).map(|i| class.of(i)).collect());
    if labels.is_some() {
        about.insert("guidance".into(), request.guidance.into());
    }
    Ok(sheet::write(path, pixels, labels.as_deref(), &origin::to_metadata(&about))?)
}
