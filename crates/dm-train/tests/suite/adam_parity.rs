//! Three Adam steps of the reference network against PyTorch: losses on the way and every weight at the end.

use std::path::Path;

use candle_core::{Device, Tensor};
use dm_nn::image::ImageShape;
use dm_nn::nets::{BuildNetwork, NetworkConfig, Norm, RefCnnConfig};
use dm_nn::params::{Params, file::TensorFile};
use dm_nn::rng::Seed;
use dm_train::optimizer::{Adam, OptimizerConfig};

fn check(file: &str, norm: Norm) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dm-nn/tests/fixtures").join(file);
    let fixture = TensorFile::read(&path).unwrap();
    let mut weights = TensorFile::new(&path);
    for name in fixture.names().filter(|n| n.starts_with("w/") && *n != "w/frequencies") {
        let (shape, values) = fixture.get(name).unwrap();
        weights.insert_values(&name[2..], shape.to_vec(), values.to_vec());
    }
    let config = NetworkConfig::RefCnn(RefCnnConfig { norm, ..RefCnnConfig::default() });
    let mut params = Params::new(Seed(0), &Device::Cpu);
    let network = config.build(ImageShape::new(1, 28, 28), 1, params.trainable()).unwrap();
    params.load(&weights, "").unwrap();
    let mut adam = Adam::new(&OptimizerConfig::default(), 3, &params).unwrap();

    let step = |name: &str, i: usize| {
        let (shape, values) = fixture.get(name).unwrap();
        let all = Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
        all.get(i).unwrap()
    };
    for i in 0..3 {
        let y = network.forward(&step("adam_x", i), &step("adam_t", i)).unwrap();
        let loss = (y - step("adam_eps", i)).unwrap().sqr().unwrap().mean_all().unwrap();
        let (found, expected) = (loss.to_scalar::<f32>().unwrap(), fixture.get("adam_loss").unwrap().1[i]);
        assert!((found / expected - 1.0).abs() < 1e-4, "loss {i}: {found}, expected {expected}");
        adam.step(&loss.backward().unwrap(), i as u64).unwrap();
    }
    for (name, var) in params.iter() {
        let found: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
        let expected = fixture.get(&format!("a/{name}")).unwrap().1;
        let before = fixture.get(&format!("w/{name}")).unwrap().1;
        // Relative to the distance that the parameter has moved: Adam's first steps follow the signs of gradients, so an
        // element whose gradient is a rounding error may move the other way.
        let distance =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
        let (error, moved) = (distance(&found, expected), distance(before, expected));
        // A norm over single planes subtracts the bias before it, so the gradient of that bias is nothing but rounding error.
        let cancels = norm == Norm::Plane && name.starts_with("blocks.") && name.ends_with(".net.0.bias");
        let tolerance = if cancels { 2.0 } else { 5e-3 };
        assert!(error < tolerance * moved, "{name} is off by {error} after moving {moved}");
        assert!(moved > 1e-4, "{name} did not move in the fixture, so the test would prove nothing");
    }
}

#[test]
fn joint_norm_matches_pytorch() {
    check("refcnn.safetensors", Norm::Joint);
}

#[test]
fn plane_norm_matches_pytorch() {
    check("refcnn_plane.safetensors", Norm::Plane);
}
