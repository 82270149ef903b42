//! What is measured: images drawn from a model, or images that are there already, as sets.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use candle_core::Device;
use dm_eval::protocol::{select, shuffled};
use dm_nn::data::{PIXELS, sha256_hex, sheet};
use dm_train::Model;
use serde_json::{Map, Value, json};

use super::files::Source;
use super::{Args, Room, draw, first};
use crate::commands::sample::changed;
use crate::{locate, origin};

/// What TARGET names.
pub(super) enum Target {
    /// A model to draw from, and the hash of its file.
    Model(Box<Model>, String),
    /// Images, as many sets or one to make sets of.
    Images(Vec<Source>),
}

/// Sets of images, and where they come from.
pub(super) struct Drawn {
    /// Pixels [n, 784] of sets of equal size, each with a seed of its own. Pooled they are parts of one set.
    pub(super) sets: Vec<Vec<u8>>,
    pub(super) pooled: bool,
    /// For a person.
    pub(super) summary: String,
    /// Everything needed to make them again.
    pub(super) origin: Map<String, Value>,
}

impl Drawn {
    /// Images behind a value.
    pub(super) fn n(&self) -> usize {
        let sets = if self.pooled { &self.sets[..] } else { &self.sets[..1] };
        sets.iter().map(|set| set.len() / PIXELS).sum()
    }
}

impl Target {
    pub(super) fn open(names: &[String], device: &Device) -> Result<Self> {
        let mut sources = Vec::new();
        for name in names {
            let path = locate::model(name)?;
            let run = path.join(dm_train::model::FILE).is_file();
            let tensors = path.extension().is_some_and(|e| e == "safetensors");
            if !run && (!tensors || sheet::read(&path).is_ok()) {
                sources.push(Source::read(&path)?);
                continue;
            }
            ensure!(names.len() == 1, "{name}: found a model among several targets, expected images");
            let (model, sha256) = origin::read(&path, device)?;
            return Ok(Self::Model(Box::new(model), sha256));
        }
        Ok(Self::Images(sources))
    }

    /// Refuses options that do not go with the target.
    pub(super) fn check(&self, args: &Args) -> Result<()> {
        let sources = match self {
            Self::Model(model, _) => {
                changed(model, args.sampler, args.steps, args.spacing).check(&*model.degradation)?;
                return set_size(args, args.seeds as usize).map(|_| ());
            }
            Self::Images(sources) => sources,
        };
        let path = sources[0].path.display();
        let plain = args.steps.is_none() && args.sampler.is_none() && args.spacing.is_none();
        ensure!(plain, "--steps, --sampler and --spacing: expected a model, found {path}");
        if sources.len() > 1 {
            let found = args.seeds;
            ensure!(found == 1, "--seeds: found {found}, expected none: each of several targets is a set");
            return set_size(args, sources.len()).map(|_| ());
        }
        let size = set_size(args, args.seeds as usize)?;
        let (found, most, n) = (args.seeds, (sources[0].n() / size).max(1), sources[0].n());
        ensure!(
            found <= most as u64,
            "--seeds: found {found}, expected at most {most}: {path} is no model, and has {n} images for sets of {size}"
        );
        Ok(())
    }

    /// Sets of exactly as many images as asked for; of at most as many where images make the sets.
    pub(super) fn sets(self, args: &Args, room: &Room) -> Result<Drawn> {
        match self {
            Self::Model(model, sha256) => draw::sets(&model, &sha256, args, room),
            Self::Images(sources) if sources.len() == 1 => one(&sources[0], args),
            Self::Images(sources) => several(&sources, args),
        }
    }
}

/// Images of a set, of `sets` together or each.
pub(super) fn set_size(args: &Args, sets: usize) -> Result<usize> {
    if !args.pool {
        return Ok(args.n);
    }
    let n = args.n;
    ensure!(sets > 1, "--pool: found one set, expected several: --seeds, or several targets");
    ensure!(n.is_multiple_of(sets), "--n: found {n}, expected a multiple of the {sets} sets of --pool");
    Ok(n / sets)
}

/// The first images of a source, or disjoint sets of it, drawn at random.
fn one(source: &Source, args: &Args) -> Result<Drawn> {
    let size = set_size(args, args.seeds as usize)?;
    let pixels = if args.seeds == 1 {
        first(&source.pixels, size).to_vec()
    } else {
        select(&source.pixels, &shuffled(source.n(), size * args.seeds as usize))
    };
    let size = size.min(source.n());
    // None at all are one empty set, which is refused by name where it is measured.
    let mut sets: Vec<Vec<u8>> = pixels.chunks(size.max(1) * PIXELS).map(<[u8]>::to_vec).collect();
    sets.resize(sets.len().max(1), Vec::new());
    let origin = source.origin.clone().unwrap_or_default();
    Ok(of_files(&[source], sets, args, origin))
}

/// The first images of every source, as many of each.
fn several(sources: &[Source], args: &Args) -> Result<Drawn> {
    let size = set_size(args, sources.len())?;
    let sets: Vec<Vec<u8>> = sources.iter().map(|source| first(&source.pixels, size).to_vec()).collect();
    for (source, set) in sources.iter().zip(&sets) {
        let (path, found, expected) = (source.path.display(), set.len() / PIXELS, sets[0].len() / PIXELS);
        let other = sources[0].path.display();
        ensure!(found == expected, "{path}: found {found} images, expected {expected} as in {other}");
    }
    let sources: Vec<&Source> = sources.iter().collect();
    let origin = common(&sources)?;
    Ok(of_files(&sources, sets, args, origin))
}

/// What the sheets of one model say of themselves, their seeds in a list.
fn common(sources: &[&Source]) -> Result<Map<String, Value>> {
    let said: Option<Vec<_>> = sources.iter().map(|source| source.origin.as_ref()).collect();
    let Some(said) = said else { return Ok(Map::new()) };
    let mut shared = said[0].clone();
    shared.remove("seed");
    shared.remove("seconds");
    let mut seeds: Vec<&Value> = Vec::new();
    for (source, origin) in sources.iter().zip(&said) {
        let path = source.path.display();
        if let Some((key, value)) = shared.iter().find(|(key, value)| origin.get(*key) != Some(value)) {
            let found = origin.get(key).unwrap_or(&Value::Null);
            bail!("{path}: {key}: found {found}, expected {value} as in {}", sources[0].path.display());
        }
        let seed = origin.get("seed").with_context(|| format!("{path}: metadata `seed`: found none"))?;
        ensure!(!seeds.contains(&seed), "{path}: found seed {seed} again, expected sets of different seeds");
        seeds.push(seed);
    }
    let seeds = json!(seeds);
    shared.insert("seeds".into(), seeds);
    Ok(shared)
}

fn of_files(sources: &[&Source], sets: Vec<Vec<u8>>, args: &Args, mut origin: Map<String, Value>) -> Drawn {
    let names: Vec<String> = sources.iter().map(|source| Path::display(&source.path).to_string()).collect();
    let (count, size) = (sets.len(), sets[0].len() / PIXELS);
    let mut drawn = Drawn { sets, pooled: args.pool, summary: String::new(), origin: Map::new() };
    let names_text = names.join(", ");
    drawn.summary = match (count, drawn.pooled) {
        (1, _) => format!("{names_text}: {size} images"),
        (_, false) => format!("{names_text}: {count} sets of {size} images"),
        (_, true) => format!("{names_text}: one set of {} images in {count} parts", drawn.n()),
    };
    // The way to a file from a machine's root says nothing elsewhere; the hashes say what it holds.
    let named = |source: &&Source| match source.path.file_name() {
        Some(name) if source.path.is_absolute() => Path::new(name).display().to_string(),
        _ => source.path.display().to_string(),
    };
    let names: Vec<String> = sources.iter().map(named).collect();
    let hashes: Vec<String> = drawn.sets.iter().map(|set| sha256_hex(set)).collect();
    let about = json!({ "images": names, "n": drawn.n(), "sets": count, "pooled": drawn.pooled, "sets_sha256": hashes });
    origin.extend(about.as_object().cloned().unwrap_or_default());
    drawn.origin = origin;
    drawn
}
