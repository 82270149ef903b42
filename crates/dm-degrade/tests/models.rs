//! Model files: the shipped models, which are of schema 1 and draw the same bytes as the program that trained them; files
//! that are not models; and writing and reading in the current schema.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use candle_core::Device;
use dm_degrade::generate::{Class, Request};
use dm_degrade::{Model, ModelConfig, SamplerKind, Sampling, model, schema1};
use dm_nn::hash::sha256_hex;
use dm_nn::image::ImageShape;
use dm_nn::nets::BuildNetwork;
use dm_nn::params::Params;
use dm_nn::params::file::TensorFile;
use dm_nn::rng::Seed;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/models").join(format!("{name}.safetensors"))
}

/// Whether this machine has the instruction set on which the sums below were recorded. The order in which the engine adds
/// numbers depends on the width of the vectors, and with it the last bits of a state.
fn recorded_here() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[test]
fn the_shipped_models_draw_the_same_bytes() {
    // SHA-256 of the first images of seed 1, [n, 1, 28, 28]. The reference takes 1,000 evaluations per image.
    for (name, count, parameters, sum) in [
        ("ddpm-reference", 1, 291_217, "65c7c470726ddab778b8dc5f6b36c6c34f4d2675257ca903b63b17ee5f3c18d1"),
        ("ddpm-unet", 4, 669_889, "c6fb3b924b289b8c39b356dc61b23d68456554ea8981990a90dc70e25c4c709a"),
        ("ink-unet", 4, 670_177, "cfe2b5febfd8bd0d608fc6313e6087c46151979f91463f2b822044921f0e33e6"),
    ] {
        let model = Model::open(&shipped(name), &Device::Cpu).unwrap();
        assert_eq!((model.name.as_str(), model.parameters), (name, parameters));
        assert_eq!((model.shape, model.num_classes), (ImageShape::new(1, 28, 28), 10));
        assert_eq!(model.class_names, (0..10).map(|class| class.to_string()).collect::<Vec<_>>());
        assert_eq!(model.conditional_classes(), 0);
        let request = Request::new(Seed(1), count, 4, model.sampling);
        let images = model.sample(&request, &mut |_, _, _| {}).unwrap();
        assert_eq!(images.len(), count * model.shape.len());
        if recorded_here() {
            assert_eq!(sha256_hex(&images), sum, "{name}");
        }
    }
}

#[test]
fn the_provenance_of_a_model_is_its_file() {
    let path = shipped("ink-unet");
    let model = Model::open(&path, &Device::Cpu).unwrap();
    assert_eq!(model.provenance.path, path);
    assert_eq!(model.provenance.sha256, sha256_hex(&std::fs::read(&path).unwrap()));
    assert_eq!(model.provenance.step, 9360);
    assert_eq!(
        model.provenance.data_sha256,
        "c65580678af93f1ea48c2c0d01d543ec89307c6b8a0eb7ca542d7c18c5f4c681"
    );
    // The config of the file is one of today, whole.
    let table: toml::Table = model.provenance.config.parse().unwrap();
    assert_eq!(schema1::upgrade(table.clone()), table);
    assert_eq!(table["training"]["batch_size"].as_integer(), Some(128));
    assert_eq!(ModelConfig::from_table(table, &path).unwrap(), model.config);
}

#[test]
fn classifiers_are_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    // The entries by which a classifier is recognized, in files of schema 1 and of the current schema.
    let written = ["judge", "judge_config", "classifier", "classifier_config"].map(|entry| {
        let mut file = TensorFile::new(&folder.path().join(format!("{entry}.safetensors")));
        file.insert_values("weight", vec![1], vec![0.5]);
        file.set_metadata(entry, "");
        file.write().unwrap();
        file.path().to_owned()
    });
    for path in written.into_iter().chain([shipped("classifier")]) {
        let error = Model::open(&path, &Device::Cpu).err().unwrap().to_string();
        assert!(error.contains("a classifier") && error.contains("dm eval --classifier"), "{error}");
    }
}

#[test]
fn images_of_another_shape_are_refused() {
    let model = Model::open(&shipped("ddpm-unet"), &Device::Cpu).unwrap();
    assert!(model.check_shape(ImageShape::new(1, 28, 28), "--data").is_ok());
    let error = model.check_shape(ImageShape::new(3, 32, 32), "--data").unwrap_err().to_string();
    let expected =
        "--data: shape of the images: found 32x32x3, expected 28x28x1, the shape of the images that";
    assert!(error.starts_with(expected), "{error}");
}

/// A small model of colour images that are not square, told classes.
const CONFIG: &str = r#"
name = "small"
seed = 5
num_classes = 3

[image]
channels = 3
height = 12
width = 16

[network]
kind = "unet"
channels = [8, 16]
groups = 4
time_embed_dim = 16
num_classes = 3

[degradation]
kind = "ink"
timesteps = 20

[objective]
parameterization = "sigmoid"
label_dropout = 0.1

[training]
batch_size = 8

[sampling]
sampler = "ancestral_2m"
nfe = 4
"#;

/// Writes the small model to a folder of its own; its weights are those of its seed.
fn written(folder: &Path) -> PathBuf {
    let path = folder.join(model::FILE);
    let config = ModelConfig::from_table(CONFIG.parse().unwrap(), &path).unwrap();
    let fitted = [vec![30.0; 3 * 257], vec![0.2; config.image.len()]].concat();
    let process = config.degradation.build(config.image, &fitted).unwrap();
    let mut params = Params::new(config.seed, &Device::Cpu);
    let input = config.image.with_channels(process.codec().input_channels());
    config.network.build(input, config.image.channels, params.frozen()).unwrap();
    let class_names = ["ant", "bee", "cat"].map(str::to_owned);
    let description = model::Description {
        config: CONFIG,
        fitted: &fitted,
        class_names: &class_names,
        step: 7,
        data_sha256: "abc",
    };
    model::write(&path, &description, &params).unwrap();
    path
}

#[test]
fn a_model_that_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    // By its folder, as a run.
    let model = Model::open(folder.path(), &Device::Cpu).unwrap();
    assert_eq!(model.provenance.path, path);
    assert_eq!((model.provenance.step, model.provenance.data_sha256.as_str()), (7, "abc"));
    assert_eq!((model.shape, model.num_classes), (ImageShape::new(3, 12, 16), 3));
    assert_eq!(model.class_names, ["ant", "bee", "cat"]);
    assert_eq!((model.conditional_classes(), model.fitted.len()), (3, 3 * (257 + 192)));
    assert_eq!(model.parameterization.name(), "sigmoid");
    // One image does not depend on the batch it is in, nor on how many there are.
    let request = Request {
        class: Some(Class::All { num_classes: model.num_classes }),
        guidance: 1.5,
        ..Request::new(Seed(2), 5, 2, model.sampling)
    };
    let five = model.sample(&request, &mut |_, _, _| {}).unwrap();
    assert_eq!(five.len(), 5 * model.shape.len());
    let last = Request { first: 3, count: 2, batch_size: 8, ..request };
    let mut seen = Vec::new();
    let last = model.sample(&last, &mut |first, t, _| seen.push((first, t.0))).unwrap();
    assert_eq!(last, five[3 * model.shape.len()..]);
    assert_eq!(seen, [(3, 20), (3, 15), (3, 10), (3, 5), (3, 0)]);
    let gaussian = Sampling::new(SamplerKind::Ddim, 4);
    let error = model.sample(&Request { sampling: gaussian, ..request }, &mut |_, _, _| {}).unwrap_err();
    assert!(error.to_string().contains("ddim with `ink`"), "{error}");
}

#[test]
fn damaged_models_are_refused_with_file_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let whole = TensorFile::read(&path).unwrap();
    let refused = |edit: &dyn Fn(&mut TensorFile), expected: &str| {
        let mut file = whole.clone();
        edit(&mut file);
        file.write().unwrap();
        let error = Model::open(&path, &Device::Cpu).err().unwrap().to_string();
        assert!(error.starts_with(&path.display().to_string()) && error.contains(expected), "{error}");
    };
    refused(&|file| file.set_metadata("schema", "3"), "schema: found 3, expected 1 or 2");
    refused(&|file| file.set_metadata("fitted", "many"), "metadata `fitted`: found many, expected a list");
    refused(&|file| file.set_metadata("fitted", "[1, 2, 3, 4]"), "fitted numbers: found 4 values");
    refused(&|file| file.set_metadata("step", "-1"), "metadata `step`: found -1, expected a number of steps");
    refused(
        &|file| file.set_metadata("config", CONFIG.replace("sigmoid", "eps")),
        "objective.parameterization: found eps with `ink`",
    );
    refused(
        &|file| file.set_metadata("config", CONFIG.replace("nfe = 4", "nfe = \"many\"")),
        "config: found sampling.nfe: ",
    );
    refused(&|file| file.set_metadata("config", CONFIG.replace("height = 12", "height = 13")), "13");
    refused(&|file| file.insert_values("extra", vec![1], vec![0.0]), "extra");
    assert!(Model::open(&folder.path().join("none"), &Device::Cpu).is_err());
}
