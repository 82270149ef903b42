//! The reference network compared with PyTorch: output, loss and every gradient, for both normalisations.

use std::path::Path;

use candle_core::{Device, Tensor};
use dm_nn::image::ImageShape;
use dm_nn::nets::{BuildNetwork, NetworkConfig, Norm, RefCnnConfig};
use dm_nn::params::{Params, file::TensorFile};
use dm_nn::rng::Seed;

/// The fixture's tensors whose names begin with `prefix`, as a separate file.
fn part(fixture: &TensorFile, prefix: &str) -> TensorFile {
    let mut out = TensorFile::new(fixture.path());
    for name in fixture.names().filter(|n| n.starts_with(prefix) && !n.ends_with("frequencies")) {
        let (shape, values) = fixture.get(name).unwrap();
        out.insert_values(&name[prefix.len()..], shape.to_vec(), values.to_vec());
    }
    out
}

fn tensor(fixture: &TensorFile, name: &str) -> Tensor {
    let (shape, values) = fixture.get(name).unwrap();
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// Euclidean norm.
fn norm(values: impl IntoIterator<Item = f32>) -> f64 {
    values.into_iter().map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

fn check(file: &str, config_norm: Norm, parameters: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    let fixture = TensorFile::read(&path).unwrap();
    let config = NetworkConfig::RefCnn(RefCnnConfig { norm: config_norm, ..RefCnnConfig::default() });
    let mut params = Params::new(Seed(0), &Device::Cpu);
    let network = config.build(ImageShape::new(1, 28, 28), 1, params.trainable()).unwrap();
    assert_eq!(params.count(), parameters);
    params.load(&part(&fixture, "w/"), "").unwrap();

    let y = network.forward(&tensor(&fixture, "x"), &tensor(&fixture, "t")).unwrap();
    let expected = fixture.get("y").unwrap().1;
    let worst = values(&y).iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "output differs by {worst}");

    let loss = (y - tensor(&fixture, "eps")).unwrap().sqr().unwrap().mean_all().unwrap();
    let found = loss.to_scalar::<f32>().unwrap();
    let expected = fixture.get("loss").unwrap().1[0];
    assert!((found / expected - 1.0).abs() < 1e-4, "loss {found}, expected {expected}");

    let grads = loss.backward().unwrap();
    let expected = part(&fixture, "g/");
    assert_eq!(expected.names().count(), params.iter().len());
    let whole = norm(expected.names().flat_map(|name| expected.get(name).unwrap().1.to_vec()));
    for (name, var) in params.iter() {
        let found = values(grads.get(var).unwrap_or_else(|| panic!("{name} has no gradient")));
        let expected = expected.get(name).unwrap().1;
        let error = norm(found.iter().zip(expected).map(|(a, b)| a - b));
        // A bias before a norm over each plane has no effect, so that both gradients are rounding errors around zero.
        let cancels =
            config_norm == Norm::Plane && name.starts_with("blocks.") && name.ends_with(".net.0.bias");
        let scale = if cancels { 0.01 * whole } else { norm(expected.iter().copied()) };
        assert!(error < 1e-4 * scale, "gradient of {name} differs by {error}, its norm is {scale}");
    }
}

#[test]
fn joint_norm_matches_pytorch() {
    check("refcnn.safetensors", Norm::Joint, 291_217);
}

#[test]
fn plane_norm_matches_pytorch() {
    check("refcnn_plane.safetensors", Norm::Plane, 146_961);
}
