//! The data files: MNIST as shipped, the IDX reader on files of every kind of damage, and candle-datasets as an oracle.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use dm_nn::data::{Dataset, FILES, MNIST_SHA256, idx};
use proptest::prelude::*;

fn mnist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist")
}

/// An IDX file of bytes.
fn idx_bytes(shape: &[u32], items: &[u8]) -> Vec<u8> {
    let mut raw = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|d| raw.extend(d.to_be_bytes()));
    raw.extend(items);
    raw
}

#[test]
fn the_shipped_files_are_mnist() {
    let data = Dataset::read(&mnist()).unwrap();
    assert!(data.is_mnist());
    assert_eq!(data.file_sha256, MNIST_SHA256);
    assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
    assert_eq!(data.train.labels[..5], [5, 0, 4, 1, 9]);
    assert_eq!(data.test.labels[..5], [7, 2, 1, 0, 4]);
    // Means as published for MNIST: 0.1307 (train).
    let mean =
        data.train.pixels.iter().map(|&p| f64::from(p)).sum::<f64>() / 255.0 / data.train.pixels.len() as f64;
    assert!((mean - 0.130_66).abs() < 1e-5, "{mean}");
}

#[test]
fn plain_and_gzip_files_read_alike() {
    let dir = tempfile::tempdir().unwrap();
    for name in FILES {
        let packed = fs::read(mnist().join(format!("{name}.gz"))).unwrap();
        let mut raw = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut raw).unwrap();
        fs::write(dir.path().join(name), raw).unwrap();
    }
    let (plain, packed) = (Dataset::read(dir.path()).unwrap(), Dataset::read(&mnist()).unwrap());
    assert_eq!(plain.sha256, packed.sha256);
    assert!(plain.train.pixels == packed.train.pixels && plain.test.labels == packed.test.labels);
}

proptest! {
    #[test]
    fn whole_files_come_back(shape in prop::collection::vec(0u32..6, 1..=4), gzip: bool, fill: u8) {
        let count: u32 = shape.iter().product();
        let items: Vec<u8> = (0..count).map(|i| fill.wrapping_add(i as u8)).collect();
        let mut bytes = idx_bytes(&shape, &items);
        if gzip {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(&bytes).unwrap();
            bytes = packer.finish().unwrap();
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let found = idx::read(file.path()).unwrap();
        prop_assert_eq!(found.shape, shape.iter().map(|&d| d as usize).collect::<Vec<_>>());
        prop_assert_eq!(found.items, items);
    }

    /// A header that promises anything but what follows is refused by name; nothing is allocated on its word.
    #[test]
    fn lying_headers_are_refused(shape in prop::collection::vec(any::<u32>(), 1..=4), length in 0usize..64) {
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

/// candle-datasets reads the same unpacked files to the same numbers.
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
    let ours = Dataset::read(&mnist()).unwrap();
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
