//! One flipped bit in a data file is noticed wherever the hash of the data is recorded.

use std::fs;

use crate::common::{arg, ok, refused, small_config, small_data};
use dm_nn::data::idx_files::FILES;

#[test]
fn a_run_does_not_continue_on_data_of_which_a_bit_was_flipped() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, _) = small_data(dir.path(), 60, 30);
    let config = small_config(dir.path(), "ink", "softmax");
    let train = ["train", arg(&config), "--data", "data", "--set", "training.epochs=1"];
    ok(dir.path(), &train);
    // The run is not finished, so that it reads the data again.
    let manifest = dir.path().join("runs/small/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap().replace("complete", "running");
    fs::write(&manifest, &text).unwrap();
    let model = fs::read(dir.path().join("runs/small/model.safetensors")).unwrap();
    let resume = [&train[..], &["--resume"]].concat();
    for file in FILES {
        let path = folder.join(file);
        let whole = fs::read(&path).unwrap();
        // In the middle of the items, where another pixel or another label is as good as any.
        let mut damaged = whole.clone();
        let middle = 8 + (whole.len() - 8) / 2;
        damaged[middle] ^= 1;
        fs::write(&path, damaged).unwrap();
        refused(dir.path(), &resume, &["data_sha256", "expected"]);
        fs::write(&path, whole).unwrap();
    }
    assert_eq!(fs::read(dir.path().join("runs/small/model.safetensors")).unwrap(), model);
    fs::write(&manifest, &text).unwrap();
    ok(dir.path(), &resume);
}
