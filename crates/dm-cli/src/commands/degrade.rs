//! `dm degrade`: what a degradation does to test images.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use candle_core::Device;
use dm_degrade::degradations::Registered;
use dm_degrade::{Degradation, DegradationConfig, REGISTRY, Timestep, streams};
use dm_nn::data::image_file::{self, Format};
use dm_nn::data::{Dataset, SampleSet};
use dm_nn::image::{to_bytes, to_unit};
use dm_nn::picture::film;
use dm_nn::rng::Seed;

use crate::data_args::DataArgs;
use crate::seed_arg::seed_range;
use crate::terminal::Terminal;
use crate::waiting::waiting;
use crate::{folder, forward_film, locate};

/// Show what a degradation does to test images: one row per image, from the clean image on the left to timestep T on the
/// right.
#[derive(clap::Args)]
pub struct Args {
    /// The name of a degradation, which is then used with its default parameters, or a model (run folder, file or shipped
    /// name), whose own degradation is used.
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// List all degradations; with NAME, describe that one in full.
    #[arg(long)]
    list: bool,
    /// Print the list as JSON.
    #[arg(long, requires = "list")]
    json: bool,
    /// Index of the first test image, counted from 0.
    #[arg(long, default_value_t = 0)]
    first: usize,
    /// Number of test images.
    #[arg(long, default_value_t = 8)]
    count: usize,
    /// Number of timesteps shown, from 0 to T.
    #[arg(long, default_value_t = 12)]
    columns: usize,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1, value_parser = seed_range())]
    seed: u64,
    /// The file to write: a picture (.png), or the images of the picture row by row (.npz, .safetensors, .idx, or a folder of PNG
    /// files).
    #[arg(long, default_value = "out/degrade.png", value_name = "FILE")]
    out: PathBuf,
    /// Also write a film, as .gif or .png (APNG). Ink is shown grain by grain, any other degradation with one noise per
    /// image.
    #[arg(long, value_name = "FILE")]
    film: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
}

/// Columns of a film.
const FILM_COLUMNS: usize = 4;

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    if args.list {
        return list(args, terminal);
    }
    let data = args.data.open_test_images(terminal)?;
    let (config, fitted, degradation) = find(args.name.as_deref().unwrap_or_default(), &data)?;
    check(args, &data)?;
    let format = Format::of(&args.out, data.shape())?;
    let images: Vec<(usize, &[u8])> =
        (args.first..args.first + args.count).map(|i| (i, data.test.image(i))).collect();
    let pixels = rows(&*degradation, &images, args);
    folder::create_for(&args.out)?;
    image_file::write(&args.out, format, &SampleSet::of(data.shape(), pixels), args.columns)?;
    terminal.line(args.out.display())?;
    if let Some(path) = &args.film {
        let frames = waiting(terminal, "making the film", || {
            forward_film::frames(&config, &fitted, &*degradation, &images, Seed(args.seed))
        })?;
        folder::create_for(path)?;
        film::write(path, data.shape(), &frames, args.count.min(FILM_COLUMNS))?;
        terminal.line(path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks the ranges of the arguments, and that the data contain the requested test images.
fn check(args: &Args, data: &Dataset) -> Result<()> {
    let (first, count, n) = (args.first, args.count, data.test.len());
    ensure!(
        count > 0 && first.saturating_add(count) <= n,
        "--first, --count: found {first} and {count}, expected at least one of the {n} test images"
    );
    ensure!((2..=100).contains(&args.columns), "--columns: found {}, expected 2 to 100", args.columns);
    if let Some(path) = &args.film {
        film::Format::of(path)?;
    }
    Ok(())
}

/// The images of the picture, row by row: pixels [images * columns, C, H, W], each test image at every timestep shown.
fn rows(degradation: &dyn Degradation, images: &[(usize, &[u8])], args: &Args) -> Vec<u8> {
    let len = degradation.shape().len();
    let (mut image, mut x0, mut x_t) = (vec![0.0; len], vec![0.0; len], vec![0.0; len]);
    let mut rows = Vec::with_capacity(images.len() * args.columns * len);
    for &(number, pixels) in images {
        to_unit(pixels, &mut image);
        degradation.codec().encode_image(&image, &mut x0);
        let mut rng = Seed(args.seed).stream(streams::DEGRADE, number as u64, 0);
        let noise = degradation.sample_noise(&mut rng);
        for column in 0..args.columns {
            let t = Timestep(column * degradation.timesteps() / (args.columns - 1));
            degradation.degrade(&x0, t, &noise, &mut x_t);
            degradation.codec().display(&x_t, t, &mut image);
            rows.extend(to_bytes(&image));
        }
    }
    rows
}

/// Prints the registry, or one entry of it.
fn list(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let is_chosen =
        |registered: &&Registered| args.name.as_deref().is_none_or(|name| name == registered.entry.name);
    let chosen: Vec<&Registered> = REGISTRY.iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        bail!("degradation `{}`: expected one of {}", args.name.as_deref().unwrap_or_default(), names());
    }
    if args.json {
        terminal.line(serde_json::to_string_pretty(&chosen)?)?;
    } else if let (Some(_), [registered]) = (&args.name, &chosen[..]) {
        terminal.lines(describe(registered))?;
    } else {
        for Registered { entry, .. } in chosen {
            terminal.line(format!("{:<10} {}  [{}]", entry.name, entry.summary, entry.source))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The full description of a registered degradation.
fn describe(registered: &Registered) -> Vec<String> {
    let entry = &registered.entry;
    let mut lines = vec![format!("{}: {}\n", entry.name, entry.summary)];
    for (what, text) in [
        ("formula", entry.formula),
        ("noise", entry.noise),
        ("prior", entry.prior),
        ("inverse", entry.inverse),
        ("source", entry.source),
    ] {
        lines.push(format!("  {what:<10} {text}"));
    }
    lines.push("\n  [degradation]".to_owned());
    lines.extend(entry.parameters.iter().map(|(key, meaning)| format!("  {key:<12} {meaning}")));
    lines
}

/// The names of all degradations.
fn names() -> String {
    REGISTRY.iter().map(|registered| registered.entry.name).collect::<Vec<_>>().join(", ")
}

/// The registered degradation of that name, fitted to `data`, or the degradation of a model. The result is its config, the
/// values fitted to the data, and the degradation itself.
fn find(name: &str, data: &Dataset) -> Result<(DegradationConfig, Vec<f32>, Box<dyn Degradation>)> {
    if let Some(registered) = REGISTRY.iter().find(|registered| registered.entry.name == name) {
        let config = (registered.config)();
        let fitted = config.fit(&data.train);
        let degradation = config.build(data.shape(), &fitted)?;
        return Ok((config, fitted, degradation));
    }
    match locate::model(name) {
        Ok(found) => {
            let model = found.open_model(&Device::Cpu)?;
            model.check_shape(data.shape(), "--data")?;
            Ok((model.config.degradation, model.fitted, model.degradation))
        }
        Err(error) => bail!("degradation `{name}`: expected one of {}, or a model; {error}", names()),
    }
}
