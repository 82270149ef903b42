//! Archives of NumPy arrays: both sets of names, every accepted layout, and everything that is refused.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use dm_nn::data::{Dataset, ReadOptions, sha256_hex};
use dm_nn::image::ImageShape;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A .npy file with items of the type `descr`.
fn npy(descr: &str, shape: &str, items: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(items);
    bytes
}

fn write(path: &Path, members: &[(&str, Vec<u8>)], compressed: bool) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    let method = if compressed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    for (name, content) in members {
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default().compression_method(method))
            .unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
}

fn open(path: &Path) -> dm_nn::Result<Dataset> {
    Dataset::open(path, &ReadOptions::default())
}

const KERAS: [&str; 4] = ["x_train", "y_train", "x_test", "y_test"];

/// Three training and two test images of 8x9 pixels, with labels.
fn members() -> Vec<(&'static str, Vec<u8>)> {
    let pixels = |count: usize| (0..count * 72).map(|i| i as u8).collect::<Vec<_>>();
    let labels = |labels: &[i64]| labels.iter().flat_map(|label| label.to_le_bytes()).collect::<Vec<_>>();
    let contents = [
        npy("|u1", "(3, 8, 9)", &pixels(3)),
        npy("<i8", "(3,)", &labels(&[4, 0, 1])),
        npy("|u1", "(2, 8, 9)", &pixels(2)),
        npy("<i8", "(2,)", &labels(&[1, 5])),
    ];
    KERAS.into_iter().zip(contents).collect()
}

#[test]
fn keras_archives_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("digits.npz");
    for compressed in [false, true] {
        write(&path, &members(), compressed);
        let data = open(&path).unwrap();
        assert_eq!((data.shape(), data.num_classes()), (ImageShape::new(1, 8, 9), 6));
        assert_eq!(
            (data.train.labels.as_slice(), data.test.labels.as_slice()),
            ([4, 0, 1].as_slice(), [1, 5].as_slice())
        );
        assert_eq!(data.train.image(2)[..3], [144, 145, 146]);
        assert_eq!(data.sha256, sha256_hex(&fs::read(&path).unwrap()));
        assert_eq!((data.files[0].name.as_str(), data.format), ("digits.npz", "NumPy archive"));
        data.train.validate("train").unwrap();
    }
}

#[test]
fn medmnist_archives_in_colour_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bloodmnist.npz");
    let pixels: Vec<u8> = (0..2 * 8 * 10 * 3).map(|i| (i % 251) as u8).collect();
    let (images, labels) = (npy("|u1", "(2, 8, 10, 3)", &pixels), npy("|u1", "(2, 1)", &[7, 0]));
    let mut members = Vec::new();
    for set in ["train", "val", "test"] {
        members.push((format!("{set}_images"), images.clone()));
        members.push((format!("{set}_labels"), labels.clone()));
    }
    let members: Vec<(&str, Vec<u8>)> =
        members.iter().map(|(name, content)| (name.as_str(), content.clone())).collect();
    write(&path, &members, true);
    let data = open(&path).unwrap();
    assert_eq!((data.shape(), data.num_classes()), (ImageShape::new(3, 8, 10), 8));
    assert_eq!((data.train.len(), data.test.labels.as_slice()), (2, [7, 0].as_slice()));
    // Channel c of pixel i lies at 3 i + c in the file.
    for (i, value) in data.train.image(0).iter().enumerate() {
        assert_eq!(usize::from(*value), (3 * (i % 80) + i / 80) % 251);
    }
}

#[test]
fn errors_about_bad_archives_name_the_file_and_the_array() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.npz");
    let executed = dir.path().join("executed");
    let call = format!("cos\nsystem\n(S'touch {}'\ntR.", executed.display());
    let pickle = [b"\x80\x04".as_slice(), call.as_bytes()].concat();
    for (member, content, expected) in [
        (0, npy("<f4", "(3, 8, 9)", &[0; 864]), "`x_train`: dtype: found floats (<f4), expected uint8"),
        (0, npy("|O", "(3,)", &pickle), "pickled objects are never executed"),
        (0, npy("<u2", "(3, 8, 9)", &[0; 432]), "found integers of 2 bytes, expected uint8"),
        (0, npy("|u1", "(3, 72)", &[0; 216]), "found [3, 72], expected [n, height, width]"),
        (0, npy("|u1", "(3, 8, 9, 4)", &[0; 864]), "[n, height, width, 3]"),
        (0, npy("|u1", "(0, 8, 9)", &[]), "with n > 0"),
        (0, npy("|u1", "(3, 4, 9)", &[0; 108]), "found [3, 4, 9], expected 8 to 128 pixels"),
        (0, npy("|u1", "(3, 8, 9)", &[0; 215]), "items: found 215 bytes"),
        (0, b"text".to_vec(), "`x_train`: magic number"),
        (2, npy("|u1", "(2, 9, 9)", &[0; 162]), "`x_test`: image shape: found 9x9x1, expected 8x9x1"),
        (1, npy("|u1", "(2,)", &[0; 2]), "`y_train`: shape: found [2], expected [3] or [3, 1]"),
        (1, npy("|u1", "(3, 2)", &[0; 6]), "one class number per image"),
        (1, npy("<i2", "(3,)", &[0, 0, 255, 255, 1, 0]), "`y_train`: label 1: found -1, expected 0 to 255"),
        (3, npy("<u2", "(2,)", &[0, 1, 0, 0]), "`y_test`: label 0: found 256, expected 0 to 255"),
        (3, npy("<f8", "(2,)", &[0; 16]), "`y_test`: dtype: found floats"),
    ] {
        let mut members = members();
        members[member].1 = content;
        write(&path, &members, true);
        let message = open(&path).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("set.npz"), "{message}");
        assert_eq!(message.lines().count(), 1);
    }
    assert!(!executed.exists());
    write(&path, &[("X", vec![]), ("y", vec![]), ("x_train", vec![])], false);
    let message = open(&path).unwrap_err().to_string();
    assert!(
        message.contains("arrays: found X, x_train, y, expected x_train, y_train, x_test, y_test"),
        "{message}"
    );
    assert!(message.contains("train_images"), "{message}");
    for (content, expected) in [
        (b"<html></html>".as_slice(), "an HTML page"),
        (b"PK\x03\x04broken", "expected a .npz archive"),
        (b"", "an empty file"),
    ] {
        fs::write(&path, content).unwrap();
        let message = open(&path).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("set.npz"), "{message}");
    }
}
