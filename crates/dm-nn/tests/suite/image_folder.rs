//! Folders of PNG and JPEG files: classes, splits, colours, resizing, and everything that is refused.

use std::fs;
use std::path::Path;

use dm_nn::data::{Dataset, ReadOptions, sha256_hex};
use dm_nn::image::ImageShape;
use image::{DynamicImage, GrayAlphaImage, GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};

fn open(path: &Path) -> dm_nn::Result<Dataset> {
    Dataset::open(path, &ReadOptions::default())
}

fn refusal(path: &Path) -> String {
    let message = open(path).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

fn grey(height: u32, width: u32, value: u8) -> DynamicImage {
    GrayImage::from_fn(width, height, |x, y| Luma([value ^ (16 * y + x) as u8])).into()
}

fn color(height: u32, width: u32, value: u8) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([value, x as u8, y as u8])).into()
}

/// Saves `image` as `name` in `folder`, with the folders on the way.
fn save(folder: &Path, name: &str, image: &DynamicImage) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save(path).unwrap();
}

#[test]
fn class_folders_become_classes() {
    let dir = tempfile::tempdir().unwrap();
    for (i, class) in ["train/dog", "train/cat", "test/dog"].iter().enumerate() {
        for j in 0..3u8 {
            save(dir.path(), &format!("{class}/{j}.png"), &grey(9, 12, 40 * i as u8 + j));
        }
    }
    fs::write(dir.path().join("train/README.txt"), "ignored").unwrap();
    fs::write(dir.path().join("train/dog/.hidden.png"), "ignored").unwrap();
    let data = open(dir.path()).unwrap();
    assert_eq!((data.shape(), data.num_classes()), (ImageShape::new(1, 9, 12), 2));
    assert_eq!((data.format, data.class_names.join(" ").as_str()), ("folder of images", "cat dog"));
    assert_eq!(data.train.labels, [0, 0, 0, 1, 1, 1]);
    assert_eq!(data.test.labels, [1, 1, 1]);
    assert_eq!(data.train.image(4), grey(9, 12, 1).as_bytes());
    assert_eq!(data.test.image(2), grey(9, 12, 82).as_bytes());
    data.train.validate("train").unwrap();
    // The hash of the data set, computed as documented.
    let names = ["test/dog", "train/cat", "train/dog"].iter();
    let lines = names.flat_map(|class| (0..3).map(move |j| format!("{class}/{j}.png"))).map(|name| {
        let bytes = fs::read(dir.path().join(&name)).unwrap();
        format!("{}  {name}\n", sha256_hex(&bytes))
    });
    assert_eq!(data.sha256, sha256_hex(lines.collect::<String>().as_bytes()));
    save(dir.path(), "test/cow/0.png", &grey(9, 12, 0));
    assert!(refusal(dir.path()).contains("found cow, expected the classes of the training images"));
}

#[test]
fn numbered_classes_are_in_order_of_numbers() {
    let dir = tempfile::tempdir().unwrap();
    for class in 0..12u8 {
        save(dir.path(), &format!("{class}/a.png"), &grey(8, 8, class));
    }
    let data = open(dir.path()).unwrap();
    assert_eq!(data.class_names, (0..12).map(|class| class.to_string()).collect::<Vec<_>>());
    for set in [&data.train, &data.test] {
        for (i, label) in set.labels.iter().enumerate() {
            assert_eq!(set.image(i)[0], *label);
        }
    }
    assert_eq!((data.train.len(), data.test.len()), (11, 1));
}

#[test]
fn a_folder_without_sets_is_split_the_same_way_every_time() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..30u8 {
        save(dir.path(), &format!("{i:02}.png"), &grey(8, 8, i));
    }
    let data = open(dir.path()).unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.num_classes()), (27, 3, 0));
    assert!(data.class_names.is_empty() && data.train.labels == [0; 27]);
    let first = |i| data.test.image(i)[0];
    // These three images must never change: models would be tested with images that they were trained on.
    assert_eq!([first(0), first(1), first(2)], [2, 12, 17]);
}

#[test]
fn colour_and_grey_jpegs_and_pngs_mix_as_colour() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), "a.png", &color(8, 10, 200));
    save(dir.path(), "b.JPG", &grey(8, 10, 0));
    save(dir.path(), "c.jpeg", &color(8, 10, 100));
    let deep = image::ImageBuffer::from_fn(10, 8, |x, _| Luma([257 * x as u16]));
    save(dir.path(), "d.png", &DynamicImage::ImageLuma16(deep));
    let data = open(dir.path()).unwrap();
    assert_eq!(data.shape(), ImageShape::new(3, 8, 10));
    let all: Vec<&[u8]> =
        [&data.train, &data.test].iter().flat_map(|set| (0..set.len()).map(|i| set.image(i))).collect();
    assert_eq!(all.len(), 4);
    let colour = all.iter().find(|image| image[..80] == [200; 80]).unwrap();
    assert_eq!(colour[80..90], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(colour[160..180], [[0; 10], [1; 10]].concat());
    let deep = all.iter().find(|image| image[..10] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
    assert!(deep[..80] == deep[80..160] && deep[..80] == deep[160..], "grey fills all channels");
}

#[test]
fn images_are_resized_on_request() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), "a.png", &color(40, 60, 9));
    save(dir.path(), "b.png", &color(400, 20, 9));
    let message = refusal(dir.path());
    assert!(
        message.contains("b.png: image size: found 400x20 (height x width), expected 40x60"),
        "{message}"
    );
    assert!(message.contains("as in a.png") && message.contains("resized"), "{message}");
    let open = |size| Dataset::open(dir.path(), &ReadOptions { size: Some(size) });
    let data = open((16, 24)).unwrap();
    assert_eq!(data.shape(), ImageShape::new(3, 16, 24));
    assert!([&data.train, &data.test].iter().all(|set| set.image(0)[..16 * 24] == [9; 16 * 24]));
    assert_ne!(data.sha256, open((24, 16)).unwrap().sha256, "another size is another data set");
    let message = open((7, 24)).unwrap_err().to_string();
    assert!(message.contains("size: found 7x24x1, expected 8 to 128"), "{message}");
}

#[test]
fn errors_about_bad_images_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..20u8 {
        save(dir.path(), &format!("{i:02}.png"), &grey(8, 8, i));
    }
    let whole = fs::read(dir.path().join("00.png")).unwrap();
    let path = dir.path().join("13.png");
    let mut bomb = whole.clone();
    bomb[16..24].copy_from_slice(&[0x7f; 8]);
    for (content, expected) in [
        (whole[..whole.len() / 2].to_vec(), "expected a complete PNG or JPEG file"),
        (b"<!doctype html>".to_vec(), "an HTML page"),
        (b"GIF89a".to_vec(), "expected a complete PNG or JPEG file"),
        (Vec::new(), "an empty file"),
        (bomb, "expected a complete PNG or JPEG file"),
    ] {
        fs::write(&path, content).unwrap();
        let message = refusal(dir.path());
        assert!(message.contains(expected) && message.contains("13.png"), "{message}");
    }
    save(dir.path(), "13.png", &RgbaImage::from_pixel(8, 8, Rgba([1, 2, 3, 255])).into());
    let message = refusal(dir.path());
    assert!(message.contains("13.png: channels: found 4 channels"), "{message}");
    assert!(message.contains("remove the transparency"), "{message}");
    save(dir.path(), "13.png", &GrayAlphaImage::new(8, 8).into());
    assert!(refusal(dir.path()).contains("found 2 channels"));
    save(dir.path(), "13.png", &grey(8, 9, 0));
    assert!(refusal(dir.path()).contains("13.png: image size: found 8x9 (height x width), expected 8x8"));
}

#[test]
fn errors_about_bad_folders_name_the_folder_or_file() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    save(root, "one.png", &grey(8, 8, 0));
    assert!(refusal(root).contains("images: found 1 image, expected at least 2"));
    save(root, "class/two.png", &grey(8, 8, 0));
    assert!(refusal(root).contains("one.png: class: found an image beside class folders"));
    fs::remove_file(root.join("one.png")).unwrap();
    save(root, "class/deep/three.png", &grey(8, 8, 0));
    assert!(refusal(root).contains("deep: folder: found a folder in a class folder"));
    fs::remove_dir_all(root.join("class/deep")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    assert!(refusal(root).contains("empty: class folder: found no PNG or JPEG file"));
    fs::remove_dir_all(root.join("empty")).unwrap();
    for i in 0..2 {
        save(root, &format!("class/{i}.png"), &grey(6, 8, 0));
    }
    fs::remove_file(root.join("class/two.png")).unwrap();
    let message = refusal(root);
    assert!(message.contains("0.png: image size: found 6x8x1, expected 8 to 128 pixels"), "{message}");
    assert!(message.contains("resized"), "{message}");
}
