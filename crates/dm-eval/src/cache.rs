//! A folder of things that take long to compute, each under the hash of everything it depends on.
//!
//! A stale entry is impossible: the key is made of the hashes of pixels, models, judge and of the program itself, not of
//! names, versions or dates, and an entry is believed only if its key is the one asked for and the hash over its content is
//! right. Anything else is computed again and replaced. A cache that cannot be written costs time, nothing more.

use std::path::{Path, PathBuf};

use dm_nn::data::{PIXELS, sha256_hex, sheet};
use dm_nn::params::file::{TensorFile, write_atomic};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::Result;
use crate::judge::{Judge, Judged};

/// The folder.
pub struct Cache {
    folder: PathBuf,
    program: String,
}

impl Cache {
    /// Entries go to `folder`, which is made when the first one is written. `program` is the hash of whatever computes them:
    /// what another build has computed is not believed.
    pub fn new(folder: &Path, program: &str) -> Self {
        Self { folder: folder.to_owned(), program: program.to_owned() }
    }

    /// Images [count, 784] that depend on nothing but `parts` and their place, from the cache if there are as many.
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn pixels<E>(
        &self,
        parts: &[&str],
        count: usize,
        compute: impl FnOnce() -> std::result::Result<Vec<u8>, E>,
    ) -> std::result::Result<Vec<u8>, E> {
        let key = self.key(&[&["images"], parts].concat());
        let path = self.folder.join(format!("images-{}.safetensors", &key[..32]));
        let kept = read_pixels(&path, &key).filter(|pixels| pixels.len() >= count * PIXELS);
        if let Some(mut pixels) = kept {
            pixels.truncate(count * PIXELS);
            return Ok(pixels);
        }
        let pixels = compute()?;
        let about = [("key", key), ("content", sha256_hex(&pixels))].map(|(k, v)| (k.to_owned(), v));
        let _ = std::fs::create_dir_all(&self.folder);
        let _ = sheet::write(&path, &pixels, None, &about.into());
        Ok(pixels)
    }

    /// What `judge` says of `pixels` [n, 784], from the cache if it has been asked before.
    ///
    /// # Errors
    /// As [`Judge::look`].
    pub fn judged(&self, judge: &Judge, pixels: &[u8], tick: &mut dyn FnMut(usize)) -> Result<Judged> {
        let n = pixels.len() / PIXELS;
        let key = self.key(&["judged", &judge.sha256, &sha256_hex(pixels), &n.to_string()]);
        let path = self.folder.join(format!("judged-{}.safetensors", &key[..32]));
        if let Some(judged) = read_judged(&path, &key, n) {
            return Ok(judged);
        }
        let judged = judge.look(pixels, tick)?;
        let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
        let (features, logits) = (narrow(judged.features.values()), narrow(judged.logits.values()));
        let mut file = TensorFile::new(&path);
        file.set_metadata("key", key);
        file.set_metadata("content", content(&[&features, &logits]));
        file.insert_values("features", vec![n, judged.features.dim()], features);
        file.insert_values("logits", vec![n, judged.logits.dim()], logits);
        let _ = std::fs::create_dir_all(&self.folder);
        let _ = file.write();
        Ok(judged)
    }

    /// The value of `compute`, which must depend on nothing but `parts`, from the cache if it was computed before.
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn value<T: Serialize + DeserializeOwned, E>(
        &self,
        kind: &str,
        parts: &[&str],
        compute: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let key = self.key(&[&[kind], parts].concat());
        let path = self.folder.join(format!("{kind}-{}.json", &key[..32]));
        if let Some(value) = read_value(&path, &key) {
            return Ok(value);
        }
        let value = compute()?;
        if let Ok(text) = serde_json::to_string(&value) {
            let entry = json!({ "key": key, "content": sha256_hex(text.as_bytes()), "value": text });
            let _ = std::fs::create_dir_all(&self.folder);
            let _ = write_atomic(&path, entry.to_string().as_bytes());
        }
        Ok(value)
    }

    /// Hash of everything an entry depends on.
    fn key(&self, parts: &[&str]) -> String {
        let mut all = vec![self.program.as_str()];
        all.extend(parts);
        // JSON keeps the parts apart whatever is in them.
        sha256_hex(json!(all).to_string().as_bytes())
    }
}

fn content(parts: &[&[f32]]) -> String {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().flat_map(|v| v.to_le_bytes())).collect();
    sha256_hex(&bytes)
}

fn read_judged(path: &Path, key: &str, n: usize) -> Option<Judged> {
    let file = TensorFile::read(path).ok()?;
    let (_, features) = file.get("features")?;
    let (_, logits) = file.get("logits")?;
    let sound =
        file.metadata("key").ok()? == key && file.metadata("content").ok()? == content(&[features, logits]);
    sound.then(|| Judged::new(n, features, logits).ok()).flatten()
}

fn read_pixels(path: &Path, key: &str) -> Option<Vec<u8>> {
    let sheet = sheet::read_whole(path).ok()?;
    let is = |name: &str, value: &str| sheet.metadata.get(name).is_some_and(|found| found == value);
    (is("key", key) && is("content", &sha256_hex(&sheet.pixels))).then_some(sheet.pixels)
}

fn read_value<T: DeserializeOwned>(path: &Path, key: &str) -> Option<T> {
    let entry: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    let text = entry["value"].as_str()?;
    let sound = entry["key"] == key && entry["content"] == sha256_hex(text.as_bytes()).as_str();
    sound.then(|| serde_json::from_str(text).ok()).flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    /// Values computed, one more each time.
    fn ask(cache: &Cache, parts: &[&str], computed: &mut u32) -> u32 {
        let compute = || {
            *computed += 1;
            Ok::<_, ()>(*computed)
        };
        cache.value("count", parts, compute).unwrap()
    }

    #[test]
    fn an_entry_is_believed_only_as_it_was_written_and_for_what_it_was_made_of() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, mut computed) = (Cache::new(&dir.path().join("cache"), "a"), 0);
        assert_eq!(ask(&cache, &["ab", "c"], &mut computed), 1);
        assert_eq!(ask(&cache, &["ab", "c"], &mut computed), 1);
        // Other parts, however they run together.
        assert_eq!(ask(&cache, &["a", "bc"], &mut computed), 2);
        // A changed value, a cut file, an entry under another's name: computed again and replaced.
        let file = |parts| cache.folder.join(format!("count-{}.json", &cache.key(parts)[..32]));
        let (entry, other) = (file(&["count", "ab", "c"]), file(&["count", "a", "bc"]));
        let text = std::fs::read_to_string(&entry).unwrap();
        let spoiled = [text.replace("\"value\":\"1\"", "\"value\":\"7\""), text[..40].to_owned()];
        for (spoiled, expected) in spoiled.into_iter().zip([3, 4]) {
            assert_ne!(spoiled, text);
            std::fs::write(&entry, spoiled).unwrap();
            assert_eq!(ask(&cache, &["ab", "c"], &mut computed), expected);
        }
        std::fs::copy(other, &entry).unwrap();
        assert_eq!(ask(&cache, &["ab", "c"], &mut computed), 5);
        assert_eq!(ask(&cache, &["ab", "c"], &mut computed), 5);
        // Another build of the program has another opinion.
        assert_eq!(ask(&Cache::new(&cache.folder, "b"), &["ab", "c"], &mut computed), 6);
        assert_eq!(ask(&cache, &["ab", "c"], &mut computed), 5);
    }

    #[test]
    fn images_are_kept_by_what_they_were_made_of_as_many_as_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), "a");
        let mut drawn = 0;
        let mut draw = |parts: &[&str], count: usize| {
            let compute = || {
                drawn += 1;
                Ok::<_, ()>((0..count * PIXELS).map(|p| (p / PIXELS) as u8).collect())
            };
            (cache.pixels(parts, count, compute).unwrap(), drawn)
        };
        let (three, _) = draw(&["model", "1"], 3);
        assert_eq!(draw(&["model", "1"], 2), (three[..2 * PIXELS].to_vec(), 1));
        assert_eq!(draw(&["model", "2"], 3).1, 2);
        // More than are there: all anew.
        assert_eq!(draw(&["model", "1"], 4).1, 3);
        assert_eq!(draw(&["model", "1"], 3), (three, 3));
        // A damaged file is none.
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(path, bytes).unwrap();
        }
        assert_eq!(draw(&["model", "1"], 3).1, 4);
    }

    #[test]
    fn a_folder_that_cannot_be_made_costs_time_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let (cache, mut computed) = (Cache::new(&dir.path().join("file"), "a"), 0);
        assert_eq!(ask(&cache, &["x"], &mut computed), 1);
        assert_eq!(ask(&cache, &["x"], &mut computed), 2);
    }
}
