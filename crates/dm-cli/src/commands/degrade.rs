//! `dm degrade`: what a degradation does to test images.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use candle_core::Device;
use dm_degrade::degradations::Entry;
use dm_degrade::{Degradation, DegradationConfig, Level, REGISTRY};
use dm_nn::data::Dataset;
use dm_nn::rng::{Seed, Stream};
use dm_train::generate::quantise;
use dm_train::{Model, film, grid};

use crate::terminal::Terminal;
use crate::{folder, forward, locate};

/// Show what a degradation does to test images: one row each, whole on the left, gone on the right.
#[derive(clap::Args)]
pub struct Args {
    /// A degradation with its defaults, or a model (a run folder, a file, a shipped name) for its own.
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// List the degradations there are; with NAME, tell everything about one.
    #[arg(long)]
    list: bool,
    /// List them as JSON.
    #[arg(long, requires = "list")]
    json: bool,
    /// First test image.
    #[arg(long, default_value_t = 0)]
    index: usize,
    /// Number of test images.
    #[arg(long, default_value_t = 8)]
    count: usize,
    /// Number of levels shown, from 0 to T.
    #[arg(long, default_value_t = 12)]
    columns: usize,
    /// Root of the keys.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the picture goes.
    #[arg(long, default_value = "out/degrade.png", value_name = "FILE")]
    out: PathBuf,
    /// Also write a film, a .gif or a .png (APNG): ink grain by grain, anything else under one key per image.
    #[arg(long, value_name = "FILE")]
    film: Option<PathBuf>,
    /// Folder with the four IDX files.
    #[arg(long, default_value = "data/mnist", value_name = "DIR")]
    data: PathBuf,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    if args.list {
        return list(args, terminal);
    }
    let data = Dataset::read(&locate::data(&args.data))?;
    let (config, degradation) = find(args.name.as_deref().unwrap_or_default(), &data)?;
    let end = args.index.saturating_add(args.count);
    if args.count == 0 || end > data.test.len() {
        bail!(
            "--index, --count: found {} and {}, expected images below {}",
            args.index,
            args.count,
            data.test.len()
        );
    }
    if !(2..=100).contains(&args.columns) {
        bail!("--columns: found {}, expected 2 to 100", args.columns);
    }
    if let Some(path) = &args.film {
        film::Format::of(path)?;
    }
    let image = |i: usize| data.test.image(i).iter().map(|&p| f32::from(p) / 255.0).collect();
    let images: Vec<(usize, Vec<f32>)> = (args.index..end).map(|i| (i, image(i))).collect();
    let mut pixels = Vec::new();
    for (i, image) in &images {
        let x0 = degradation.to_state(image);
        let key = degradation.draw(&mut Seed(args.seed).stream(Stream::Degrade, *i as u64, 0));
        for column in 0..args.columns {
            let level = Level(column * degradation.steps() / (args.columns - 1));
            pixels.extend(quantise(&degradation.picture(&degradation.apply(&x0, level, &key), level)));
        }
    }
    folder::make_for(&args.out)?;
    grid::write(&args.out, &pixels, args.columns, 2)?;
    terminal.line(args.out.display());
    if let Some(path) = &args.film {
        let frames = forward::frames(&config, &*degradation, &images, Seed(args.seed))?;
        folder::make_for(path)?;
        film::write(path, &frames, args.count.min(4))?;
        terminal.line(path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The registry, or one entry of it.
fn list(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let chosen: Vec<&Entry> =
        REGISTRY.iter().filter(|entry| args.name.as_deref().is_none_or(|name| name == entry.name)).collect();
    if chosen.is_empty() {
        bail!("degradation `{}`: expected one of {}", args.name.as_deref().unwrap_or_default(), names());
    }
    if args.json {
        terminal.line(serde_json::to_string_pretty(&chosen)?);
    } else if let (Some(_), [entry]) = (&args.name, &chosen[..]) {
        terminal.line(format!("{}: {}\n", entry.name, entry.summary));
        for (what, text) in [
            ("formula", entry.formula),
            ("key", entry.key),
            ("prior", entry.prior),
            ("inverse", entry.inverse),
            ("source", entry.source),
        ] {
            terminal.line(format!("  {what:<10} {text}"));
        }
        terminal.line("\n  [degradation]");
        for (key, meaning) in entry.parameters {
            terminal.line(format!("  {key:<10} {meaning}"));
        }
    } else {
        for entry in chosen {
            terminal.line(format!("{:<10} {}  [{}]", entry.name, entry.summary, entry.source));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The names there are.
fn names() -> String {
    REGISTRY.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
}

/// The registered degradation of that name, fitted to `data`, or the one of a model.
fn find(name: &str, data: &Dataset) -> Result<(DegradationConfig, Box<dyn Degradation>)> {
    if let Some(entry) = REGISTRY.iter().find(|entry| entry.name == name) {
        let config = (entry.config)();
        let degradation = config.build(&config.fit(&data.train))?;
        return Ok((config, degradation));
    }
    match locate::model(name) {
        Ok(path) => {
            let model = Model::read(&path, &Device::Cpu)?;
            Ok((model.config.degradation, model.degradation))
        }
        Err(error) => {
            bail!("degradation `{name}`: expected one of {}, or a model; {error}", names())
        }
    }
}
