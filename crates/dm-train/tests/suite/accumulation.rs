//! Gradient accumulation through whole runs, and the learning-rate finder.

use std::path::Path;

use crate::common::train;
use candle_core::Device;
use dm_nn::params::file::TensorFile;
use dm_train::find_lr::{LrRange, find_lr};
use dm_train::{DiffusionTask, RunConfig};

/// The tensors of the model in `folder`.
fn weights(folder: &Path) -> Vec<Vec<f32>> {
    let file = TensorFile::read(&folder.join("model.safetensors")).unwrap();
    file.names().map(|name| file.get(name).unwrap().1.to_vec()).collect()
}

/// The Euclidean distance between two lists of tensors.
fn distance(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn micro_batches_give_the_run_of_whole_batches_up_to_rounding() {
    let data = crate::common::data();
    let mut diffusion = crate::common::config("ink", "sigmoid", "ancestral");
    (diffusion.training.epochs, diffusion.training.sample_count) = (1, 0);
    let RunConfig::Classifier(mut classifier) = crate::common::classifier_config() else {
        panic!("a classifier")
    };
    classifier.training.epochs = 1;
    // With Adam's usual eps, an element whose gradient is a rounding error may move either way.
    (diffusion.optimizer.eps, classifier.optimizer.eps) = (1e-3, 1e-3);
    let dir = tempfile::tempdir().unwrap();
    for (kind, is_diffusion) in [("diffusion", true), ("classifier", false)] {
        let model = |micro_batches: usize, seed: u64| {
            let mut config = if is_diffusion {
                let mut config = diffusion.clone();
                config.training.gradient_accumulation = micro_batches;
                RunConfig::Diffusion(config)
            } else {
                let mut config = classifier.clone();
                config.training.gradient_accumulation = micro_batches;
                RunConfig::Classifier(config)
            };
            config.set_seed(dm_nn::rng::Seed(seed));
            let folder = dir.path().join(format!("{kind}-{micro_batches}-{seed}"));
            assert!(train(&folder, &config, &data, false, u64::MAX));
            weights(&folder)
        };
        let whole = model(1, 7);
        // The rounding errors are compared with the distance between models of different seeds.
        let scale = distance(&whole, &model(1, 8));
        for micro_batches in [2, 3, 8] {
            let off = distance(&whole, &model(micro_batches, 7));
            assert!(off < 1e-4 * scale, "{kind}, {micro_batches} micro-batches: off by {off} of {scale}");
        }
    }
}

#[test]
fn the_finder_suggests_a_rate_below_the_one_that_diverges() {
    let data = crate::common::data();
    let config = crate::common::config("gaussian", "x0", "ancestral").resolve(&data).unwrap();
    let settings = config.settings();
    let search = |stop: &(dyn Fn() -> bool + Sync)| {
        let task = DiffusionTask::from_config(&config, &data).unwrap();
        let range = LrRange { lowest: 1e-6, highest: 1e4, steps: 100 };
        let mut seen = 0;
        let curve = find_lr(task, &settings, &data, &Device::Cpu, range, stop, &mut |_| seen += 1).unwrap();
        assert_eq!(seen, curve.points.len());
        curve
    };
    let curve = search(&|| false);
    assert!((20..100).contains(&curve.points.len()), "{} points", curve.points.len());
    assert!(curve.points.is_sorted_by(|a, b| a.learning_rate < b.learning_rate));
    let suggestion = curve.suggestion().unwrap();
    assert!(suggestion > 1e-5 && suggestion < curve.points.last().unwrap().learning_rate / 10.0);
    assert_eq!(search(&|| false), curve, "the search is a function of the config");
    assert!(search(&|| true).points.is_empty());
}
