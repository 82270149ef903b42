//! A folder of results that take long to compute, each stored under the hash of everything it depends on.
//!
//! An entry cannot be stale. Its key is made of the hashes of pixels, models, classifiers and of the program itself, not of
//! names, versions or dates. An entry is used only if its key is the requested one and the hash of its content is correct;
//! otherwise the result is computed again and the entry is replaced. Errors of writing are ignored: without its entry, a result
//! is computed again the next time.

#![warn(clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use dm_nn::data::SampleSet;
use dm_nn::hash::sha256_hex;
use dm_nn::image::ImageShape;
use dm_nn::params::file::{TensorFile, read_bounded, write_atomic};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::classifier::Classifier;
use crate::classifier_output::ClassifierOutput;
use crate::error::Result;

/// Number of hexadecimal digits of the key in the name of a file.
const NAME_DIGITS: usize = 32;

/// A cache of results in a folder.
pub struct Cache {
    folder: PathBuf,
    program: String,
}

impl Cache {
    /// A cache in `folder`, which is created with the first entry. `program` is the hash of the program that computes the
    /// entries: entries of another build are not used.
    pub fn new(folder: &Path, program: &str) -> Self {
        Self { folder: folder.to_owned(), program: program.to_owned() }
    }

    /// The pixels [count, C, H, W] of images of `shape` that depend only on `parts` and on their index. They come from the cache
    /// if it has at least `count` of them.
    ///
    /// # Errors
    /// If `compute` fails.
    pub fn pixels<E>(
        &self,
        parts: &[&str],
        shape: ImageShape,
        count: usize,
        compute: impl FnOnce() -> std::result::Result<Vec<u8>, E>,
    ) -> std::result::Result<Vec<u8>, E> {
        let key = self.key(&[&["images", &shape.to_string()], parts].concat());
        let path = self.path("images", &key, "safetensors");
        let bytes = count * shape.len();
        if let Some(mut pixels) = read_pixels(&path, &key).filter(|pixels| pixels.len() >= bytes) {
            pixels.truncate(bytes);
            return Ok(pixels);
        }
        let pixels = compute()?;
        let metadata = [("key", key), ("content", sha256_hex(&pixels))].map(|(k, v)| (k.to_owned(), v));
        let set = SampleSet { shape, pixels, labels: None, metadata: metadata.into() };
        self.create_folder();
        let _ = set.write(&path);
        Ok(set.pixels)
    }

    /// Features and logits of `pixels` [n, C, H, W] by `classifier`, from the cache if they have been computed before.
    ///
    /// # Errors
    /// As [`Classifier::extract_features`].
    pub fn features(
        &self,
        classifier: &Classifier,
        pixels: &[u8],
        progress: &mut dyn FnMut(usize),
    ) -> Result<ClassifierOutput> {
        let shape = classifier.shape.to_string();
        let key = self.key(&["features", &classifier.sha256, &shape, &sha256_hex(pixels)]);
        let path = self.path("features", &key, "safetensors");
        if let Some(output) = read_output(&path, &key) {
            return Ok(output);
        }
        let output = classifier.extract_features(pixels, progress)?;
        let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
        let (features, logits) = (narrow(output.features.values()), narrow(output.logits.values()));
        let mut file = TensorFile::new(&path);
        file.set_metadata("key", key);
        file.set_metadata("content", content(&[&features, &logits]));
        file.insert_values("features", vec![output.n(), output.features.dim()], features);
        file.insert_values("logits", vec![output.n(), output.logits.dim()], logits);
        self.create_folder();
        let _ = file.write();
        Ok(output)
    }

    /// The value of `compute`, which must depend only on `parts`, from the cache if it has been computed before. `kind` says
    /// what the value is, and starts the name of its file.
    ///
    /// # Errors
    /// If `compute` fails.
    pub fn value<T: Serialize + DeserializeOwned, E>(
        &self,
        kind: &str,
        parts: &[&str],
        compute: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let key = self.key(&[&[kind], parts].concat());
        let path = self.path(kind, &key, "json");
        if let Some(value) = read_value(&path, &key) {
            return Ok(value);
        }
        let value = compute()?;
        if let Ok(text) = serde_json::to_string(&value) {
            let entry = json!({ "key": key, "content": sha256_hex(text.as_bytes()), "value": text });
            self.create_folder();
            let _ = write_atomic(&path, entry.to_string().as_bytes());
        }
        Ok(value)
    }

    /// The hash of everything that an entry depends on.
    fn key(&self, parts: &[&str]) -> String {
        let mut all = vec![self.program.as_str()];
        all.extend(parts);
        // In JSON the boundaries of the parts are unambiguous.
        sha256_hex(json!(all).to_string().as_bytes())
    }

    /// The file of the entry with the key `key`.
    fn path(&self, kind: &str, key: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{kind}-{}.{extension}", &key[..NAME_DIGITS]))
    }

    /// Creates the folder of the cache. If this fails, writing the entry fails, too.
    fn create_folder(&self) {
        let _ = std::fs::create_dir_all(&self.folder);
    }
}

/// The hash of several lists of numbers.
fn content(parts: &[&[f32]]) -> String {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().flat_map(|v| v.to_le_bytes())).collect();
    sha256_hex(&bytes)
}

fn read_output(path: &Path, key: &str) -> Option<ClassifierOutput> {
    let file = TensorFile::read(path).ok()?;
    let (shape, features) = file.get("features")?;
    let (_, logits) = file.get("logits")?;
    let is_intact =
        file.metadata("key").ok()? == key && file.metadata("content").ok()? == content(&[features, logits]);
    is_intact.then(|| ClassifierOutput::new(*shape.first()?, features, logits).ok()).flatten()
}

fn read_pixels(path: &Path, key: &str) -> Option<Vec<u8>> {
    let set = SampleSet::read(path).ok()?;
    let is = |name: &str, value: &str| set.metadata.get(name).is_some_and(|found| found == value);
    (is("key", key) && is("content", &sha256_hex(&set.pixels))).then_some(set.pixels)
}

fn read_value<T: DeserializeOwned>(path: &Path, key: &str) -> Option<T> {
    let entry: Value = serde_json::from_slice(&read_bounded(path).ok()?).ok()?;
    let text = entry.get("value")?.as_str()?;
    let is_intact = entry.get("key")? == key && entry.get("content")? == sha256_hex(text.as_bytes()).as_str();
    is_intact.then(|| serde_json::from_str(text).ok()).flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    /// The value of `parts`, from the cache or newly computed. A newly computed value is the number of values computed so far, so
    /// that it differs from all values in the cache.
    fn ask(cache: &Cache, parts: &[&str], computed: &mut u32) -> u32 {
        let compute = || {
            *computed += 1;
            Ok::<_, ()>(*computed)
        };
        cache.value("count", parts, compute).unwrap()
    }

    #[test]
    fn an_entry_is_used_only_as_it_was_written_and_for_the_parts_it_was_made_of() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, mut computed) = (Cache::new(&dir.path().join("cache"), "a"), 0);
        assert_eq!(ask(&cache, &["ab", "c"], &mut computed), 1);
        assert_eq!(ask(&cache, &["ab", "c"], &mut computed), 1);
        // Other parts that are the same when joined.
        assert_eq!(ask(&cache, &["a", "bc"], &mut computed), 2);
        // A changed value, a truncated file, or an entry under the name of another is computed again and replaced.
        let file = |parts| cache.folder.join(format!("count-{}.json", &cache.key(parts)[..NAME_DIGITS]));
        let (entry, other) = (file(&["count", "ab", "c"]), file(&["count", "a", "bc"]));
        let text = std::fs::read_to_string(&entry).unwrap();
        let corrupted = [text.replace("\"value\":\"1\"", "\"value\":\"7\""), text[..40].to_owned()];
        for (corrupted, expected) in corrupted.into_iter().zip([3, 4]) {
            assert_ne!(corrupted, text);
            std::fs::write(&entry, corrupted).unwrap();
            assert_eq!(ask(&cache, &["ab", "c"], &mut computed), expected);
        }
        std::fs::copy(other, &entry).unwrap();
        assert_eq!(ask(&cache, &["ab", "c"], &mut computed), 5);
        assert_eq!(ask(&cache, &["ab", "c"], &mut computed), 5);
        // Entries of another build of the program are not used.
        assert_eq!(ask(&Cache::new(&cache.folder, "b"), &["ab", "c"], &mut computed), 6);
        assert_eq!(ask(&cache, &["ab", "c"], &mut computed), 5);
    }

    #[test]
    fn images_are_cached_by_their_parts_and_shape_up_to_the_number_computed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), "a");
        let shape = ImageShape::new(3, 9, 14);
        let len = shape.len();
        let mut drawn = 0;
        let mut draw = |parts: &[&str], count: usize| {
            let compute = || {
                drawn += 1;
                Ok::<_, ()>((0..count * len).map(|p| (p / len) as u8).collect())
            };
            (cache.pixels(parts, shape, count, compute).unwrap(), drawn)
        };
        let (three, _) = draw(&["model", "1"], 3);
        assert_eq!(draw(&["model", "1"], 2), (three[..2 * len].to_vec(), 1));
        assert_eq!(draw(&["model", "2"], 3).1, 2);
        // More images than the entry has are all computed again.
        assert_eq!(draw(&["model", "1"], 4).1, 3);
        assert_eq!(draw(&["model", "1"], 3), (three, 3));
        // A damaged file is not used.
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(path, bytes).unwrap();
        }
        assert_eq!(draw(&["model", "1"], 3).1, 4);
        // Neither are images of another shape, even if they have as many values.
        let other = ImageShape::new(3, 14, 9);
        assert_eq!(cache.pixels(&["model", "1"], other, 3, || Err("computed")), Err("computed"));
        assert!(cache.pixels(&["model", "1"], shape, 3, || Err("computed")).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_created_only_costs_time() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let (cache, mut computed) = (Cache::new(&dir.path().join("file"), "a"), 0);
        assert_eq!(ask(&cache, &["x"], &mut computed), 1);
        assert_eq!(ask(&cache, &["x"], &mut computed), 2);
    }
}
