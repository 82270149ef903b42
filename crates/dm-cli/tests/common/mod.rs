//! The binary under test, a small config and a small data set.

#![allow(dead_code, reason = "each test uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use dm_nn::data::{Dataset, FILES, PIXELS, SIDE};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs `dm` with `args` in the folder `dir`.
pub fn dm(dir: &Path, args: &[&str]) -> Output {
    Command::cargo_bin("dm").unwrap().current_dir(dir).args(args).output().unwrap()
}

/// Runs `dm`, which must succeed; returns standard output.
pub fn ok(dir: &Path, args: &[&str]) -> String {
    let output = dm(dir, args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "dm {args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `dm`, which must refuse its input: exit code 2, nothing on standard output, one line that holds every word of
/// `words`.
pub fn refused(dir: &Path, args: &[&str], words: &[&str]) {
    let output = dm(dir, args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "dm {args:?}: {error}");
    assert_eq!(error.trim_end().lines().count(), 1, "dm {args:?}: {error}");
    assert!(error.starts_with("error: "), "{error}");
    assert!(error.matches("os error").count() < 2, "dm {args:?} says it twice: {error}");
    for word in words {
        assert!(error.contains(word), "dm {args:?}: `{word}` is not in: {error}");
    }
    assert!(output.stdout.is_empty());
}

/// A run of two epochs of four steps on 32 images, as a config file in `dir`.
pub fn small_config(dir: &Path, degradation: &str, prediction: &str) -> PathBuf {
    let path = dir.join(format!("{degradation}.toml"));
    let text = format!(
        "name = \"small\"\n\
         [data]\ndir = '{}'\n\
         [network]\nkind = \"unet\"\nchannels = [8, 8, 8]\ngroups = 4\ntime = 16\n\
         [degradation]\nkind = \"{degradation}\"\nsteps = 20\n\
         [objective]\nprediction = \"{prediction}\"\n\
         [training]\nepochs = 2\nbatch = 8\nimages = 32\nvalidation_images = 16\nlog_every = 1\n\
         checkpoint_every = 2\ngrid = 4\n\
         [sampling]\nsampler = \"bridge\"\nsteps = 5\n",
        root().join("data/mnist").display()
    );
    fs::write(&path, text).unwrap();
    path
}

/// Writes the first images of MNIST, so many of each half, as a data set of its own into `dir/data`, and returns it.
pub fn small_data(dir: &Path, train: usize, test: usize) -> (PathBuf, Dataset) {
    let folder = dir.join("data");
    fs::create_dir_all(&folder).unwrap();
    let whole = Dataset::read(&root().join("data/mnist")).unwrap();
    for (i, (half, n)) in [(&whole.train, train), (&whole.test, test)].into_iter().enumerate() {
        let size = |d: usize| u32::try_from(d).unwrap().to_be_bytes();
        let (n4, side) = (size(n), size(SIDE));
        let images = [&[0, 0, 8, 3], &n4[..], &side, &side, &half.pixels[..n * PIXELS]].concat();
        let labels = [&[0, 0, 8, 1], &n4[..], &half.labels[..n]].concat();
        fs::write(folder.join(FILES[2 * i]), images).unwrap();
        fs::write(folder.join(FILES[2 * i + 1]), labels).unwrap();
    }
    (folder.clone(), Dataset::read(&folder).unwrap())
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}
