//! Sets of features for the tests: random ones, and those of the fixture.

#![allow(dead_code, reason = "each test file uses some of these functions")]

use dm_eval::Features;
use dm_nn::rng::{Purpose, Seed};

/// A purpose of the tests. Its streams have fixed numbers, on which no expected value depends.
pub const SAMPLE: Purpose = Purpose(6);
/// Another purpose of the tests.
pub const SHUFFLE: Purpose = Purpose(2);

/// n x dim normal numbers with the given mean.
pub fn normal(n: usize, dim: usize, mean: f64, seed: u64) -> Features {
    let mut rng = Seed(seed).stream(SAMPLE, 0, 0);
    let values = (0..n * dim).map(|_| mean + f64::from(rng.normal())).collect();
    Features::new("normal", n, dim, values).unwrap()
}

/// The rows in a random order.
pub fn shuffled(set: &Features, seed: u64) -> Features {
    let order = Seed(seed).stream(SHUFFLE, 0, 0).permutation(set.n());
    set.select(&order.iter().map(|&i| i as usize).collect::<Vec<_>>()).unwrap()
}

/// The f64 tensor `name` [n, dim] of the fixture.
pub fn fixture(name: &str) -> Features {
    let bytes = std::fs::read(path("metrics.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    assert_eq!(tensor.dtype(), safetensors::Dtype::F64);
    let values = tensor.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
    Features::new(name, tensor.shape()[0], tensor.shape()[1], values).unwrap()
}

/// The expected values of the fixture.
pub fn expected() -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path("metrics.json")).unwrap()).unwrap()
}

fn path(name: &str) -> std::path::PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", name].iter().collect()
}

/// The SSIM of two planes by its definition, window by window, without a separable filter.
pub fn defined_ssim(x: &[f64], y: &[f64], height: usize, width: usize) -> f64 {
    let reach = (11.min(height).min(width) - 1) / 2;
    let side = 2 * reach + 1;
    let weight = |i: usize, j: usize| {
        let (a, b) = (i as f64 - reach as f64, j as f64 - reach as f64);
        (-(a * a + b * b) / 4.5).exp()
    };
    let inside = || (0..side * side).map(|i| (i / side, i % side));
    let total: f64 = inside().map(|(i, j)| weight(i, j)).sum();
    let (mut sum, mut windows) = (0.0, 0.0);
    for top in 0..=height - side {
        for left in 0..=width - side {
            let mean = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
                let value = |(i, j)| {
                    let at = (top + i) * width + left + j;
                    weight(i, j) / total * f(x[at], y[at])
                };
                inside().map(value).sum()
            };
            let (mx, my) = (mean(&|a, _| a), mean(&|_, b| b));
            let (vx, vy) = (mean(&|a, _| (a - mx).powi(2)), mean(&|_, b| (b - my).powi(2)));
            let cov = mean(&|a, b| (a - mx) * (b - my));
            sum +=
                (2.0 * mx * my + 1e-4) * (2.0 * cov + 9e-4) / ((mx * mx + my * my + 1e-4) * (vx + vy + 9e-4));
            windows += 1.0;
        }
    }
    sum / windows
}

/// Checks that `found` agrees with `expected` up to the relative error `relative`.
#[track_caller]
pub fn close(found: f64, expected: f64, relative: f64) {
    assert!(
        (found - expected).abs() <= relative * expected.abs().max(f64::MIN_POSITIVE),
        "found {found}, expected {expected}"
    );
}
