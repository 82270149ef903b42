//! The binary under test, small configs and small data sets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use dm_nn::data::idx_files::FILES;
use dm_nn::data::{Dataset, ReadOptions, SampleSet};
use dm_nn::image::ImageShape;

/// The shape of MNIST's images.
pub const MNIST: ImageShape = ImageShape::new(1, 28, 28);

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A Python that has these packages: the program that the environment variable DM_PYTHON names, or else `python3`. `None` if it
/// lacks a package; a message then says that the test is skipped.
pub fn python(packages: &str) -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os("DM_PYTHON").unwrap_or_else(|| "python3".into()));
    let found = std::process::Command::new(&python).args(["-c", &format!("import {packages}")]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let told =
        format!("skipped: {} lacks one of {packages}; DM_PYTHON names another Python\n", python.display());
    std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
    None
}

/// Runs `dm` with `args` in the folder `dir`. Shipped files are those of the repository.
pub fn dm(dir: &Path, args: &[&str]) -> Output {
    let data = root().join("data");
    Command::cargo_bin("dm").unwrap().current_dir(dir).env("DM_DATA", data).args(args).output().unwrap()
}

/// Runs `dm`, which must succeed, and returns standard output.
pub fn ok(dir: &Path, args: &[&str]) -> String {
    let output = dm(dir, args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "dm {args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `dm`, which must refuse its input: exit code 2, nothing on standard output, and one line of error that contains
/// every word of `words`.
pub fn refused(dir: &Path, args: &[&str], words: &[&str]) {
    let output = dm(dir, args);
    // On a busy machine the program first says that it is still reading.
    let error = String::from_utf8_lossy(&output.stderr);
    let lines = error.lines().filter(|line| !line.starts_with("reading "));
    let error = lines.collect::<Vec<_>>().join("\n");
    assert_eq!(output.status.code(), Some(2), "dm {args:?}: {error}");
    assert_eq!(error.trim_end().lines().count(), 1, "dm {args:?}: {error}");
    assert!(error.starts_with("error: "), "{error}");
    assert!(error.matches("os error").count() < 2, "dm {args:?} repeats the cause: {error}");
    for word in words {
        assert!(error.contains(word), "dm {args:?}: `{word}` is not in: {error}");
    }
    assert!(output.stdout.is_empty());
}

/// Writes the config of a run of two epochs of four steps on 32 images to `dir`.
pub fn small_config(dir: &Path, degradation: &str, parameterization: &str) -> PathBuf {
    let path = dir.join(format!("{degradation}.toml"));
    let text = format!(
        "name = \"small\"\n\
         [data]\npath = '{}'\n\
         [network]\nkind = \"unet\"\nchannels = [8, 8, 8]\ngroups = 4\ntime_embed_dim = 16\n\
         [degradation]\nkind = \"{degradation}\"\ntimesteps = 20\n\
         [objective]\nparameterization = \"{parameterization}\"\n\
         [training]\nepochs = 2\nbatch_size = 8\nmax_images = 32\nvalidation_images = 16\nlog_every = 1\n\
         checkpoint_every = 2\nsample_count = 4\n\
         [sampling]\nsampler = \"ancestral\"\nnfe = 5\n",
        root().join("data/mnist").display()
    );
    fs::write(&path, text).unwrap();
    path
}

/// Writes the config of a small classifier to `dir`: 16 features, two epochs.
pub fn small_classifier_config(dir: &Path) -> PathBuf {
    let path = dir.join("classifier.toml");
    let text = "name = \"small-classifier\"\n\
         [classifier]\nchannels = [8, 8]\nfeatures = 16\n\
         [training]\nepochs = 2\nbatch_size = 16\n";
    fs::write(&path, text).unwrap();
    path
}

/// Writes the first images of MNIST, `train` training images and `test` test images, as a data set to `dir/data`.
pub fn small_data(dir: &Path, train: usize, test: usize) -> (PathBuf, Dataset) {
    let folder = dir.join("data");
    fs::create_dir_all(&folder).unwrap();
    let whole = Dataset::open(&root().join("data/mnist"), &ReadOptions::default()).unwrap();
    for (i, (set, n)) in [(&whole.train, train), (&whole.test, test)].into_iter().enumerate() {
        let size = |d: usize| u32::try_from(d).unwrap().to_be_bytes();
        let (n4, side) = (size(n), size(28));
        let images = [&[0, 0, 8, 3], &n4[..], &side, &side, &set.pixels[..n * MNIST.len()]].concat();
        let labels = [&[0, 0, 8, 1], &n4[..], &set.labels[..n]].concat();
        fs::write(folder.join(FILES[2 * i]), images).unwrap();
        fs::write(folder.join(FILES[2 * i + 1]), labels).unwrap();
    }
    (folder.clone(), Dataset::open(&folder, &ReadOptions::default()).unwrap())
}

/// The shape of the images of [`color_data`].
pub const COLOR: ImageShape = ImageShape::new(3, 12, 16);
/// The class folders of [`color_data`].
pub const COLOR_CLASSES: [&str; 3] = ["blue", "green", "red"];

/// Writes a folder of colour PNGs of 12x16 pixels to `dir/colours`: three classes of `per_class` images, each a bright
/// rectangle of its class's colour at a place of its own.
pub fn color_data(dir: &Path, per_class: u32) -> PathBuf {
    let root = dir.join("colours");
    for (class, name) in COLOR_CLASSES.iter().enumerate() {
        fs::create_dir_all(root.join(name)).unwrap();
        for i in 0..per_class {
            let mut image = image::RgbImage::new(16, 12);
            let (left, top) = (i % 10, i / 10 % 6);
            for (x, y) in (0..6).flat_map(|x| (0..6).map(move |y| (left + x, top + y))) {
                image.get_pixel_mut(x, y).0[2 - class] = 155 + (i * 7 % 100) as u8;
            }
            image.save(root.join(name).join(format!("{i:03}.png"))).unwrap();
        }
    }
    root
}

/// The sample set at `path`.
pub fn samples(path: &Path) -> SampleSet {
    SampleSet::read(path).unwrap()
}

/// Writes `pixels` of MNIST's shape as a sample set of unknown origin.
pub fn write_samples(path: &Path, pixels: Vec<u8>) {
    let metadata = std::collections::BTreeMap::new();
    SampleSet { shape: MNIST, pixels, labels: None, metadata }.write(path).unwrap();
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}
