//! The Poisson quantile against the distribution function computed another way.

use dm_degrade::poisson::{HALF_CELL, MAX_MEAN, quantile};
use proptest::prelude::*;

use super::{chi_square_z, rng};

/// P(N <= k), each term by its own logarithm.
fn cdf(mean: f64, k: f64) -> f64 {
    if k < 0.0 {
        return 0.0;
    }
    let mut log_factorial = 0.0;
    let mut sum = (-mean).exp();
    for i in 1..=k as usize {
        log_factorial += (i as f64).ln();
        sum += (i as f64 * mean.ln() - mean - log_factorial).exp();
    }
    sum
}

/// Rounding of both sums.
const ROUNDING: f64 = 1e-11;

fn check(mean: f32, u: f32) {
    let (k, middle) = (f64::from(quantile(mean, u)), f64::from(u) + HALF_CELL);
    let mean = f64::from(mean);
    assert!(cdf(mean, k) > middle - ROUNDING, "mean {mean}, u {u}: {k} is too small");
    assert!(cdf(mean, k - 1.0) <= middle + ROUNDING, "mean {mean}, u {u}: {k} is too large");
}

/// All values that [`dm_nn::rng::Rng::uniform`] can take.
fn uniforms() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => (0..1u32 << 24).prop_map(|bits| bits as f32 / 16_777_216.0),
        1 => Just(0.0),
        1 => Just(1.0 - 1.0 / 16_777_216.0),
    ]
}

fn means() -> impl Strategy<Value = f32> {
    prop_oneof![0.0f32..=600.0, 0.0f32..10.0, (-30.0f32..6.0).prop_map(f32::exp)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn is_the_quantile(mean in means(), u in uniforms()) {
        check(mean, u);
    }

    #[test]
    fn rises_with_mean_and_uniform(a in means(), b in means(), u in uniforms(), v in uniforms()) {
        prop_assert!(quantile(a.min(b), u) <= quantile(a.max(b), u));
        prop_assert!(quantile(a, u.min(v)) <= quantile(a, u.max(v)));
    }
}

#[test]
fn extreme_and_invalid_arguments() {
    for mean in [0.0, 1e-30, 1e-6, 0.5, 64.0, 600.0] {
        for u in [0.0, 0.5, 1.0 - 1.0 / 16_777_216.0] {
            check(mean, u);
        }
    }
    assert_eq!(quantile(0.0, 0.999), 0.0);
    assert_eq!(quantile(-3.0, 0.5), 0.0);
    assert_eq!(quantile(f32::NAN, 0.5), 0.0);
    assert_eq!(quantile(1e9, 0.5), quantile(MAX_MEAN as f32, 0.5));
    // A uniform of zero is a draw from the lower tail, not a count of zero.
    assert!(quantile(64.0, 0.0) > 20.0);
}

#[test]
fn draws_have_the_law() {
    for (i, mean) in [0.1f32, 1.0, 6.6, 64.0, 600.0].into_iter().enumerate() {
        let (n, mut stream) = (100_000, rng(11, i as u64));
        let mut found = vec![0.0; 2000];
        (0..n).for_each(|_| found[quantile(mean, stream.uniform()) as usize] += 1.0);
        // Cells of at least five expected draws, the tails joined to the outermost.
        let (mut value, mut cells, mut seen, mut due) = (0.0, 0.0, 0.0, 0.0);
        let mut below = 0.0;
        for (k, count) in found.iter().enumerate() {
            let upto = cdf(f64::from(mean), k as f64);
            due += f64::from(n) * (upto - below);
            below = upto;
            seen += count;
            if due >= 5.0 && f64::from(n) * (1.0 - upto) >= 5.0 {
                value += (seen - due) * (seen - due) / due;
                cells += 1.0;
                (seen, due) = (0.0, 0.0);
            }
        }
        due = f64::max(due, 1e-9);
        value += (seen - due) * (seen - due) / due;
        // One-sided, one in 30,000; few cells make the normal form of chi-square a little too strict, not too lax.
        let z = chi_square_z(value, f64::max(cells, 1.0));
        assert!(z < 4.0, "mean {mean}: chi-square {value} with {cells} degrees, z = {z}");
    }
}
