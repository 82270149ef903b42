//! Bad input is refused with one line that names the file, the field, what was found and what was expected. The exit code is
//! 2, and nothing is left half-written.

use std::fs;
use std::path::Path;

use crate::common::{arg, ok, refused, root, small_config};
use dm_nn::params::file::TensorFile;

/// A copy of the MNIST files in which `name` is replaced by `change` of its unpacked content.
fn data_with(dir: &Path, name: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    fs::create_dir_all(dir).unwrap();
    for file in dm_nn::data::idx_files::FILES {
        let packed = root().join("data/mnist").join(format!("{file}.gz"));
        if file == name {
            let mut raw = Vec::new();
            let bytes = fs::read(packed).unwrap();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut raw).unwrap();
            fs::write(dir.join(file), change(raw)).unwrap();
        } else {
            fs::copy(packed, dir.join(format!("{file}.gz"))).unwrap();
        }
    }
}

#[test]
fn damaged_data_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let check = |words: &[&str]| refused(dir.path(), &["data", "check", "d"], words);
    check(&["d: data set", "no such file or folder", "train-images-idx3-ubyte"]);
    let d = dir.path().join("d");
    let labels = "train-labels-idx1-ubyte";
    let images = "t10k-images-idx3-ubyte";
    let case = |name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>, words: &[&str]| {
        let _ = fs::remove_dir_all(&d);
        data_with(&d, name, change);
        check(words);
    };
    case(labels, &|raw| raw[..20_000].to_vec(), &[labels, "items", "19992 bytes", "[60000]"]);
    case(labels, &|raw| raw[..6].to_vec(), &[labels, "dimensions", "2 bytes", "4 bytes"]);
    case(labels, &|_| Vec::new(), &[labels, "found an empty file", "an IDX file"]);
    case(labels, &|raw| raw[..3].to_vec(), &[labels, "magic", "3 bytes"]);
    let typed = |code: u8| {
        move |mut raw: Vec<u8>| {
            raw[2] = code;
            raw
        }
    };
    case(images, &typed(0x55), &[images, "magic", "00005503", "000008"]);
    case(images, &typed(0x0d), &[images, "item type", "f32", "u8"]);
    let huge = |mut raw: Vec<u8>| {
        raw[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        raw
    };
    case(images, &huge, &[images, "items", "4294967295"]);
    let gzip = |raw: Vec<u8>| [&[0x1f, 0x8b, 8][..], &raw[..100]].concat();
    case(images, &gzip, &[images, "gzip stream"]);
    let fewer = |raw: Vec<u8>| [&raw[..4], &9_999u32.to_be_bytes()[..], &raw[8..raw.len() - 1]].concat();
    case("t10k-labels-idx1-ubyte", &fewer, &["t10k-labels-idx1-ubyte", "shape", "[9999]", "[10000]"]);
    // A larger label is one more class, which the network of a config for ten classes does not have.
    let label10 = |mut raw: Vec<u8>| {
        raw[8 + 123] = 10;
        raw
    };
    let _ = fs::remove_dir_all(&d);
    data_with(&d, labels, label10);
    assert!(
        ok(dir.path(), &["data", "check", "d"]).contains("28x28x1 (height x width x channels), 11 classes")
    );
    let config = root().join("data/configs/ink-unet-class.toml");
    refused(
        dir.path(),
        &["train", arg(&config), "--data", "d"],
        &["network.num_classes", "found 10", "11 classes"],
    );
}

#[test]
fn wrong_configs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    refused(dir.path(), &["train", "none.toml"], &["none.toml", "No such file"]);
    let cases: [(&str, &[&str]); 20] = [
        ("training.epoch=3", &["ink.toml", "epoch", "unknown field", "epochs"]),
        ("colour=red", &["ink.toml", "unknown field", "colour"]),
        ("degradation.timesteps=0", &["degradation.timesteps", "found 0", "1 to"]),
        ("degradation.density=-1", &["degradation.density", "found -1", "above 0"]),
        ("degradation.kind=smoke", &["smoke", "gaussian", "ink"]),
        ("training.batch_size=0", &["training.batch_size", "found 0", "1 to"]),
        ("training.sample_count=abc", &["training.sample_count: ", "\"abc\"", "expected usize"]),
        ("sampling.sampler=foo", &["sampling.sampler: ", "`foo`", "`ancestral`"]),
        ("training.batch_size=33", &["training.batch_size", "found 33", "32 images"]),
        ("training.eval_images=99", &["training.eval_images", "found 99", "100 to 100000"]),
        ("training.max_images=70000", &["training.max_images", "found 70000", "60000"]),
        ("optimizer.learning_rate=0", &["optimizer.learning_rate", "found 0", "above 0"]),
        ("objective.parameterization=eps", &["parameterization", "with `ink`", "Gaussian"]),
        ("sampling.nfe=21", &["sampling.nfe", "found 21", "1 to 20"]),
        ("sampling.sampler=ddpm_notebook", &["sampler", "ddpm_notebook with `ink`", "Gaussian"]),
        ("network.num_classes=3", &["network.num_classes", "found 3", "0 or the 10"]),
        ("objective.weighting=min_snr", &["objective.weighting", "`ink`", "Gaussian"]),
        ("objective.timestep_sampler=even", &["ink.toml", "even", "uniform", "importance"]),
        ("objective.label_dropout=1", &["objective.label_dropout", "found 1", "0 to below 1"]),
        ("network.groups=3", &["network.channels", "found 8", "multiple of groups = 3"]),
    ];
    for (set, words) in cases {
        refused(dir.path(), &["train", arg(&config), "--set", set], words);
        assert!(!dir.path().join("runs").exists(), "{set} left a run folder");
    }
    for (set, words) in [
        ("seed", &["--set", "found seed", "key.path=value"][..]),
        ("training.epoch=3", &["--set training.epoch=3", "unknown field"]),
        ("seed=9223372036854775808", &["--set seed", "9223372036854775808", "9223372036854775807"]),
        ("seed=-1", &["seed"]),
    ] {
        refused(dir.path(), &["train", arg(&config), "--set", set], words);
    }
    fs::write(dir.path().join("broken.toml"), "name = \n").unwrap();
    refused(dir.path(), &["train", "broken.toml"], &["broken.toml", "line 1"]);
}

#[test]
fn run_folders_of_other_runs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "gaussian", "eps");
    ok(dir.path(), &["train", arg(&config), "--set", "training.epochs=1"]);
    let other = ["train", arg(&config), "--resume", "--set", "training.batch_size=4", "--set", "seed=9"];
    let differences = ["runs/small/config.toml", "training.batch_size: found 8, expected 4", "seed: found 1"];
    refused(dir.path(), &other, &differences);
    let same = ["train", arg(&config), "--set", "training.epochs=1"];
    refused(dir.path(), &same, &["runs/small", "--resume"]);
    fs::create_dir(dir.path().join("full")).unwrap();
    fs::write(dir.path().join("full/thesis.tex"), "all my work").unwrap();
    refused(dir.path(), &["train", arg(&config), "--run", "full"], &["full", "other files"]);
    assert_eq!(fs::read(dir.path().join("full/thesis.tex")).unwrap(), b"all my work");

    // An unfinished run, all checkpoints of which are damaged.
    let checkpoints = ["checkpoint.safetensors", "checkpoint-00000002.safetensors"];
    for checkpoint in checkpoints.map(|name| dir.path().join("runs/small").join(name)) {
        let bytes = fs::read(&checkpoint).unwrap();
        fs::write(&checkpoint, &bytes[..bytes.len() / 2]).unwrap();
    }
    let manifest = dir.path().join("runs/small/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap().replace("complete", "running");
    fs::write(manifest, text).unwrap();
    let resume = [&same[..], &["--resume"]].concat();
    refused(dir.path(), &resume, &["checkpoint.safetensors", "safetensors header"]);
}

/// A change of a tensor: maps name, shape and values to new ones, or removes the tensor.
type Change<'a> = dyn Fn(&str, Vec<usize>, Vec<f32>) -> Option<(String, Vec<usize>, Vec<f32>)> + 'a;

#[test]
fn damaged_models_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), "ink", "softmax");
    ok(
        dir.path(),
        &["train", arg(&config), "--set", "training.epochs=1", "--set", "training.sample_count=0"],
    );
    let whole = TensorFile::read(&dir.path().join("runs/small/model.safetensors")).unwrap();
    let damaged = dir.path().join("m.safetensors");
    let sample = |words: &[&str]| {
        refused(dir.path(), &["sample", "m.safetensors", "-n", "1"], words);
        assert!(!dir.path().join("out").exists(), "something was written");
    };
    let rewrite = |change: &Change| {
        let mut file = TensorFile::new(&damaged);
        for key in ["schema", "config", "fitted", "step", "data_sha256"] {
            file.set_metadata(key, whole.metadata(key).unwrap());
        }
        for name in whole.names() {
            let (shape, values) = whole.get(name).unwrap();
            if let Some((name, shape, values)) = change(name, shape.to_vec(), values.to_vec()) {
                file.insert_values(name, shape, values);
            }
        }
        file.write().unwrap();
    };
    rewrite(&|name, shape, values| (name != "input.bias").then(|| (name.to_owned(), shape, values)));
    sample(&["m.safetensors", "input.bias", "none", "shape [8]"]);
    rewrite(&|name, shape, values| Some((name.replace("input.bias", "input.extra"), shape, values)));
    sample(&["m.safetensors", "input.bias"]);
    rewrite(&|name, mut shape, values| {
        if name == "input.bias" {
            shape = vec![2, 4];
        }
        Some((name.to_owned(), shape, values))
    });
    sample(&["m.safetensors", "input.bias", "shape [2, 4]", "shape [8]"]);
    // The writer refuses a NaN, so it is put into the written file, over a value found nowhere else; without the checksum,
    // as in the files of older versions.
    let unique = 12_345.678_f32;
    rewrite(&|name, shape, mut values| {
        if name == "output.weight" {
            values[3] = unique;
        }
        Some((name.to_owned(), shape, values))
    });
    let mut bytes = fs::read(&damaged).unwrap();
    let place = bytes.windows(4).position(|window| window == unique.to_le_bytes()).unwrap();
    bytes[place..place + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    while let Some(place) = bytes.windows(8).position(|window| window == b"checksum") {
        bytes[place] = b'C';
    }
    fs::write(&damaged, bytes).unwrap();
    sample(&["m.safetensors", "output.weight, element 3", "NaN", "finite"]);
    rewrite(&|name, shape, values| Some((name.to_owned(), shape, values)));
    let mut file = TensorFile::read(&damaged).unwrap();
    file.insert_values("intruder", vec![1], vec![0.0]);
    file.write().unwrap();
    sample(&["m.safetensors", "intruder", "does not have"]);
    fs::write(&damaged, b"not a model").unwrap();
    sample(&["m.safetensors", "safetensors header"]);
    refused(dir.path(), &["sample", "nobody"], &["model `nobody`", "shipped"]);
    refused(dir.path(), &["sample", "runs/small", "--nfe", "0"], &["sampling.nfe", "found 0"]);
    refused(dir.path(), &["sample", "runs/small", "--sampler", "ddim"], &["ddim with `ink`", "Gaussian"]);
    refused(dir.path(), &["sample", "runs/small", "-n", "0"], &["-n", "found 0"]);
    refused(
        dir.path(),
        &["import", "m.safetensors", "--out", "x.safetensors"],
        &["m.safetensors", "archive"],
    );
    refused(dir.path(), &["degrade", "fog"], &["degradation `fog`", "gaussian, ink"]);
    let cuda = ["sample", "runs/small", "--device", "cuda"];
    if !cfg!(feature = "cuda") {
        refused(dir.path(), &cuda, &["--device cuda", "--features cuda"]);
    }
}

/// Writes an image of `height` x `width` pixels with `channels` channels to `path`.
fn write_image(path: &Path, height: u32, width: u32, channels: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let image = match channels {
        1 => image::DynamicImage::new_luma8(width, height),
        3 => image::DynamicImage::new_rgb8(width, height),
        _ => image::DynamicImage::new_rgba8(width, height),
    };
    image.save(path).unwrap();
}

/// Checks that every command that reads `data` refuses the data in one line and writes nothing.
fn refused_by_all(dir: &Path, data: &str, words: &[&str]) {
    let config = small_config(dir, "gaussian", "v");
    for args in [
        &["data", "check", data][..],
        &["train", arg(&config), "--data", data],
        &["degrade", "gaussian", "--data", data],
    ] {
        refused(dir, args, words);
        assert!(!dir.join("out").exists() && !dir.join("runs").exists(), "dm {args:?} left something");
    }
}

#[test]
fn unusable_folders_of_images_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write_image(&at("two-sizes/a.png"), 12, 16, 3);
    write_image(&at("two-sizes/b.png"), 12, 12, 3);
    refused_by_all(dir.path(), "two-sizes", &["two-sizes", "b.png", "12x12", "12x16", "as in a.png"]);
    write_image(&at("transparent/a.png"), 12, 16, 4);
    write_image(&at("transparent/b.png"), 12, 16, 4);
    refused_by_all(dir.path(), "transparent", &["transparent/a.png"]);
    write_image(&at("single/a.png"), 12, 16, 1);
    refused_by_all(dir.path(), "single", &["single", "1 image", "at least 2"]);
    fs::create_dir(at("nothing")).unwrap();
    refused_by_all(dir.path(), "nothing", &["nothing", "an empty folder"]);
    refused_by_all(dir.path(), "nowhere", &["nowhere", "no such file or folder"]);
    refused_by_all(dir.path(), "it's", &["it's: data set", "no such file or folder"]);

    // A size that the U-Net cannot halve often enough.
    for i in 0..40 {
        write_image(&at(&format!("odd/{i:02}.png")), 10, 13, 1);
    }
    let config = small_config(dir.path(), "gaussian", "v");
    refused(
        dir.path(),
        &["train", arg(&config), "--data", "odd"],
        &["network.channels", "10x13", "multiple"],
    );
    assert!(!at("runs").exists());
    // A classifier needs classes.
    let classifier = crate::common::small_classifier_config(dir.path());
    refused(dir.path(), &["train", arg(&classifier), "--data", "odd"], &["num_classes", "at least 2"]);
    assert!(!at("runs").exists());
}

/// An .npz file: a zip archive whose members are stored without compression.
fn write_npz(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for (name, array) in arrays {
        let mut crc = flate2::Crc::new();
        crc.update(array);
        let size = u32::try_from(array.len()).unwrap().to_le_bytes();
        let offset = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let name_len = u16::try_from(name.len()).unwrap().to_le_bytes();
        // Version, flags, method (stored), time, date.
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..],
            &crc.sum().to_le_bytes(),
            &size,
            &size,
            &name_len,
            &[0, 0],
        ];
        let common = common.concat();
        bytes.extend([&b"PK\x03\x04"[..], &common, name.as_bytes(), array].concat());
        directory.extend([&b"PK\x01\x02\x14\0"[..], &common, &[0; 10], &offset, name.as_bytes()].concat());
    }
    let count = u16::try_from(arrays.len()).unwrap().to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    let offset = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let end = [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &size, &offset, &[0, 0]].concat();
    fs::write(path, [bytes, directory, end].concat()).unwrap();
}

/// A .npy array of this type and shape.
fn npy(descr: &str, shape: &str, items: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let len = u16::try_from(header.len()).unwrap().to_le_bytes();
    [&b"\x93NUMPY\x01\x00"[..], &len, header.as_bytes(), items].concat()
}

#[test]
fn damaged_npz_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let images = || npy("|u1", "(4, 8, 10)", &[7; 320]);
    let labels = || npy("|u1", "(4,)", &[0, 1, 0, 1]);
    let good = || {
        vec![
            ("x_train.npy", images()),
            ("y_train.npy", labels()),
            ("x_test.npy", images()),
            ("y_test.npy", labels()),
        ]
    };
    write_npz(&dir.path().join("good.npz"), &good());
    let check = ok(dir.path(), &["data", "check", "good.npz", "--out", "sheet"]);
    assert!(check.contains("8x10x1") && check.contains("2 classes"), "{check}");

    let case = |change: (usize, &'static str, Vec<u8>), words: &[&str]| {
        let mut arrays = good();
        arrays[change.0] = (change.1, change.2);
        write_npz(&dir.path().join("d.npz"), &arrays);
        refused_by_all(dir.path(), "d.npz", words);
    };
    case((0, "pictures.npy", images()), &["d.npz", "x_train"]);
    case((0, "x_train.npy", npy("<f4", "(4, 8, 10)", &[0; 1280])), &["d.npz", "x_train", "float"]);
    // Code in a pickle is never executed.
    let marker = dir.path().join("executed");
    let pickle = format!("cposix\nsystem\n(S'touch {}'\ntR.", marker.display());
    case((1, "y_train.npy", npy("|O", "(4,)", pickle.as_bytes())), &["d.npz", "y_train", "Python objects"]);
    assert!(!marker.exists());
    case((1, "y_train.npy", npy("|u1", "(3,)", &[0, 1, 0])), &["d.npz", "y_train"]);
    fs::write(dir.path().join("d.npz"), "no archive").unwrap();
    refused_by_all(dir.path(), "d.npz", &["d.npz"]);
}
