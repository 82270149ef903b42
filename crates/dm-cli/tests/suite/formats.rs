//! Images and models that leave the program in one format and come back in another.

use crate::common::{ok, refused, root};
use dm_nn::data::image_file;

#[test]
fn samples_are_written_in_every_format_and_evaluated_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let model = root().join("data/models/ink-unet.safetensors");
    let sample = |images: &str| {
        let args = ["sample", model.to_str().unwrap(), "-n", "4", "--nfe", "2", "--images", images];
        ok(dir.path(), &args)
    };
    for images in ["new/a.npz", "new/a.idx", "new/a-ubyte", "new/a.safetensors", "new/folder"] {
        assert!(sample(images).lines().any(|line| line == images));
        let expected = crate::common::samples(&dir.path().join("out/images.safetensors"));
        let found = image_file::read(&dir.path().join(images)).unwrap();
        assert!((found.shape, found.pixels) == (expected.shape, expected.pixels), "{images}");
    }
    sample("new/a.png");
    refused(dir.path(), &["sample", "-n", "1", "--images", "a.tiff"], &["a.tiff", ".npz"]);

    let data = root().join("data/mnist");
    let degrade = ["degrade", "snow", "--count", "2", "--columns", "3", "--data", data.to_str().unwrap()];
    ok(dir.path(), &[&degrade[..], &["--out", "new/degraded.npz"]].concat());
    assert_eq!(image_file::read(&dir.path().join("new/degraded.npz")).unwrap().len(), 6);
    let restore = ["restore", model.to_str().unwrap(), "--count", "2", "--timesteps", "1", "--nfe", "2"];
    let restore = [&restore[..], &["--data", data.to_str().unwrap(), "--out", "new/restored"]].concat();
    ok(dir.path(), &restore);
    assert_eq!(image_file::read(&dir.path().join("new/restored")).unwrap().len(), 8);
}
