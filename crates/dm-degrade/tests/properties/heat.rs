//! The heat kernel: a symmetric Markov semigroup with the uniform law at rest, and its inverse; on axes of every length.

use dm_degrade::heat::{Kernel, PlaneKernel, Spectrum};
use dm_nn::image::ImageShape;
use proptest::prelude::*;

use super::shapes::{SHAPES, shaped_images};
use super::{MNIST, digit, worst};

/// Rounding of the f32 entries.
const ROUNDING: f32 = 2e-7;
/// K_(-tau) undoes K_tau to `INVERSE_ERROR` of a full pixel up to `INVERTIBLE_UNTIL`: beyond, the rounding of f32 images is
/// amplified by e^(8 tau), the gain of the checkerboard mode.
const INVERTIBLE_UNTIL: f64 = 1.0;
const INVERSE_ERROR: f32 = 1e-3;

fn product(a: &Kernel, b: &Kernel) -> Kernel {
    let entry = |y: usize, x: usize| {
        (0..a.len()).map(|i| f64::from(a.row(y)[i]) * f64::from(b.row(i)[x])).sum::<f64>() as f32
    };
    Kernel::from_fn(a.len(), entry)
}

/// Largest difference of two kernels.
fn distance(a: &Kernel, b: &Kernel) -> f32 {
    worst(a.weights(), b.weights())
}

fn spread(shape: ImageShape, tau: f64, image: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; image.len()];
    PlaneKernel::heat(shape, tau).spread(image, &mut out);
    out
}

fn filter(shape: ImageShape, image: &[f32], gain: impl Fn(f64) -> f64) -> Vec<f32> {
    let mut out = vec![f32::NAN; image.len()];
    Spectrum::new(shape).filter(image, gain, &mut out);
    out
}

/// Lengths of an axis; half of them are MNIST's.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(28usize), 1 => 8..=128usize]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_are_laws_and_the_kernel_is_symmetric(length in lengths(), sigma in 1e-3..100.0f64) {
        let k = Kernel::heat(length, 0.5 * sigma * sigma);
        for y in 0..length {
            let total: f64 = k.row(y).iter().map(|&k| f64::from(k)).sum();
            prop_assert!((total - 1.0).abs() < 1e-6, "row {y} sums to {total}");
            for (x, &entry) in k.row(y).iter().enumerate() {
                prop_assert!(entry >= 0.0 && entry == k.row(x)[y]);
            }
        }
    }

    #[test]
    fn walking_twice_is_walking_longer(length in lengths(), a in 0.0..200.0f64, b in 0.0..200.0f64) {
        let [k_a, k_b, k_ab] = [a, b, a + b].map(|tau| Kernel::heat(length, tau));
        let error = distance(&product(&k_a, &k_b), &k_ab);
        prop_assert!(error < ROUNDING, "{error}");
    }

    #[test]
    fn spreading_conserves_the_total_and_leaves_even_images_alone(
        (shape, image) in shaped_images(), tau in 0.0..200.0f64
    ) {
        let shape = SHAPES[shape];
        let total = |v: &[f32]| v.iter().map(|&v| f64::from(v)).sum::<f64>();
        let after = spread(shape, tau, &image);
        for (before, after) in image.chunks_exact(shape.pixels()).zip(after.chunks_exact(shape.pixels())) {
            let (before, after) = (total(before), total(after));
            prop_assert!((before - after).abs() <= 1e-6 * before, "{before} became {after}");
        }
        let even = vec![1.0; shape.len()];
        prop_assert!(worst(&spread(shape, tau, &even), &even) < 1e-6);
    }

    #[test]
    fn images_and_cosines_agree((shape, image) in shaped_images(), tau in 0.0..200.0f64) {
        let modes = filter(SHAPES[shape], &image, |lambda| (-lambda * tau).exp());
        prop_assert!(worst(&spread(SHAPES[shape], tau, &image), &modes) < 1e-6);
    }

    #[test]
    fn negative_time_undoes_spreading((shape, image) in shaped_images(), tau in 0.0..=INVERTIBLE_UNTIL) {
        let spread = spread(SHAPES[shape], tau, &image);
        let error = worst(&filter(SHAPES[shape], &spread, |lambda| (lambda * tau).exp()), &image);
        prop_assert!(error < INVERSE_ERROR, "{error}");
    }
}

#[test]
fn no_time_is_the_identity_and_long_time_is_even() {
    for length in [8, 13, 28, 64] {
        let identity = Kernel::from_fn(length, |y, x| f32::from(u8::from(x == y)));
        assert_eq!(Kernel::heat(length, 0.0), identity);
        let even = Kernel::from_fn(length, |_, _| 1.0 / length as f32);
        assert!(distance(&Kernel::heat(length, 50_000.0), &even) < ROUNDING);
    }
}

#[test]
fn far_tails_keep_their_digits() {
    // After a short time a walker has gone d pixels with probability about tau^d / d!.
    let tau = 1e-4f64;
    for length in [28, 45] {
        let k = Kernel::heat(length, tau);
        let mut leading = 1.0;
        for d in 1..=9 {
            leading *= tau / f64::from(d);
            let ratio = f64::from(k.row(10)[10 + d as usize]) / leading;
            assert!((ratio - 1.0).abs() < 1e-3, "distance {d}: {ratio}");
        }
    }
}

#[test]
fn undoing_a_digit_fails_beyond_the_stated_time() {
    // The tolerance above is a limit of f32, not of the test: at four times the stated time nothing is left.
    let (image, tau) = (digit(0), 4.0 * INVERTIBLE_UNTIL);
    let spread = spread(MNIST, tau, &image);
    assert!(worst(&filter(MNIST, &spread, |lambda| (lambda * tau).exp()), &image) > 100.0 * INVERSE_ERROR);
}
