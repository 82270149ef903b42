//! Configs: which are read, which are refused and how the error names the cause, overrides, and configs of schema 1.

use std::fs;
use std::path::Path;

use dm_nn::image::ImageShape;
use dm_train::RunConfig;
use dm_train::weighting::Weighting;

const DIFFUSION: &str = r#"
    name = "small"
    [network]
    kind = "unet"
    channels = [8, 8]
    [degradation]
    kind = "gaussian"
    timesteps = 50
    [objective]
    parameterization = "v"
    [sampling]
    sampler = "ancestral"
    nfe = 10
"#;

const CLASSIFIER: &str = r#"
    name = "small"
    [classifier]
    features = 8
"#;

/// A config in schema 1.
const DIFFUSION_SCHEMA_1: &str = r#"
    name = "small"
    [network]
    kind = "unet"
    channels = [32, 64, 64]
    time = 64
    classes = 10
    [degradation]
    kind = "gaussian"
    steps = 50
    [objective]
    prediction = "eps"
    last_level = false
    levels = "importance"
    [optimizer]
    clip = 1.0
    decay = "cosine"
    [training]
    batch = 16
    images = 100
    grid = 4
    grid_steps = 5
    [sampling]
    sampler = "bridge"
    steps = 10
    spacing = "middle"
"#;

/// The same config in the current schema.
const DIFFUSION_CURRENT: &str = r#"
    name = "small"
    num_classes = 10
    [image]
    channels = 1
    height = 28
    width = 28
    [network]
    kind = "unet"
    channels = [32, 64, 64]
    time_embed_dim = 64
    num_classes = 10
    [degradation]
    kind = "gaussian"
    timesteps = 50
    [objective]
    parameterization = "eps"
    include_last_timestep = false
    timestep_sampler = "importance"
    [optimizer]
    grad_clip_norm = 1.0
    lr_schedule = "cosine"
    [training]
    batch_size = 16
    max_images = 100
    sample_count = 4
    sample_nfe = 5
    [sampling]
    sampler = "ancestral"
    nfe = 10
    spacing = "cosine"
"#;

/// The config `text` in a file, with overrides.
fn read(text: &str, overrides: &[&str]) -> Result<RunConfig, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("small.toml");
    fs::write(&path, text).unwrap();
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    RunConfig::read(&path, &overrides).map_err(|e| e.to_string())
}

#[test]
fn configs_of_both_kinds_survive_a_round_trip_through_toml() {
    for text in [DIFFUSION, CLASSIFIER, DIFFUSION_CURRENT] {
        let config = read(text, &[]).unwrap();
        let written = config.to_toml().unwrap();
        assert_eq!(RunConfig::parse(&written, Path::new("written.toml")).unwrap(), config, "{written}");
        assert_eq!(matches!(config, RunConfig::Classifier(_)), text == CLASSIFIER);
    }
}

#[test]
fn schema_1_is_read() {
    assert_eq!(read(DIFFUSION_SCHEMA_1, &[]).unwrap(), read(DIFFUSION_CURRENT, &[]).unwrap());
    let judge = "name = \"small\"\n[judge]\nfeatures = 8\n[training]\nshift = 1\nbatch = 9\n";
    let classifier = "name = \"small\"\nnum_classes = 10\n[image]\nchannels = 1\nheight = 28\nwidth = 28\n\
                      [classifier]\nfeatures = 8\n[training]\nmax_shift = 1\nbatch_size = 9\n";
    assert_eq!(read(judge, &[]).unwrap(), read(classifier, &[]).unwrap());
    // The weighting `ink` has the name `intensity` today.
    let ink = "name = \"small\"\n[network]\nkind = \"unet\"\n[degradation]\nkind = \"ink\"\n[objective]\n\
               prediction = \"conserving\"\nweighting = \"ink\"\n[sampling]\nsampler = \"bridge\"\nsteps = 10\n";
    let RunConfig::Diffusion(ink) = read(ink, &[]).unwrap() else { panic!("expected a diffusion model") };
    assert_eq!(ink.objective.weighting, Weighting::Intensity);
    // Overrides use the current names.
    let changed = read(DIFFUSION_SCHEMA_1, &["sampling.nfe=9", "training.batch_size=8"]).unwrap();
    let RunConfig::Diffusion(changed) = changed else { panic!("expected a diffusion model") };
    assert_eq!((changed.sampling.nfe, changed.training.batch_size), (9, 8));
}

#[test]
fn overrides_change_one_key() {
    let mut expected = read(DIFFUSION, &[]).unwrap();
    if let RunConfig::Diffusion(config) = &mut expected {
        config.training.epochs = 3;
        config.network = dm_nn::nets::NetworkConfig::RefCnn(dm_nn::nets::RefCnnConfig::default());
        config.name = "other".into();
    }
    let overrides = ["training.epochs=3", r#"network={ kind = "ref_cnn" }"#, "name=other"];
    assert_eq!(read(DIFFUSION, &overrides).unwrap(), expected);
    // The last of several wins.
    let twice = ["training.epochs=9", overrides[0], overrides[1], overrides[2]];
    assert_eq!(read(DIFFUSION, &twice).unwrap(), expected);
}

#[test]
fn errors_name_the_file_the_flag_and_the_key() {
    for (overrides, expected) in [
        (&["training.epoch=3"][..], &["--set training.epoch=3", "unknown field `epoch`"][..]),
        (&["training.epochs=0"], &["--set training.epochs=0", "training.epochs: found 0", "1 to"]),
        (&["training.epochs=many"], &["--set training.epochs=many", "epochs", "string"]),
        (&["name=a b"], &["--set name=a b", "name"]),
        (&["training.ema_decay=1"], &["--set training.ema_decay=1", "0 to below 1"]),
        (&["optimizer.grad_clip_norm=-1"], &["--set", "optimizer.grad_clip_norm", "at least 0"]),
        (&["objective.parameterization=softmax"], &["--set", "softmax", "intensities"]),
        (&["objective.weighting=intensity"], &["--set", "objective.weighting", "softmax"]),
        (&["objective.label_dropout=1.0"], &["--set", "objective.label_dropout"]),
        (&["sampling.nfe=51"], &["--set sampling.nfe=51", "1 to 50"]),
        (
            &["degradation.timesteps=1", "sampling.nfe=1", "objective.include_last_timestep=false"],
            &["objective.include_last_timestep", "at least two"],
        ),
        (&["network.channels=3"], &["--set network.channels=3"]),
        (&["network.kind=transformer"], &["--set network.kind=transformer", "unet"]),
        // Only the override that is wrong is named, not the valid one before it.
        (&["training.epochs=3", "training.batch_size=0"], &["--set training.batch_size=0"]),
    ] {
        let message = read(DIFFUSION, overrides).unwrap_err();
        assert!(message.contains("small.toml"), "{message}");
        for part in expected {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    let message = read(&format!("{DIFFUSION}\nmore = 1"), &[]).unwrap_err();
    assert!(message.contains("small.toml") && message.contains("more"), "{message}");
    let message = read(CLASSIFIER, &["training.sample_count=3"]).unwrap_err();
    assert!(message.contains("sample_count"), "{message}");
    assert!(read("name = ", &[]).unwrap_err().contains("line 1"));
}

#[test]
fn malformed_overrides_are_refused() {
    for (text, expected) in [
        ("training", "key.path=value"),
        ("=3", "key.path=value"),
        ("name.more=3", "`name`, a value"),
        // TOML has 64-bit signed numbers.
        ("seed=9223372036854775808", "--set seed: found 9223372036854775808"),
        ("seed=-9223372036854775809", "-9223372036854775808 to 9223372036854775807"),
    ] {
        let message = read(DIFFUSION, &[text]).unwrap_err();
        assert!(message.contains("--set") && message.contains(expected), "{message}");
    }
    let message = read(DIFFUSION, &["seed=-1"]).unwrap_err();
    assert!(message.contains("--set seed=-1"), "{message}");
}

#[test]
fn resolving_fills_in_the_data() {
    let shape = ImageShape::new(3, 16, 20);
    let data = crate::common::random_data(shape, 200, 10);
    for text in [DIFFUSION, CLASSIFIER] {
        let config = read(text, &[]).unwrap().resolve(&data).unwrap();
        let written = config.to_toml().unwrap();
        assert!(written.contains("num_classes = 3\n"), "{written}");
        assert!(written.contains("[image]\nchannels = 3\nheight = 16\nwidth = 20\n"), "{written}");
        // A resolved config fits no other data.
        let other = crate::common::random_data(ImageShape::new(1, 16, 20), 200, 10);
        let message = config.clone().resolve(&other).unwrap_err().to_string();
        assert!(message.contains("16x20x3") && message.contains("16x20x1"), "{message}");
        let mut other = data.clone();
        (other.train.num_classes, other.test.num_classes) = (4, 4);
        let message = config.resolve(&other).unwrap_err().to_string();
        assert!(message.contains("num_classes") && message.contains("4 classes"), "{message}");
    }
    for (overrides, expected) in [
        (&["training.max_images=201"][..], "at most 200"),
        (&["training.batch_size=201"], "at most 200 images"),
        (&["training.max_images=20"], "at most 20 images"),
    ] {
        let message = read(DIFFUSION, overrides).unwrap().resolve(&data).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let message =
        read(CLASSIFIER, &["training.max_shift=16"]).unwrap().resolve(&data).unwrap_err().to_string();
    assert!(message.contains("training.max_shift: found 16, expected 0 to 15"), "{message}");
    let mut unlabelled = data.clone();
    (unlabelled.train.num_classes, unlabelled.test.num_classes) = (0, 0);
    let message = read(CLASSIFIER, &[]).unwrap().resolve(&unlabelled).unwrap_err().to_string();
    assert!(message.contains("at least 2"), "{message}");
}
