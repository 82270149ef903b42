//! The target of an evaluation: a model to sample from, or images that exist already.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use candle_core::Device;
use dm_degrade::Model;
use dm_eval::protocol::{select, shuffled};
use dm_nn::data::{ShardedSet, sha256_hex, shards};
use dm_nn::image::ImageShape;
use dm_nn::params::file::TensorFile;
use serde_json::{Map, Value, json};

use super::args::{Args, OF_MODELS};
use super::sample_sets::{SampleSets, images_per_value, set_size};
use super::{draw, streamed};
use crate::eval_session::EvalSession;
use crate::image_files::{ImageFiles, SAMPLE_SET};
use crate::locate::Found;
use crate::{locate, provenance};

/// The tensor of images in a sample set.
const IMAGES_TENSOR: &str = "images";

/// The target that the arguments TARGET name.
pub(super) enum Target {
    /// A model to sample from.
    Model(Box<Model>),
    /// Images that exist already: one set per entry, or a single entry that is divided into sets.
    Images(Vec<ImageFiles>),
    /// One set of more images than are held in memory, in shards.
    Streamed(ShardedSet),
}

/// Largest number of images of a set that is held in memory.
const MOST: usize = 100_000;

impl Target {
    /// Opens the model or reads the images that the arguments name.
    ///
    /// # Errors
    /// If a target cannot be read, or a model is among several targets.
    pub(super) fn open(args: &Args, device: &Device) -> Result<Self> {
        let (names, mut images) = (&args.targets, Vec::new());
        if let Some(set) = sharded_set(names)? {
            if args.n > MOST {
                return Ok(Self::Streamed(set));
            }
            let n = if args.seeds == 1 { args.n } else { set.n() };
            return Ok(Self::Images(vec![ImageFiles::of_shards(Path::new(&names[0]), &set, n)?]));
        }
        for name in names {
            let found = locate::model_or_images(name)?;
            match &found {
                Found::Path(path) if !is_model(path) => images.push(ImageFiles::read(path)?),
                _ => {
                    ensure!(names.len() == 1, "{name}: found a model among several targets, expected images");
                    return Ok(Self::Model(Box::new(found.open_model(device)?)));
                }
            }
        }
        Ok(Self::Images(images))
    }

    /// Checks that images are of the shape of the data, and refuses options that do not go with the target.
    ///
    /// # Errors
    /// If an option or a shape does not fit.
    pub(super) fn check(&self, args: &Args, shape: ImageShape) -> Result<()> {
        let images = match self {
            Self::Model(model) => {
                model.check_shape(shape, "--data")?;
                check_n(args.n)?;
                args.sampling.apply(model, None).check(&*model.degradation)?;
                args.guidance.check(model.conditional_classes() > 0)?;
                return set_size(args.n, args.seeds as usize, args.pool).map(|_| ());
            }
            Self::Streamed(set) => return streamed::check(set, args, shape),
            Self::Images(images) => images,
        };
        check_n(args.n)?;
        for files in images {
            let (path, found) = (files.path.display(), files.shape);
            ensure!(found == shape, "{path}: shape: found {found}, expected {shape} as in --data");
        }
        let path = images[0].path.display();
        ensure!(
            !args.sampling.any() && !args.guidance.any(),
            "{OF_MODELS}: expected a model to sample from, found {path}"
        );
        if images.len() > 1 {
            let found = args.seeds;
            ensure!(found == 1, "--seeds: found {found}, expected none: each of several targets is a set");
            return set_size(args.n, images.len(), args.pool).map(|_| ());
        }
        let size = set_size(args.n, args.seeds as usize, args.pool)?;
        let (found, most, n) = (args.seeds, (images[0].n() / size).max(1), images[0].n());
        ensure!(
            found <= most as u64,
            "--seeds: found {found}, expected at most {most}: {path} is not a model, and has {n} images for sets of {size}"
        );
        Ok(())
    }

    /// The sets to evaluate. A model gives sets of exactly as many images as asked for, images give at most as many.
    ///
    /// # Errors
    /// If sampling fails, the images do not fit together, or the set is too large for memory.
    pub(super) fn sets(self, args: &Args, session: &EvalSession<'_>) -> Result<SampleSets> {
        match self {
            Self::Model(model) => draw::sets(&model, args, session),
            Self::Images(images) if images.len() == 1 => one(&images[0], args),
            Self::Images(images) => several(&images, args),
            Self::Streamed(_) => check_n(args.n).and_then(|()| bail!("found a set too large to be held")),
        }
    }
}

/// Checks that a set of `n` images can be held in memory.
fn check_n(n: usize) -> Result<()> {
    ensure!(n <= MOST, "--n: found {n}, expected 1 to {MOST}, or shards of one sample set as TARGET");
    Ok(())
}

/// The set whose shards `names` are, file by file or as their folder; `None` if `names` are no shards.
fn sharded_set(names: &[String]) -> Result<Option<ShardedSet>> {
    let paths: Vec<PathBuf> = match names {
        [folder] if !Path::new(folder).join(SAMPLE_SET).is_file() => shards::in_folder(Path::new(folder))?,
        [_] => Vec::new(),
        files if files.iter().all(|file| shards::is_shard(Path::new(file))) => {
            files.iter().map(PathBuf::from).collect()
        }
        _ => Vec::new(),
    };
    Ok(if paths.is_empty() { None } else { Some(ShardedSet::open(&paths)?) })
}

/// Whether `path` is a model's file or run folder, or another file of parameters, as opposed to images.
fn is_model(path: &Path) -> bool {
    let is_run = path.join(dm_degrade::model::FILE).is_file();
    let is_tensor_file = path.extension().is_some_and(|extension| extension == "safetensors");
    let has_images = |file: TensorFile| file.names().any(|name| name == IMAGES_TENSOR);
    is_run || (is_tensor_file && TensorFile::read(path).is_ok_and(|file| !has_images(file)))
}

/// The first images of `files`, or disjoint random sets of them.
fn one(files: &ImageFiles, args: &Args) -> Result<SampleSets> {
    let size = set_size(args.n, args.seeds as usize, args.pool)?;
    let pixels = if args.seeds == 1 {
        files.first(size).to_vec()
    } else {
        let rows = shuffled(files.n(), size * args.seeds as usize);
        select(&files.pixels, files.shape.len(), &rows)
    };
    let set_len = size.min(files.n()) * files.shape.len();
    let sets = pixels.chunks(set_len).map(<[u8]>::to_vec).collect();
    of_files(&[files], sets, args, files.provenance.clone().unwrap_or_default())
}

/// The first images of every target, the same number of each.
fn several(images: &[ImageFiles], args: &Args) -> Result<SampleSets> {
    let size = set_size(args.n, images.len(), args.pool)?;
    let sets: Vec<Vec<u8>> = images.iter().map(|files| files.first(size).to_vec()).collect();
    let first = &images[0];
    let count = |set: &[u8]| set.len() / first.shape.len();
    for (files, set) in images.iter().zip(&sets) {
        let (path, found, expected) = (files.path.display(), count(set), count(&sets[0]));
        let other = first.path.display();
        ensure!(found == expected, "{path}: found {found} images, expected {expected} as in {other}");
    }
    let images: Vec<&ImageFiles> = images.iter().collect();
    let provenance = common_provenance(&images)?;
    of_files(&images, sets, args, provenance)
}

/// The provenance that sample sets of one model share, with their seeds as a list.
fn common_provenance(images: &[&ImageFiles]) -> Result<Map<String, Value>> {
    let stated: Option<Vec<_>> = images.iter().map(|files| files.provenance.as_ref()).collect();
    let Some(stated) = stated else { return Ok(Map::new()) };
    let mut shared = stated[0].clone();
    shared.remove("seed");
    shared.remove("seconds");
    let mut seeds: Vec<&Value> = Vec::new();
    for (files, provenance) in images.iter().zip(&stated) {
        let path = files.path.display();
        if let Some((key, value)) = shared.iter().find(|(key, value)| provenance.get(*key) != Some(value)) {
            let found = provenance.get(key).unwrap_or(&Value::Null);
            bail!("{path}: {key}: found {found}, expected {value} as in {}", images[0].path.display());
        }
        let seed = provenance.get("seed").with_context(|| format!("{path}: metadata `seed`: found none"))?;
        ensure!(!seeds.contains(&seed), "{path}: found seed {seed} again, expected sets of different seeds");
        seeds.push(seed);
    }
    let seeds = json!(seeds);
    shared.insert("seeds".into(), seeds);
    Ok(shared)
}

/// `sets` of the images of `images`, whose sample sets state `provenance`.
fn of_files(
    images: &[&ImageFiles],
    sets: Vec<Vec<u8>>,
    args: &Args,
    provenance: Map<String, Value>,
) -> Result<SampleSets> {
    let shape = images[0].shape;
    let paths: Vec<String> = images.iter().map(|files| files.path.display().to_string()).collect();
    let paths = paths.join(", ");
    let (count, size, n) =
        (sets.len(), sets[0].len() / shape.len(), images_per_value(shape, &sets, args.pool));
    let summary = match (count, args.pool) {
        (1, _) => format!("{paths}: {size} images"),
        (_, false) => format!("{paths}: {count} sets of {size} images"),
        (_, true) => format!("{paths}: one set of {n} images in {count} parts"),
    };
    let mut target = provenance::to_target(provenance, n, &paths)?;
    // An absolute path means nothing on another machine; the hashes identify the images.
    let name = |files: &&ImageFiles| match files.path.file_name() {
        Some(name) if files.path.is_absolute() => Path::new(name).display().to_string(),
        _ => files.path.display().to_string(),
    };
    target.images = images.iter().map(name).collect();
    target.sets = count;
    target.pooled = args.pool;
    target.sets_sha256 = sets.iter().map(|set| sha256_hex(set)).collect();
    Ok(SampleSets { shape, sets, pooled: args.pool, summary, target })
}
