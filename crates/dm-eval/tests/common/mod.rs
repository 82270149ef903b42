//! Sets of features for the tests: drawn from a seed or read from the fixture. No assertions here.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use dm_eval::Features;
use dm_nn::rng::{Seed, Stream};

/// n x dim normals with the given mean.
pub fn normal(n: usize, dim: usize, mean: f64, seed: u64) -> Features {
    let mut rng = Seed(seed).stream(Stream::Sample, 0, 0);
    let values = (0..n * dim).map(|_| mean + f64::from(rng.normal())).collect();
    Features::new("normal", n, dim, values).unwrap()
}

/// The rows in another, seeded, order.
pub fn shuffled(set: &Features, seed: u64) -> Features {
    let order = Seed(seed).stream(Stream::Shuffle, 0, 0).permutation(set.n());
    set.select(&order.iter().map(|&i| i as usize).collect::<Vec<_>>()).unwrap()
}

/// A tensor of the fixture file, [n, dim] in f64.
pub fn fixture(name: &str) -> Features {
    let bytes = std::fs::read(path("metrics.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    assert_eq!(tensor.dtype(), safetensors::Dtype::F64);
    let values = tensor.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
    Features::new(name, tensor.shape()[0], tensor.shape()[1], values).unwrap()
}

/// The fixture's values.
pub fn expected() -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path("metrics.json")).unwrap()).unwrap()
}

fn path(name: &str) -> std::path::PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", name].iter().collect()
}

/// Fails unless `found` agrees with `expected` to `relative`.
#[track_caller]
pub fn close(found: f64, expected: f64, relative: f64) {
    assert!(
        (found - expected).abs() <= relative * expected.abs().max(f64::MIN_POSITIVE),
        "found {found}, expected {expected}"
    );
}
