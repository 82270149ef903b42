//! The heat kernel: a symmetric Markov semigroup with the uniform law at rest, and its undoing.

use dm_degrade::heat::{Heat, Kernel, kernel, spread};
use dm_nn::data::{PIXELS, SIDE};
use proptest::prelude::*;

use super::{digit, images, worst};

/// Rounding of the f32 entries.
const ROUNDING: f32 = 2e-7;
/// K_(-tau) undoes K_tau to `UNDONE_TO` of a full pixel up to `UNDONE_UNTIL`: beyond, the rounding of f32 images
/// is amplified by e^(8 tau), the gain of the checkerboard mode.
const UNDONE_UNTIL: f64 = 1.0;
const UNDONE_TO: f32 = 1e-3;

fn product(a: &Kernel, b: &Kernel) -> Kernel {
    let entry = |y: usize, x: usize| (0..SIDE).map(|i| f64::from(a[y][i]) * f64::from(b[i][x])).sum::<f64>();
    std::array::from_fn(|y| std::array::from_fn(|x| entry(y, x) as f32))
}

/// Largest difference of two kernels.
fn distance(a: &Kernel, b: &Kernel) -> f32 {
    worst(a.as_flattened(), b.as_flattened())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_are_laws_and_the_kernel_is_symmetric(sigma in 1e-3..100.0f64) {
        let k = kernel(0.5 * sigma * sigma);
        for (y, row) in k.iter().enumerate() {
            let total: f64 = row.iter().map(|&k| f64::from(k)).sum();
            prop_assert!((total - 1.0).abs() < 1e-6, "row {y} sums to {total}");
            for (x, &entry) in row.iter().enumerate() {
                prop_assert!(entry >= 0.0 && entry == k[x][y]);
            }
        }
    }

    #[test]
    fn walking_twice_is_walking_longer(a in 0.0..200.0f64, b in 0.0..200.0f64) {
        let error = distance(&product(&kernel(a), &kernel(b)), &kernel(a + b));
        prop_assert!(error < ROUNDING, "{error}");
    }

    #[test]
    fn spreading_conserves_ink_and_leaves_even_ink_alone(image in images(), tau in 0.0..200.0f64) {
        let k = kernel(tau);
        let total = |v: &[f32]| v.iter().map(|&v| f64::from(v)).sum::<f64>();
        let (before, after) = (total(&image), total(&spread(&k, &image)));
        prop_assert!((before - after).abs() <= 1e-6 * before, "{before} became {after}");
        prop_assert!(worst(&spread(&k, &[1.0; PIXELS]), &[1.0; PIXELS]) < 1e-6);
    }

    #[test]
    fn images_and_cosines_agree(image in images(), tau in 0.0..200.0f64) {
        let modes = Heat::default().filter(&image, |lambda| (-lambda * tau).exp());
        prop_assert!(worst(&spread(&kernel(tau), &image), &modes) < 1e-6);
    }

    #[test]
    fn negative_time_undoes_spreading(image in images(), tau in 0.0..=UNDONE_UNTIL) {
        let spread = spread(&kernel(tau), &image);
        let error = worst(&Heat::default().filter(&spread, |lambda| (lambda * tau).exp()), &image);
        prop_assert!(error < UNDONE_TO, "{error}");
    }
}

#[test]
fn no_time_is_the_identity_and_long_time_is_even() {
    let identity: Kernel = std::array::from_fn(|y| std::array::from_fn(|x| f32::from(u8::from(x == y))));
    assert_eq!(kernel(0.0), identity);
    let even: Kernel = [[1.0 / SIDE as f32; SIDE]; SIDE];
    assert!(distance(&kernel(5000.0), &even) < ROUNDING);
}

#[test]
fn far_tails_keep_their_digits() {
    // After a short time a walker has gone d nodes with probability about tau^d / d!.
    let tau = 1e-4f64;
    let k = kernel(tau);
    let mut leading = 1.0;
    for d in 1..=9 {
        leading *= tau / f64::from(d);
        let ratio = f64::from(k[10][10 + d as usize]) / leading;
        assert!((ratio - 1.0).abs() < 1e-3, "distance {d}: {ratio}");
    }
}

#[test]
fn undoing_a_digit_fails_beyond_the_stated_time() {
    // The tolerance above is a limit of f32, not of the test: at four times the stated time nothing is left.
    let (image, tau) = (digit(0), 4.0 * UNDONE_UNTIL);
    let spread = spread(&kernel(tau), &image);
    assert!(
        worst(&Heat::default().filter(&spread, |lambda| (lambda * tau).exp()), &image) > 100.0 * UNDONE_TO
    );
}
