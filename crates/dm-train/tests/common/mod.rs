//! A small data set and a small config, so that a whole run takes a second.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::Path;

use dm_nn::data::{Dataset, Images, PIXELS};
use dm_train::Config;

/// The first 40 training and 16 test images of MNIST.
pub fn data() -> Dataset {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist");
    let mut data = Dataset::read(&dir).unwrap();
    cut(&mut data.train, 40);
    cut(&mut data.test, 16);
    data
}

fn cut(images: &mut Images, count: usize) {
    images.labels.truncate(count);
    images.pixels.truncate(count * PIXELS);
}

/// A run of two epochs of five steps; `degradation`, `prediction` and `sampler` as in a config file.
pub fn config(degradation: &str, prediction: &str, sampler: &str) -> Config {
    let text = format!(
        r#"
        name = "small"
        seed = 7
        [network]
        kind = "unet"
        channels = [8, 8, 8]
        groups = 4
        time = 16
        [degradation]
        kind = "{degradation}"
        steps = 10
        [objective]
        prediction = "{prediction}"
        [optimizer]
        learning_rate = 1e-3
        decay = "cosine"
        clip = 1.0
        [training]
        epochs = 2
        batch = 8
        ema_decay = 0.9
        validation_images = 16
        log_every = 1
        checkpoint_every = 2
        grid = 4
        [sampling]
        sampler = "{sampler}"
        steps = 5
        "#
    );
    Config::parse(&text, Path::new("small.toml")).unwrap()
}

/// The same, told classes, on five levels.
pub fn conditional(degradation: &str, prediction: &str, sampler: &str) -> Config {
    let config = config(degradation, prediction, sampler).to_toml().unwrap();
    let config = config.replace("classes = 0", "classes = 10").replacen("steps = 10", "steps = 5", 1);
    Config::parse(&config, Path::new("conditional.toml")).unwrap()
}
