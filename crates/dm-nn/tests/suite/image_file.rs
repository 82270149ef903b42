//! Images in every format that is written: read back by this crate, and by NumPy where there is one.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::path::Path;
use std::process::Command;

use dm_nn::data::SampleSet;
use dm_nn::data::image_file::{Format, read, write};
use dm_nn::image::ImageShape;

fn images(shape: ImageShape, n: usize, labels: bool) -> SampleSet {
    let pixels = (0..n * shape.len()).map(|i| (i * 7 % 251) as u8).collect();
    let labels = labels.then(|| (0..n).map(|i| (i / 2) as u8).collect());
    SampleSet { labels, ..SampleSet::of(shape, pixels) }
}

fn save(path: &Path, images: &SampleSet) -> dm_nn::Result<()> {
    write(path, Format::of(path, images.shape)?, images, 2)
}

#[test]
fn every_format_gives_back_the_images() {
    let dir = tempfile::tempdir().unwrap();
    for (channels, labels) in [(1, false), (1, true), (3, true), (4, true)] {
        let images = images(ImageShape::new(channels, 9, 14), 5, labels);
        let name = |ending: &str| dir.path().join(format!("{channels}-{labels}{ending}"));
        for ending in [".safetensors", ".npz", ".idx", "-ubyte", ""] {
            let (path, is_idx) = (name(ending), [".idx", "-ubyte"].contains(&ending));
            let fits = match channels {
                1 => true,
                3 => !is_idx,
                _ => ending == ".safetensors",
            };
            let saved = save(&path, &images);
            if !fits {
                let message = saved.unwrap_err().to_string();
                assert!(message.contains("channels of the images: found"), "{message}");
                assert!(!path.exists());
                continue;
            }
            saved.unwrap();
            let found = read(&path).unwrap();
            assert_eq!(
                (found.shape, found.pixels == images.pixels),
                (images.shape, true),
                "{}",
                path.display()
            );
            let keeps_labels = [".safetensors", ".npz"].contains(&ending);
            assert_eq!(found.labels, images.labels.clone().filter(|_| keeps_labels));
            if ending == ".npz" {
                let again = dir.path().join("again.npz");
                save(&again, &images).unwrap();
                assert!(fs::read(&again).unwrap() == fs::read(&path).unwrap());
            }
        }
        if channels < 4 {
            save(&name(".png"), &images).unwrap();
            let message = read(&name(".png")).unwrap_err().to_string();
            assert!(message.contains("found a single picture, expected a folder"), "{message}");
        }
    }
}

#[test]
fn numpy_reads_the_archive() {
    let python = std::env::var_os("DM_PYTHON").unwrap_or_else(|| "python3".into());
    let run = |program: &str, path: &Path| Command::new(&python).args(["-c", program]).arg(path).output();
    if !run("import numpy", Path::new("")).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {} lacks numpy; DM_PYTHON names another Python", python.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("images.npz");
    let images = images(ImageShape::new(3, 9, 14), 4, true);
    save(&path, &images).unwrap();
    let program = "import sys, numpy\n\
                   file = numpy.load(sys.argv[1])\n\
                   images, labels = file['images'], file['labels']\n\
                   print(images.shape, images.dtype, labels.tolist(), images[1, 2, 3, 2])\n\
                   numpy.savez_compressed(sys.argv[1], images)";
    let output = run(program, &path).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let pixel = images.pixels[images.shape.len() + 2 * 126 + 2 * 14 + 3];
    let expected = format!("(4, 9, 14, 3) uint8 [0, 0, 1, 1] {pixel}\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    // A single array of any name is enough.
    let found = read(&path).unwrap();
    assert!(found.pixels == images.pixels && found.labels.is_none());
}

#[test]
fn what_cannot_be_written_or_read_is_refused_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let images = images(ImageShape::new(1, 8, 8), 3, false);
    let message = save(&dir.path().join("images.tiff"), &images).unwrap_err().to_string();
    assert!(message.contains("images.tiff") && message.contains(".png, .safetensors, .npz"), "{message}");
    // A folder with files is left as it is.
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    save(&folder, &images).unwrap();
    let message = save(&folder, &images).unwrap_err().to_string();
    assert!(message.contains("expected a new or an empty folder"), "{message}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
    // An image that cannot be read is named, among however many.
    let many = dir.path().join("many");
    fs::create_dir(&many).unwrap();
    let one = fs::read(folder.join("000000.png")).unwrap();
    (0..2000).for_each(|i| fs::write(many.join(format!("{i:04}.png")), &one).unwrap());
    fs::write(many.join("1234.png"), &one[..one.len() / 2]).unwrap();
    let message = read(&many).unwrap_err().to_string();
    assert!(message.contains("many/1234.png: image: found"), "{message}");
    assert_eq!(message.lines().count(), 1);
}
