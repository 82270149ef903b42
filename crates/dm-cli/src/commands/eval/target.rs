//! What is measured: images drawn from a model, or images that are there already.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use candle_core::Device;
use dm_eval::protocol::{select, shuffled};
use dm_nn::data::{PIXELS, SIDE, idx, sha256_hex, sheet};
use dm_nn::rng::Seed;
use dm_train::Model;
use dm_train::generate::{Class, Request, images};
use serde_json::{Value, json};

use super::{Args, Room, first};
use crate::commands::sample::changed;
use crate::locate;

/// Images per batch; does not change the images.
const BATCH: usize = 256;

/// What TARGET names.
pub(super) enum Target {
    /// A model to draw from, and the hash of its file.
    Model(Box<Model>, String),
    /// Images, and where they come from.
    Images(PathBuf, Vec<u8>),
}

/// Sets of images, and where they come from.
pub(super) struct Drawn {
    /// Pixels [n, 784], one set per generation seed.
    pub(super) sets: Vec<Vec<u8>>,
    /// For a person.
    pub(super) summary: String,
    /// Everything needed to make them again.
    pub(super) origin: Value,
}

impl Target {
    pub(super) fn open(name: &str, device: &Device) -> Result<Self> {
        let path = locate::model(name)?;
        let run = path.join(dm_train::model::FILE).is_file();
        let tensors = path.extension().is_some_and(|e| e == "safetensors");
        if !run && (!tensors || sheet::read(&path).is_ok()) {
            let pixels = read_images(&path)?;
            return Ok(Self::Images(path, pixels));
        }
        let model = Model::read(&path, device)?;
        let bytes = std::fs::read(&model.path).with_context(|| model.path.display().to_string())?;
        Ok(Self::Model(Box::new(model), sha256_hex(&bytes)))
    }

    /// Refuses options that do not go with the target.
    pub(super) fn check(&self, args: &Args) -> Result<()> {
        match self {
            Self::Model(model, _) => Ok(changed(model, args.sampler, args.steps).check(&*model.degradation)?),
            Self::Images(path, pixels) => {
                let (path, most) = (path.display(), (pixels.len() / PIXELS / args.n).max(1));
                let (found, n) = (args.seeds, args.n);
                ensure!(
                    found <= most as u64,
                    "--seeds: found {found}, expected at most {most}: {path} is no model, and has {} images for sets of {n}",
                    pixels.len() / PIXELS
                );
                let plain = args.steps.is_none() && args.sampler.is_none();
                ensure!(plain, "--steps and --sampler: expected a model, found {path}");
                Ok(())
            }
        }
    }

    /// Exactly `args.n` images per set; at most that many where images make one set.
    pub(super) fn sets(self, args: &Args, room: &Room) -> Result<Drawn> {
        match self {
            Self::Images(path, pixels) => {
                let pixels = if args.seeds == 1 {
                    first(&pixels, args.n).to_vec()
                } else {
                    select(&pixels, &shuffled(pixels.len() / PIXELS, args.n * args.seeds as usize))
                };
                let n = args.n.min(pixels.len() / PIXELS);
                // None at all are one empty set, which is refused by name where it is measured.
                let mut sets: Vec<Vec<u8>> = pixels.chunks(n.max(1) * PIXELS).map(<[u8]>::to_vec).collect();
                sets.resize(sets.len().max(1), Vec::new());
                let (path, count) = (path.display().to_string(), sets.len());
                let summary = if count == 1 {
                    format!("{path}: {n} images")
                } else {
                    format!("{path}: {count} sets of {n} images")
                };
                let origin = json!({ "images": path, "n": n, "sets": count, "sha256": sha256_hex(&pixels) });
                Ok(Drawn { sets, summary, origin })
            }
            Self::Model(model, sha256) => {
                let sampling = changed(&model, args.sampler, args.steps);
                let (sampler, steps) = (sampling.sampler, sampling.levels(&*model.degradation)?.len() - 1);
                let start = Instant::now();
                let mut sets = Vec::new();
                for seed in 1..=args.seeds {
                    // A model with classes draws them in turn, as often as each other.
                    let class = (model.config.network.classes() > 0).then_some(Class::All);
                    let request = Request { class, ..Request::new(Seed(seed), args.n, BATCH, sampling) };
                    let (part, mut done) = (format!("sampling, seed {seed}"), 0);
                    sets.push(images(&model.restorer(), &request, &mut |_, level, states| {
                        if level.0 < model.degradation.steps() {
                            done += states.len() / PIXELS;
                        }
                        room.watch(&part, done, args.n * steps);
                    })?);
                }
                let (name, seconds, seeds) = (&model.config.name, start.elapsed().as_secs_f64(), args.seeds);
                let summary = format!(
                    "{name}: {} images of each of {seeds} seeds, sampler {}, {steps} evaluations, {seconds:.1} s",
                    args.n,
                    sampler.name()
                );
                let origin = json!({
                    "model": name, "sha256": sha256, "step": model.step, "sampler": sampler.name(),
                    "steps": steps, "eta": sampling.eta, "seeds": (1..=seeds).collect::<Vec<_>>(), "n": args.n, "seconds": seconds,
                });
                Ok(Drawn { sets, summary, origin })
            }
        }
    }
}

/// Pixels [n, 784] of a sheet, an IDX file or a folder of PNGs.
pub(super) fn read_images(path: &Path) -> Result<Vec<u8>> {
    if path.is_dir() {
        return read_folder(path);
    }
    if path.extension().is_some_and(|e| e == "safetensors") {
        return Ok(sheet::read(path)?);
    }
    let file = idx::read(path)?;
    let fits = file.shape.len() == 3 && file.shape[1..] == [SIDE, SIDE];
    ensure!(fits, "{}: shape: found {:?}, expected [n, 28, 28]", path.display(), file.shape);
    Ok(file.items)
}

/// The PNGs of a folder, in order of their names.
fn read_folder(folder: &Path) -> Result<Vec<u8>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")));
    files.sort();
    if files.is_empty() {
        bail!("{}: found no PNG, expected PNGs of 28x28 or a run folder", folder.display());
    }
    let mut pixels = Vec::with_capacity(files.len() * PIXELS);
    for file in files {
        let image = image::open(&file).with_context(|| file.display().to_string())?.into_luma8();
        let (width, height) = image.dimensions();
        let fits = (width as usize, height as usize) == (SIDE, SIDE);
        ensure!(fits, "{}: size: found {width}x{height}, expected 28x28", file.display());
        pixels.extend(image.into_raw());
    }
    Ok(pixels)
}
