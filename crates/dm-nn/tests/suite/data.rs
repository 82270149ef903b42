//! IDX files: MNIST as shipped, files of other sizes and spellings, damaged files, and candle-datasets as an oracle.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use dm_nn::data::idx_files::FILES;
use dm_nn::data::{Dataset, Images, MNIST_SHA256, ReadOptions, idx};
use dm_nn::image::ImageShape;
use proptest::prelude::*;

fn mnist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist")
}

fn open(path: &Path) -> dm_nn::Result<Dataset> {
    Dataset::open(path, &ReadOptions::default())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// An IDX file of bytes.
fn idx_bytes(shape: &[u32], items: &[u8]) -> Vec<u8> {
    let mut raw = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|d| raw.extend(d.to_be_bytes()));
    raw.extend(items);
    raw
}

/// Writes the four files to `folder`: one image of `height` x `width` pixels for each label in `train` and in `test`.
fn write_folder(folder: &Path, height: u32, width: u32, train: &[u8], test: &[u8]) {
    for (labels, names) in [(train, &FILES[..2]), (test, &FILES[2..])] {
        let count = labels.len() as u32;
        let pixels: Vec<u8> = (0..count * height * width).map(|i| (i % 256) as u8).collect();
        fs::write(folder.join(names[0]), idx_bytes(&[count, height, width], &pixels)).unwrap();
        fs::write(folder.join(names[1]), idx_bytes(&[count], labels)).unwrap();
    }
}

#[test]
fn the_shipped_files_are_mnist() {
    let data = open(&mnist()).unwrap();
    assert!(data.is_mnist());
    let files: Vec<_> = data.files.iter().map(|file| (file.name.as_str(), file.sha256.as_str())).collect();
    assert_eq!(files, FILES.into_iter().zip(MNIST_SHA256).collect::<Vec<_>>());
    let sha256 = dm_nn::data::sha256_hex(MNIST_SHA256.concat().as_bytes());
    assert_eq!((data.sha256.as_str(), data.format), (sha256.as_str(), "IDX files"));
    assert_eq!((data.shape(), data.num_classes()), (ImageShape::new(1, 28, 28), 10));
    assert_eq!(data.class_names.concat(), "0123456789");
    data.train.validate("train").unwrap();
    data.test.validate("test").unwrap();
    assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
    assert_eq!(data.train.labels[..5], [5, 0, 4, 1, 9]);
    assert_eq!(data.test.labels[..5], [7, 2, 1, 0, 4]);
    assert_eq!(data.test.class_counts(), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    // The published mean of MNIST's training set is 0.1307.
    let mean =
        data.train.pixels.iter().map(|&p| f64::from(p)).sum::<f64>() / 255.0 / data.train.pixels.len() as f64;
    assert!((mean - 0.130_66).abs() < 1e-5, "{mean}");
    let intensity: f64 = data.train.total_intensity().iter().map(|&v| f64::from(v)).sum();
    let values = data.train.pixels.len() as f64;
    assert!((intensity / values - mean).abs() < 1e-6, "{intensity}");
}

#[test]
fn every_spelling_of_the_file_names_gives_the_same_data_set() {
    let packed = open(&mnist()).unwrap();
    let dotted = FILES.map(|name| name.replace("-idx", ".idx"));
    for names in [FILES.map(str::to_owned), dotted.clone(), dotted.map(|name| format!("{name}.gz"))] {
        let dir = tempfile::tempdir().unwrap();
        for (original, name) in FILES.iter().zip(names) {
            let packed = fs::read(mnist().join(format!("{original}.gz"))).unwrap();
            let mut raw = Vec::new();
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut raw).unwrap();
            let is_packed = Path::new(&name).extension().is_some_and(|extension| extension == "gz");
            let content = if is_packed { packed } else { raw };
            fs::write(dir.path().join(name), content).unwrap();
        }
        let data = open(dir.path()).unwrap();
        assert_eq!((&data.sha256, &data.files), (&packed.sha256, &packed.files));
        assert!(data.train == packed.train && data.test == packed.test);
    }
}

#[test]
fn files_of_other_sizes_and_numbers_of_classes_are_read() {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), 32, 17, &[1, 26, 3], &[2, 2]);
    let data = open(dir.path()).unwrap();
    assert_eq!((data.shape(), data.num_classes()), (ImageShape::new(1, 32, 17), 27));
    assert_eq!((data.train.len(), data.test.len(), data.is_mnist()), (3, 2, false));
    assert_eq!(data.train.image(1)[0], (32 * 17 % 256) as u8);
    write_folder(dir.path(), 8, 128, &[255], &[0]);
    assert_eq!(open(dir.path()).unwrap().num_classes(), 256);
}

#[test]
fn errors_about_bad_files_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let html = b"<!DOCTYPE html><title>Not found</title>".to_vec();
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n".to_vec();
    let typed = |code: u8, shape: &[u32], items: &[u8]| {
        let mut bytes = idx_bytes(shape, items);
        bytes[2] = code;
        bytes
    };
    for (file, content, expected) in [
        (0, html.clone(), "an HTML page saved under this name"),
        (1, gzip(&html), "an HTML page saved under this name"),
        (2, pointer, "git lfs pull"),
        (0, Vec::new(), "an empty file"),
        (0, idx_bytes(&[1, 28], &[0; 28]), "found [1, 28], expected [n, height, width] with n > 0"),
        (0, idx_bytes(&[0, 28, 28], &[]), "expected [n, height, width] with n > 0"),
        (0, idx_bytes(&[1, 7, 28], &[0; 196]), "found [1, 7, 28], expected 8 to 128 pixels"),
        (0, typed(0x0d, &[1, 8, 8], &[0; 256]), "found f32 items of shape [1, 8, 8], expected u8 items"),
        (1, typed(0x0e, &[2], &[0; 16]), "found f64 items of shape [2], expected u8 items, or i32"),
        (3, idx_bytes(&[3], &[0; 3]), "found [3], expected [2], one label per image"),
        (
            2,
            idx_bytes(&[2, 8, 8], &[0; 128]),
            "height and width: found [8, 8], expected [9, 8] as in the training",
        ),
        (0, gzip(&idx_bytes(&[2, 9, 8], &[0; 144]))[..30].to_vec(), "a complete gzip file"),
    ] {
        write_folder(dir.path(), 9, 8, &[0, 1], &[1, 0]);
        let path = dir.path().join(FILES[file]);
        fs::write(&path, content).unwrap();
        let message = open(dir.path()).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains(FILES[file]), "{message}");
        assert_eq!(message.lines().count(), 1);
    }
    fs::remove_file(dir.path().join(FILES[3])).unwrap();
    let message = open(dir.path()).unwrap_err().to_string();
    assert!(message.contains("t10k-labels-idx1-ubyte: file: found no such file"), "{message}");
    let size = ReadOptions { size: Some((28, 28)) };
    let message = Dataset::open(&mnist(), &size).unwrap_err().to_string();
    assert!(message.contains("only folders of images are resized"), "{message}");
}

#[test]
fn errors_about_unknown_formats_list_the_known_formats() {
    let dir = tempfile::tempdir().unwrap();
    let message = |path: &Path| open(path).unwrap_err().to_string();
    for (path, expected) in
        [(dir.path().join("missing"), "no such file or folder"), (dir.path().to_owned(), "an empty folder")]
    {
        let message = message(&path);
        assert!(message.contains(expected) && message.contains("train-images-idx3-ubyte"), "{message}");
        assert!(message.contains(".npz") && message.contains("PNG or JPEG"), "{message}");
    }
    fs::write(dir.path().join("notes.txt"), "text").unwrap();
    let message = message(dir.path());
    assert!(message.contains("a folder of other files, for example notes.txt"), "{message}");
}

#[test]
fn data_sets_in_memory_are_validated() {
    let images = |shape: ImageShape, num_classes, labels: &[u8]| Images {
        shape,
        num_classes,
        pixels: vec![7; labels.len() * shape.len()],
        labels: labels.to_vec(),
    };
    let shape = ImageShape::new(3, 8, 10);
    let data = Dataset::in_memory(images(shape, 2, &[0, 1]), images(shape, 2, &[1])).unwrap();
    assert_eq!((data.shape(), data.class_names.len(), data.is_mnist()), (shape, 2, false));
    let message = |train, test| Dataset::in_memory(train, test).unwrap_err().to_string();
    let found = message(images(shape, 2, &[0, 2]), images(shape, 2, &[1]));
    assert!(found.contains("training images: label 1: found 2, expected 0 to 1"), "{found}");
    let found = message(images(shape, 2, &[0]), images(ImageShape::new(3, 9, 10), 2, &[1]));
    assert!(found.contains("found 9x10x3 with 2 classes, expected 8x10x3 with 2 classes"), "{found}");
    let found = message(images(shape, 2, &[]), images(shape, 2, &[1]));
    assert!(found.contains("training images: found no images"), "{found}");
    let mut short = images(shape, 0, &[0, 0]);
    short.pixels.pop();
    let found = message(short, images(shape, 0, &[0]));
    assert!(found.contains("bytes of pixels: found 479, expected 480"), "{found}");
}

proptest! {
    #[test]
    fn complete_files_are_read_back(shape in prop::collection::vec(0u32..6, 1..=4), packed: bool, fill: u8) {
        let count: u32 = shape.iter().product();
        let items: Vec<u8> = (0..count).map(|i| fill.wrapping_add(i as u8)).collect();
        let bytes = idx_bytes(&shape, &items);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), if packed { gzip(&bytes) } else { bytes }).unwrap();
        let found = idx::read(file.path()).unwrap();
        prop_assert_eq!(found.shape, shape.iter().map(|&d| d as usize).collect::<Vec<_>>());
        prop_assert_eq!(found.items, items);
    }

    /// A header that disagrees with the rest of the file is an error that names the file, and causes no large allocation.
    #[test]
    fn wrong_headers_are_refused(shape in prop::collection::vec(any::<u32>(), 1..=4), length in 0usize..64) {
        prop_assume!(shape.iter().try_fold(1u64, |n, &d| n.checked_mul(u64::from(d))) != Some(length as u64));
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), idx_bytes(&shape, &vec![7; length])).unwrap();
        let message = idx::read(file.path()).err().unwrap().to_string();
        prop_assert!(message.contains("items") && message.contains(file.path().to_str().unwrap()), "{}", message);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let _ = idx::read(file.path());
    }
}

/// candle-datasets reads the same numbers from the same decompressed files.
#[cfg(feature = "hub")]
#[test]
fn candle_datasets_agrees() {
    let dir = tempfile::tempdir().unwrap();
    for name in FILES {
        let packed = fs::read(mnist().join(format!("{name}.gz"))).unwrap();
        let mut raw = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut raw).unwrap();
        fs::write(dir.path().join(name), raw).unwrap();
    }
    let theirs = candle_datasets::vision::mnist::load_dir(dir.path()).unwrap();
    let ours = open(&mnist()).unwrap();
    for (ours, images, labels) in [
        (&ours.train, &theirs.train_images, &theirs.train_labels),
        (&ours.test, &theirs.test_images, &theirs.test_labels),
    ] {
        let images: Vec<f32> = images.flatten_all().unwrap().to_vec1().unwrap();
        assert!(ours.pixels.iter().zip(&images).all(|(&p, v)| (f32::from(p) / 255.0 - v).abs() < 1e-6));
        assert_eq!(ours.pixels.len(), images.len());
        assert_eq!(ours.labels, labels.to_vec1::<u8>().unwrap());
    }
}
