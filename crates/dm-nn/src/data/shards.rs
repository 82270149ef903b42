//! Sample sets in several files, for images that several machines draw.
//!
//! Shard i of k holds a contiguous range of the images of the whole set. Its metadata are those of the whole set and two
//! entries more: the shard, and the number of images of the whole set.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::sample_file::{SampleFile, SampleHeader, write_parts};
use crate::error::{Error, Result};
use crate::image::ImageShape;

/// The metadata entry that states which shard a file holds.
const SHARD: &str = "shard";
/// The metadata entry that states the number of images of the whole set.
const TOTAL: &str = "total";
/// The most shards that a set may be divided into.
const MAX_SHARDS: u32 = 1_000_000;
/// Number of images that are copied at a time.
const PART: usize = 4096;

/// Shard `index` of `count`, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(i, k)| Some((i.parse().ok()?, k.parse().ok()?)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) && count <= MAX_SHARDS => {
                Ok(Self { index, count })
            }
            _ => Err(format!("expected i/k with 1 <= i <= k <= {MAX_SHARDS}, for example 2/4")),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// The numbers of the images of this shard, of a set of `n` images. The shards of a set differ by at most one image.
    pub fn range(self, n: usize) -> Range<usize> {
        let end = |shards: u32| (n as u128 * u128::from(shards) / u128::from(self.count.max(1))) as usize;
        end(self.index.saturating_sub(1))..end(self.index)
    }

    /// Number of shards of the set.
    pub fn count(self) -> usize {
        self.count as usize
    }

    /// The name of the file of this shard, for example `images-02-of-10.safetensors`.
    pub fn file_name(self) -> String {
        let width = self.count.to_string().len();
        format!("images-{:0width$}-of-{}.safetensors", self.index, self.count)
    }

    /// Adds this shard of a set of `n` images to the metadata of the set.
    pub fn add_to(self, metadata: &mut BTreeMap<String, String>, n: usize) {
        metadata.insert(SHARD.to_owned(), self.to_string());
        metadata.insert(TOTAL.to_owned(), n.to_string());
    }
}

/// Whether `path` has the name of a shard's file.
pub fn is_shard(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let numbers = name.as_deref().and_then(|name| {
        let (i, k) = name.strip_prefix("images-")?.strip_suffix(".safetensors")?.split_once("-of-")?;
        Some((i.parse::<u32>().ok()?, k.parse::<u32>().ok()?))
    });
    numbers.is_some()
}

/// The files of shards in the folder at `path`, by name; none if `path` is not a folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn in_folder(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let io = |e| Error::io(path, e);
    let entries = std::fs::read_dir(path).map_err(io)?;
    let paths = entries.map(|entry| Ok(entry.map_err(io)?.path())).collect::<Result<Vec<_>>>()?;
    let mut shards: Vec<PathBuf> = paths.into_iter().filter(|path| is_shard(path)).collect();
    shards.sort();
    Ok(shards)
}

/// All shards of one sample set, of which only the headers are in memory.
#[derive(Debug)]
pub struct ShardedSet {
    files: Vec<SampleFile>,
    shape: ImageShape,
    has_labels: bool,
    n: usize,
    metadata: BTreeMap<String, String>,
}

impl ShardedSet {
    /// Opens the shards at `paths`, in any order.
    ///
    /// # Errors
    /// If a file is not a shard, a shard is missing or there twice, or the shards belong to different sets.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        let mut shards = paths.iter().map(|path| Opened::new(path)).collect::<Result<Vec<_>>>()?;
        shards.sort_by_key(|opened| opened.shard);
        let Some(first) = shards.first() else {
            return Err(Error::invalid("shards", "none", "at least one file"));
        };
        let (count, n, metadata) = (first.shard.count, first.n, first.metadata.clone());
        let (shape, has_labels) = (first.file.shape(), first.file.has_labels());
        for opened in &shards {
            opened.check_like(first)?;
        }
        let mut next = 1;
        for opened in &shards {
            if opened.shard.index < next {
                return Err(opened.error(SHARD, opened.shard, "each shard once"));
            }
            if opened.shard.index > next {
                break;
            }
            next += 1;
        }
        if next <= count {
            let (missing, found) = (Shard { index: next, count }, format!("{} of {count}", shards.len()));
            let expected = format!("all of them: {} is missing", missing.file_name());
            return Err(Error::format(first.file.path(), "shards", found, expected));
        }
        let files = shards.into_iter().map(|opened| opened.file).collect();
        Ok(Self { files, shape, has_labels, n, metadata })
    }

    /// Shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Number of images of all shards together.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The origin of the images: the metadata of the whole set.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The files of the shards, in the order of the images.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(SampleFile::path)
    }

    /// The pixels of at most `count` images from number `first` on, [n, C, H, W]. They may come from several shards.
    ///
    /// # Errors
    /// If reading fails.
    pub fn images(&self, first: usize, count: usize) -> Result<Vec<u8>> {
        let end = first.saturating_add(count).min(self.n);
        let (mut pixels, mut begin) = (Vec::new(), 0);
        for file in &self.files {
            let next = begin + file.count();
            let (from, to) = (first.max(begin), end.min(next));
            if from < to {
                pixels.extend(file.images(from - begin, to - from)?);
            }
            begin = next;
        }
        Ok(pixels)
    }

    /// Writes the whole set to `path`, atomically: the same bytes as those of a set that was never divided. Only a few
    /// thousand images are in memory at a time. `progress` receives the number of images written.
    ///
    /// # Errors
    /// If reading or writing fails.
    pub fn join(&self, path: &Path, progress: &mut dyn FnMut(usize)) -> Result<()> {
        let (shape, count, has_labels) = (self.shape, self.n, self.has_labels);
        let header = SampleHeader { shape, count, has_labels, metadata: &self.metadata };
        write_parts(path, header, &mut |write| {
            for first in (0..count).step_by(PART) {
                write(&self.images(first, PART)?)?;
                progress((first + PART).min(count));
            }
            for file in &self.files {
                write(&file.labels()?.unwrap_or_default())?;
            }
            Ok(())
        })
    }
}

/// One file, with what its metadata state of the set.
struct Opened {
    file: SampleFile,
    shard: Shard,
    /// Number of images of the whole set.
    n: usize,
    /// The metadata of the whole set.
    metadata: BTreeMap<String, String>,
}

impl Opened {
    fn new(path: &Path) -> Result<Self> {
        let file = SampleFile::open(path)?;
        let mut metadata = file.metadata().clone();
        let mut entry = |key: &str| {
            let field = format!("metadata `{key}`");
            metadata.remove(key).ok_or_else(|| Error::format(path, field, "none", "a shard of `dm sample`"))
        };
        let (shard, n) = (entry(SHARD)?, entry(TOTAL)?);
        let wrong = |key: &str, found: &str, expected: String| {
            Error::format(path, format!("metadata `{key}`"), found, expected)
        };
        let shard: Shard = shard.parse().map_err(|expected| wrong(SHARD, &shard, expected))?;
        let n: usize = n.parse().map_err(|_| wrong(TOTAL, &n, "a number of images".into()))?;
        let expected = shard.range(n).len();
        if file.count() != expected {
            let found = format!("{} images", file.count());
            let expected = format!("{expected} in shard {shard} of {n} images");
            return Err(Error::format(path, "tensor `images`", found, expected));
        }
        Ok(Self { file, shard, n, metadata })
    }

    /// Checks that this shard and `other` belong to one set.
    fn check_like(&self, other: &Self) -> Result<()> {
        let of = other.file.path().display();
        if self.shard.count != other.shard.count {
            return Err(self.error(SHARD, self.shard, format!("one of {} as {of}", other.shard.count)));
        }
        if self.n != other.n {
            return Err(self.error(TOTAL, self.n, format!("{} as in {of}", other.n)));
        }
        let described = |opened: &Self| {
            let labels = if opened.file.has_labels() { "with" } else { "without" };
            format!("{} {labels} labels", opened.file.shape())
        };
        if described(self) != described(other) {
            let expected = format!("{} as in {of}", described(other));
            return Err(self.error("shape and labels", described(self), expected));
        }
        let mut keys = self.metadata.keys().chain(other.metadata.keys());
        let Some(key) = keys.find(|&key| self.metadata.get(key) != other.metadata.get(key)) else {
            return Ok(());
        };
        let value = |opened: &Self| opened.metadata.get(key).cloned().unwrap_or_else(|| "none".into());
        Err(self.error(key, value(self), format!("{} as in {of}", value(other))))
    }

    fn error(&self, field: &str, found: impl fmt::Display, expected: impl fmt::Display) -> Error {
        Error::format(self.file.path(), field, found, expected)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::SampleSet;

    const SHAPE: ImageShape = ImageShape::new(1, 8, 9);

    /// A set of `n` images, and its shards in a folder.
    fn divided(dir: &Path, n: usize, count: u32, labelled: bool) -> (SampleSet, Vec<PathBuf>) {
        let pixels: Vec<u8> = (0..n * SHAPE.len()).map(|i| (i * 31 % 251) as u8).collect();
        let labels: Option<Vec<u8>> = labelled.then(|| (0..n).map(|i| (i % 10) as u8).collect());
        let metadata = BTreeMap::from([("model".into(), "m".into()), ("seed".into(), "3".into())]);
        let whole = SampleSet { shape: SHAPE, pixels, labels, metadata };
        let shards = (1..=count).map(|index| {
            let shard = Shard { index, count };
            let range = shard.range(n);
            let mut metadata = whole.metadata.clone();
            shard.add_to(&mut metadata, n);
            let part = SampleSet {
                shape: SHAPE,
                pixels: whole.pixels[range.start * SHAPE.len()..range.end * SHAPE.len()].to_vec(),
                labels: whole.labels.as_ref().map(|labels| labels[range].to_vec()),
                metadata,
            };
            let path = dir.join(shard.file_name());
            part.write(&path).unwrap();
            path
        });
        let shards = shards.collect();
        (whole, shards)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_shards_of_any_division_join_to_the_bytes_of_the_whole(
            count in 1u32..14, more in 0usize..40, labelled: bool
        ) {
            let (dir, n) = (tempfile::tempdir().unwrap(), count as usize + more);
            let (whole, mut shards) = divided(dir.path(), n, count, labelled);
            prop_assert_eq!(in_folder(dir.path()).unwrap(), shards.clone());
            shards.reverse();
            let set = ShardedSet::open(&shards).unwrap();
            prop_assert_eq!(set.images(1, n).unwrap(), &whole.pixels[SHAPE.len()..]);
            let (direct, joined) = (dir.path().join("direct"), dir.path().join("joined"));
            whole.write(&direct).unwrap();
            set.join(&joined, &mut |_| {}).unwrap();
            prop_assert_eq!(std::fs::read(joined).unwrap(), std::fs::read(direct).unwrap());
        }
    }

    #[test]
    fn shards_that_do_not_make_one_set_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (_, shards) = divided(dir.path(), 10, 4, true);
        let refused = |paths: &[PathBuf]| ShardedSet::open(paths).unwrap_err().to_string();
        assert!(
            refused(&[shards[0].clone(), shards[3].clone()]).contains("images-2-of-4.safetensors is missing")
        );
        assert!(refused(&[shards[0].clone(), shards[0].clone()]).contains("each shard once"));
        let other = tempfile::tempdir().unwrap();
        let (_, others) = divided(other.path(), 11, 4, true);
        assert!(refused(&[shards[0].clone(), others[1].clone()]).contains("total: found 11, expected 10"));
        let mut changed = SampleSet::read(&shards[1]).unwrap();
        changed.metadata.insert("seed".into(), "4".into());
        changed.write(&shards[1]).unwrap();
        assert!(refused(&shards).contains("seed: found 4, expected 3"));
        changed.metadata.remove(SHARD);
        changed.write(&shards[1]).unwrap();
        assert!(refused(&shards).contains("metadata `shard`"));
    }

    #[test]
    fn only_pairs_of_numbers_are_shards() {
        for text in ["0/4", "5/4", "1", "1/", "-1/4", "1/0", "1/99999999"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        let shard: Shard = "2/10".parse().unwrap();
        assert_eq!((shard.file_name().as_str(), shard.range(101)), ("images-02-of-10.safetensors", 10..20));
        assert!(
            is_shard(Path::new("a/images-02-of-10.safetensors"))
                && !is_shard(Path::new("images.safetensors"))
        );
    }
}
