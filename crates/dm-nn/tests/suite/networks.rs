//! Networks of any shape: the engine agrees with candle's operations, and every parameter has a gradient.

use candle_core::{Device, Tensor};
use proptest::prelude::*;

use dm_nn::image::ImageShape;
use dm_nn::nets::classifier::ClassifierConfig;
use dm_nn::nets::{BuildNetwork, Norm, RefCnnConfig, UNetConfig};
use dm_nn::params::Params;
use dm_nn::planes::Planes;
use dm_nn::rng::{Purpose, Seed};

/// A stream for inputs and parameters.
const NUMBERS: Purpose = Purpose(100);

fn numbers(dims: &[usize], index: u64) -> Tensor {
    let mut values = vec![0.0; dims.iter().product()];
    Seed(3).stream(NUMBERS, index, 0).fill_normal(&mut values);
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

/// Images and times.
fn inputs(shape: ImageShape, count: usize) -> (Tensor, Tensor) {
    let (n, c, h, w) = shape.dims(count);
    let times = (0..count).map(|i| i as f32 / count as f32).collect::<Vec<_>>();
    (numbers(&[n, c, h, w], 0), Tensor::from_vec(times, count, &Device::Cpu).unwrap())
}

/// Adds small numbers to all parameters: the last layers of a fresh U-Net are zero.
fn perturb(params: &Params) {
    for (i, (_, var)) in params.iter().enumerate() {
        let noise = (numbers(var.dims(), 1 + i as u64) * 0.05).unwrap();
        var.set(&(var.as_detached_tensor() + noise).unwrap()).unwrap();
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The relative distance of two tensors in the Euclidean norm.
fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let norm = |values: Vec<f64>| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let (a, b) = (values(a), values(b));
    let difference = a.iter().zip(&b).map(|(a, b)| f64::from(a - b)).collect();
    norm(difference) / norm(b.into_iter().map(f64::from).collect()).max(1e-3)
}

/// Compares output and gradients of a network in the engine with those in candle's operations. `run` maps planes to an
/// output tensor.
fn agree(params: &Params, x: &Tensor, run: impl Fn(&Planes) -> candle_core::Result<Tensor>) {
    let [engine, candle] = [Planes::enter(x), Planes::portable(x)].map(|x| run(&x.unwrap()).unwrap());
    assert!(distance(&engine, &candle) < 1e-4, "outputs differ by {}", distance(&engine, &candle));
    let [engine, candle] = [engine, candle].map(|y| y.sqr().unwrap().mean_all().unwrap().backward().unwrap());
    for (name, var) in params.iter() {
        let (engine, candle) = (engine.get(var).unwrap(), candle.get(var).unwrap());
        assert!(distance(engine, candle) < 1e-2, "{name} differs by {}", distance(engine, candle));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn engine_and_candle_agree_on_unets_of_any_depth(
        levels in 1usize..=4,
        height in 1usize..4,
        width in 1usize..4,
        channels in 1usize..=3,
        outputs in 1usize..=3,
        attention: [bool; 4],
        num_classes in 0usize..4,
        count in 1usize..4,
    ) {
        let side = |blocks: usize| (blocks << (levels - 1)).max(8);
        let shape = ImageShape::new(channels, side(height), side(width));
        let config = UNetConfig {
            channels: vec![8, 4, 8, 4][..levels].to_vec(),
            groups: 2,
            time_embed_dim: 16,
            attention: (0..levels).filter(|&level| attention[level]).collect(),
            num_classes,
        };
        let mut params = Params::new(Seed(1), &Device::Cpu);
        let network = config.build_unet(shape, outputs, params.trainable()).unwrap();
        perturb(&params);
        let (x, t) = inputs(shape, count);
        let classes: Vec<u8> = (0..count).map(|i| (i % (num_classes + 1)) as u8).collect();
        let classes = (num_classes > 0).then_some(classes.as_slice());
        agree(&params, &x, |x| {
            let y = network.run(x, &t, classes)?.leave()?;
            assert_eq!(y.dims4()?, shape.with_channels(outputs).dims(count));
            Ok(y)
        });
    }

    #[test]
    fn engine_and_candle_agree_on_reference_cnns_of_any_shape(
        height in 8usize..40,
        width in 8usize..40,
        channels in 1usize..=3,
        joint: bool,
        count in 1usize..4,
    ) {
        let shape = ImageShape::new(channels, height, width);
        let norm = if joint { Norm::Joint } else { Norm::Plane };
        let config = RefCnnConfig { channels: vec![6, 3], norm };
        let mut params = Params::new(Seed(1), &Device::Cpu);
        let network = config.build_ref_cnn(shape, channels, params.trainable()).unwrap();
        perturb(&params);
        let (x, t) = inputs(shape, count);
        agree(&params, &x, |x| {
            let y = network.run(x, &t)?.leave()?;
            assert_eq!(y.dims4()?, shape.dims(count));
            Ok(y)
        });
    }

    #[test]
    fn engine_and_candle_agree_on_classifiers_of_any_shape(
        height in 8usize..40,
        width in 8usize..40,
        channels in 1usize..=3,
        levels in 0usize..=4,
        hidden in 0usize..=2,
        num_classes in 1usize..=12,
        count in 1usize..4,
    ) {
        let shape = ImageShape::new(channels, height, width);
        let config = ClassifierConfig {
            channels: vec![4, 9, 6, 5][..levels].to_vec(),
            hidden: vec![11, 6][..hidden].to_vec(),
            features: 7,
        };
        let mut params = Params::new(Seed(1), &Device::Cpu);
        let network = config.build(shape, num_classes, params.trainable()).unwrap();
        let (x, _) = inputs(shape, count);
        agree(&params, &x, |x| {
            let output = network.run(x)?;
            assert_eq!(output.features.dims2()?, (count, 7));
            assert_eq!(output.logits.dims2()?, (count, num_classes));
            Ok(output.logits)
        });
    }
}

#[test]
fn a_fresh_attention_layer_changes_nothing() {
    let shape = ImageShape::new(1, 8, 12);
    let plain = UNetConfig { channels: vec![8, 8], groups: 2, ..UNetConfig::default() };
    let attentive = UNetConfig { attention: vec![0], ..plain.clone() };
    let (x, t) = inputs(shape, 2);
    let run = |config: &UNetConfig| {
        let mut params = Params::new(Seed(1), &Device::Cpu);
        let network = config.build_unet(shape, 1, params.trainable()).unwrap();
        let last = params.iter().filter(|(name, _)| name.starts_with("output."));
        last.for_each(|(_, var)| var.set(&var.ones_like().unwrap()).unwrap());
        let names: Vec<String> = params.iter().map(|(name, _)| name.to_owned()).collect();
        (values(&network.run(&Planes::enter(&x).unwrap(), &t, None).unwrap().leave().unwrap()), names)
    };
    let ((plain, plain_names), (attentive, names)) = (run(&plain), run(&attentive));
    assert_eq!(plain, attentive);
    assert_eq!(names[..plain_names.len()], plain_names, "attention comes after all other parameters");
    assert_eq!(names[plain_names.len()], "down.0.attention.norm.weight");
    assert_eq!(names.len(), plain_names.len() + 12);
}

#[test]
fn the_default_unet_has_the_expected_parameters() {
    let mut params = Params::new(Seed(1), &Device::Cpu);
    let config = UNetConfig { attention: vec![2], ..UNetConfig::default() };
    config.build(ImageShape::new(1, 28, 28), 1, params.trainable()).unwrap();
    let names: Vec<&str> = params.iter().map(|(name, _)| name).collect();
    let first =
        ["time.0.weight", "time.0.bias", "time.1.weight", "time.1.bias", "input.weight", "input.bias"];
    assert_eq!(names[..6], first);
    let weights: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".norm1.weight")).collect();
    assert_eq!(weights, ["down.0", "down.1", "down.2", "middle", "up.0", "up.1", "up.2"]);
    let at = |name: &str| names.iter().position(|found| *found == name).unwrap();
    assert!(at("middle.conv2.bias") < at("attention.norm.weight"));
    assert!(at("attention.out.bias") < at("up.0.norm1.weight"));
    let attention = 4 * 64 * 64 + 4 * 64 + 2 * 64;
    assert_eq!(params.count(), 669_889 + attention);
}

#[test]
fn errors_about_invalid_sizes_name_valid_sizes() {
    let shape = |height, width| ImageShape::new(1, height, width);
    let config = UNetConfig::default();
    assert!(config.check_shape(shape(28, 8)).is_ok());
    for (size, expected) in [
        ((30, 28), "multiples of 4, such as 28x28 or 32x28"),
        ((30, 28), "at most 2 entries in network.channels"),
        ((9, 27), "multiples of 4, such as 8x24 or 12x28"),
        ((9, 27), "at most 1 entry in network.channels"),
    ] {
        let message = config.check_shape(shape(size.0, size.1)).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        let mut params = Params::new(Seed(1), &Device::Cpu);
        assert!(config.build(shape(size.0, size.1), 1, params.trainable()).is_err());
    }
    let attention = UNetConfig { attention: vec![0], ..UNetConfig::default() };
    assert!(attention.check_shape(shape(32, 32)).is_ok());
    let message = attention.check_shape(shape(64, 32)).unwrap_err().to_string();
    assert!(message.contains("level 0 with 64x32 pixels, expected levels with at most 1024"), "{message}");
    for (config, expected) in [
        (UNetConfig { attention: vec![3], ..UNetConfig::default() }, "levels 0 to 2 in increasing order"),
        (UNetConfig { attention: vec![1, 1], ..UNetConfig::default() }, "levels 0 to 2"),
        (
            UNetConfig { channels: vec![], ..UNetConfig::default() },
            "number of levels: found 0, expected 1 to 5",
        ),
        (UNetConfig { channels: vec![8; 6], ..UNetConfig::default() }, "found 6, expected 1 to 5"),
        (UNetConfig { channels: vec![12], ..UNetConfig::default() }, "a multiple of groups = 8"),
        (UNetConfig { num_classes: 256, ..UNetConfig::default() }, "found 256, expected 0 to 255"),
    ] {
        let message = config.check().unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
