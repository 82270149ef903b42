//! Sample sets: round trips of any shape, and files that are refused.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use dm_nn::data::SampleSet;
use dm_nn::image::ImageShape;
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};

/// Writes a safetensors file with one tensor.
fn write(path: &Path, name: &str, dtype: Dtype, shape: &[usize]) {
    let data = vec![0; shape.iter().product::<usize>() * if dtype == Dtype::U8 { 1 } else { 4 }];
    let view = TensorView::new(dtype, shape.to_vec(), &data).unwrap();
    let none: Option<HashMap<String, String>> = None;
    fs::write(path, safetensors::serialize([(name, view)], none).unwrap()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn sample_sets_are_read_as_they_were_written(
        channels in 1usize..=4,
        height in 8usize..40,
        width in 8usize..40,
        count in 1usize..5,
        labelled: bool,
        origin: String,
    ) {
        let shape = ImageShape::new(channels, height, width);
        let set = SampleSet {
            shape,
            pixels: (0..count * shape.len()).map(|i| (i % 256) as u8).collect(),
            labels: labelled.then(|| (0..count as u8).collect()),
            metadata: BTreeMap::from([("origin".to_owned(), origin), ("seed".to_owned(), "1".to_owned())]),
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.safetensors");
        set.write(&path).unwrap();
        prop_assert_eq!(SampleSet::read(&path).unwrap(), set.clone());
        let bytes = fs::read(&path).unwrap();
        set.write(&path).unwrap();
        prop_assert_eq!(fs::read(&path).unwrap(), bytes, "equal content gives equal bytes");
    }
}

#[test]
fn errors_about_other_files_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("images.safetensors");
    for (name, dtype, shape, expected) in [
        ("images", Dtype::F32, vec![1, 1, 28, 28], "found F32 [1, 1, 28, 28], expected U8 [n, C, H, W]"),
        ("images", Dtype::U8, vec![1, 28, 28], "found U8 [1, 28, 28], expected U8 [n, C, H, W]"),
        ("images", Dtype::U8, vec![0, 1, 28, 28], "found no images, expected at least one image"),
        ("images", Dtype::U8, vec![1, 5, 28, 28], "expected 8 to 128 pixels"),
        ("pixels", Dtype::U8, vec![1, 1, 28, 28], "found only the tensors [\"pixels\"]"),
    ] {
        write(&path, name, dtype, &shape);
        let message = SampleSet::read(&path).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("images.safetensors"), "{message}");
    }
    let shape = ImageShape::new(1, 8, 8);
    let set = SampleSet { shape, pixels: vec![0; 65], labels: None, metadata: BTreeMap::new() };
    assert!(set.write(&path).unwrap_err().to_string().contains("complete images of 8x8x1"));
    let labels = Some(vec![1, 2]);
    let set = SampleSet { shape, pixels: vec![0; 64], labels, metadata: BTreeMap::new() };
    assert!(set.write(&path).unwrap_err().to_string().contains("one label each"));
    for (content, expected) in
        [(b"<html>".as_slice(), "an HTML page"), (b"\xff\xff\xff", "a complete safetensors file")]
    {
        fs::write(&path, content).unwrap();
        assert!(SampleSet::read(&path).unwrap_err().to_string().contains(expected));
    }
}
