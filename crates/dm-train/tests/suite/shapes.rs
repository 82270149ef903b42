//! Images of any shape: training, exact resumption and sampling for odd, non-square and colour images, every degradation.

use crate::common::{metrics, same_file, train};
use candle_core::Device;
use dm_degrade::generate::Request;
use dm_degrade::{Model, ParameterizationKind, REGISTRY, Sampling};
use dm_nn::image::ImageShape;
use dm_nn::nets::{NetworkConfig, RefCnnConfig, UNetConfig};
use dm_nn::rng::Seed;
use dm_train::config::DiffusionConfig;
use dm_train::{DiffusionTask, RunConfig, Trainer};
use proptest::prelude::*;
use proptest::test_runner::Config;

/// A config of two steps for `degradation` with its defaults, and the reference network, which takes every shape.
fn two_steps(
    degradation: &dm_degrade::degradations::Registered,
    parameterization: ParameterizationKind,
) -> DiffusionConfig {
    let mut config = crate::common::config("gaussian", "x0", "ancestral");
    config.network = NetworkConfig::RefCnn(RefCnnConfig { channels: vec![4], ..RefCnnConfig::default() });
    config.degradation = (degradation.config)();
    config.objective.parameterization = parameterization;
    config.sampling = Sampling::new(degradation.entry.sampler, 2);
    config.training.epochs = 1;
    config.training.batch_size = 3;
    config.training.validation_images = 2;
    config.training.checkpoint_every = 1;
    config
}

/// Trains two steps in one go and in two, and samples from the result.
fn check(config: DiffusionConfig, shape: ImageShape) {
    let data = crate::common::random_data(shape, 6, 3);
    let config = RunConfig::Diffusion(config);
    let dir = tempfile::tempdir().unwrap();
    let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
    assert!(train(&whole, &config, &data, false, u64::MAX));
    assert!(!train(&broken, &config, &data, false, 1));
    assert!(train(&broken, &config, &data, true, u64::MAX));
    same_file(&whole, &broken, "model.safetensors");
    same_file(&whole, &broken, "samples/epoch-0001.png");
    assert_eq!(metrics(&whole), metrics(&broken));

    let model = Model::open(&whole, &Device::Cpu).unwrap();
    assert_eq!((model.shape, model.num_classes), (shape, 3));
    let request = Request::new(Seed(1), 2, 2, model.sampling);
    assert_eq!(model.sample(&request, &mut |_, _, _| {}).unwrap().len(), 2 * shape.len());
}

#[test]
fn every_degradation_trains_with_sigmoid_on_colour_images() {
    for degradation in REGISTRY {
        check(two_steps(degradation, ParameterizationKind::Sigmoid), ImageShape::new(3, 9, 14));
    }
}

proptest! {
    #![proptest_config(Config { cases: 12, ..Config::default() })]

    /// Every degradation with its own parameterization, on odd, non-square and colour images.
    #[test]
    fn any_shape_trains_and_resumes(
        channels in 1usize..=4,
        height in 8usize..=21,
        width in 8usize..=21,
        degradation in 0..REGISTRY.len(),
    ) {
        let degradation = &REGISTRY[degradation];
        let config = two_steps(degradation, degradation.entry.parameterization);
        check(config, ImageShape::new(channels, height, width));
    }
}

#[test]
fn a_conditional_unet_with_attention_trains_on_colour_images() {
    let mut config = two_steps(&REGISTRY[0], ParameterizationKind::V);
    config.network = NetworkConfig::Unet(UNetConfig {
        channels: vec![4, 4],
        attention: vec![1],
        groups: 2,
        time_embed_dim: 8,
        num_classes: 3,
    });
    check(config, ImageShape::new(3, 12, 16));
}

#[test]
fn classifiers_train_on_any_shape() {
    let data = crate::common::random_data(ImageShape::new(3, 11, 8), 16, 6);
    let dir = tempfile::tempdir().unwrap();
    let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
    let config = crate::common::classifier_config();
    assert!(train(&whole, &config, &data, false, u64::MAX));
    assert!(!train(&broken, &config, &data, false, 1));
    assert!(train(&broken, &config, &data, true, u64::MAX));
    same_file(&whole, &broken, "model.safetensors");
    assert_eq!(metrics(&whole), metrics(&broken));
}

#[test]
fn data_of_another_shape_are_refused() {
    let [small, large] = [ImageShape::new(1, 10, 12), ImageShape::new(3, 12, 10)]
        .map(|shape| crate::common::random_data(shape, 6, 3));
    let config = two_steps(&REGISTRY[0], ParameterizationKind::Eps).resolve(&small).unwrap();
    let task = DiffusionTask::from_config(&config, &small).unwrap();
    let trainer = Trainer::new(task, &config.settings(), &large, &Device::Cpu);
    let messages = [trainer.err().unwrap().to_string(), config.resolve(&large).err().unwrap().to_string()];
    for message in messages {
        assert!(message.contains("10x12x1") && message.contains("12x10x3"), "{message}");
    }
    // A U-Net with three levels halves 10 pixels to 5, which cannot be halved again.
    let message =
        crate::common::config("gaussian", "v", "ancestral").resolve(&small).err().unwrap().to_string();
    assert!(message.contains("10x12"), "{message}");
}
