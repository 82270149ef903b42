//! Input for which a metric is not defined is refused, with a message that states what was found and what was expected.

use crate::common::normal;
use dm_eval::authenticity::authenticity;
use dm_eval::class_balance::{class_balance, histogram, simulated_baseline};
use dm_eval::classifier_score::classifier_score;
use dm_eval::data_copying::data_copying;
use dm_eval::distances::{Exclude, count_balls, knn_radii, nearest};
use dm_eval::fd_infinity::{fd_infinity, fit_line};
use dm_eval::frechet::{Moments, frechet};
use dm_eval::kid::{Scale, kid, squared_mmd};
use dm_eval::manifold::{manifold, manifold_with_radii};
use dm_eval::realism::{median_realism, realism};
use dm_eval::restoration::restoration;
use dm_eval::sliced_wasserstein::sliced_wasserstein;
use dm_eval::two_sample::two_sample;
use dm_eval::{Features, Result};
use dm_nn::image::ImageShape;
use dm_nn::rng::Seed;

const MNIST: ImageShape = ImageShape::new(1, 28, 28);

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, words: &[&str]) {
    let message = result.unwrap_err().to_string();
    for word in words {
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    }
}

fn constant(n: usize, dim: usize, value: f64) -> Features {
    Features::new("constant", n, dim, vec![value; n * dim]).unwrap()
}

#[test]
fn a_set_is_checked_when_it_is_made() {
    refused(Features::new("samples", 0, 3, vec![]), &["samples", "0 rows"]);
    refused(Features::new("samples", 3, 0, vec![]), &["3 rows of 0"]);
    refused(Features::new("samples", 2, 2, vec![0.0; 3]), &["expected 4", "found 3"]);
    refused(Features::new("samples", usize::MAX, 2, vec![0.0; 3]), &["found 3"]);
    refused(Features::new("samples", 2, 2, vec![0.0, 1.0, f64::NAN, 0.0]), &["row 1, column 0", "NaN"]);
    refused(Features::from_f32("samples", 1, 2, &[0.0, f32::INFINITY]), &["row 0, column 1", "inf"]);
    refused(Features::new("samples", 1, 1, vec![-1e200]), &["-1", "1e40"]);
    refused(normal(3, 2, 0.0, 1).select(&[0, 3]), &["below 3", "found 3"]);
    refused(normal(3, 2, 0.0, 1).select(&[]), &["0 rows"]);
}

#[test]
fn sets_of_different_width_are_refused() {
    let (a, b) = (normal(40, 3, 0.0, 1), normal(40, 4, 0.0, 2));
    let words = &["expected both sets to have 4 columns", "found 3"];
    refused(frechet(&a, &b), words);
    refused(fd_infinity(&a, &b, Seed(0)), words);
    refused(kid(&a, &b), words);
    refused(manifold(&a, &b, 3), words);
    refused(realism(&a, &b, 3), words);
    refused(authenticity(&a, &b), words);
    refused(sliced_wasserstein(&a, &b, 4, Seed(0)), words);
    refused(two_sample(&a, &b, Seed(0)), words);
    refused(count_balls(&a, &b, &[0.0; 40]), words);
}

#[test]
fn too_few_rows_are_named() {
    let (one, many) = (normal(1, 4, 0.0, 1), normal(50, 4, 0.0, 2));
    refused(Moments::of(&one), &["at least 2", "found 1"]);
    // With four features a covariance of full rank needs five rows.
    refused(frechet(&normal(4, 4, 0.0, 3), &many), &["generated", "at least 5", "found 4"]);
    refused(frechet(&many, &normal(4, 4, 0.0, 3)), &["reference", "at least 5"]);
    refused(fd_infinity(&normal(49, 4, 0.0, 3), &many, Seed(0)), &["at least 50", "found 49"]);
    refused(squared_mmd(&one, &many, Scale::Raw), &["kernel distance", "generated", "at least 2"]);
    refused(manifold(&one, &many, 5), &["generated", "at least 6", "found 1"]);
    refused(manifold(&many, &normal(5, 4, 0.0, 3), 5), &["reference", "at least 6", "found 5"]);
    refused(realism(&one, &normal(3, 4, 0.0, 3), 3), &["at least 4"]);
    refused(authenticity(&many, &one), &["training", "at least 2"]);
    refused(nearest(&one, &many, 51, Exclude::Nothing), &["at least 51", "found 50"]);
    refused(nearest(&many, &many, usize::MAX, Exclude::Own), &["found 50"]);
    refused(classifier_score(&one), &["at least 2"]);
    refused(two_sample(&normal(3, 4, 0.0, 3), &many, Seed(0)), &["generated", "at least 4", "found 3"]);
    refused(data_copying(&[], &[1.0], 1), &["generated", "found 0"]);
    refused(data_copying(&[1.0], &[], 1), &["reference", "found 0"]);
}

#[test]
fn arguments_outside_their_domain_are_refused() {
    let set = normal(10, 2, 0.0, 1);
    refused(manifold(&set, &set, 0), &["k", "at least 1"]);
    refused(nearest(&set, &set, 1, Exclude::Rows(&[0])), &["10 rows", "found 1 rows"]);
    refused(nearest(&set, &set, 1, Exclude::Rows(&[10; 10])), &["below 10", "10"]);
    refused(count_balls(&set, &set, &[1.0]), &["expected 10", "found 1"]);
    let radii = knn_radii(&set.select(&[0, 1, 2]).unwrap(), 2).unwrap();
    refused(manifold_with_radii(&set, &set, &radii), &["radii", "expected 10", "found 3"]);
    refused(knn_radii(&set, 0), &["k", "at least 1"]);
    refused(sliced_wasserstein(&set, &set, 0, Seed(0)), &["projections"]);
    refused(classifier_score(&normal(5, 1, 0.0, 1)), &["expected", "2"]);
    refused(Moments::new(5, vec![0.0; 2], vec![1.0, 0.5, 0.4, 1.0]), &["symmetric"]);
    refused(Moments::new(5, vec![0.0; 2], vec![1.0; 3]), &["covariance", "expected 4"]);
    refused(fit_line(&[(5, 1.0), (5, 2.0)]), &["two different n"]);
    refused(fit_line(&[(0, 1.0), (5, 2.0)]), &["none of them 0"]);
    refused(fit_line(&[]), &["two different n"]);
    refused(histogram(&[1, 12], 10), &["below 10", "found 12"]);
    refused(class_balance(&[1], &[1, 2]), &["2", "found 1"]);
    refused(class_balance(&[0, 0], &[1, 2]), &["generated", "found 0"]);
    refused(class_balance(&[1, 1], &[0, 2]), &["class 0"]);
    refused(simulated_baseline(&[0, 0], 10, 0.95, 10, Seed(0)), &["reference"]);
    refused(simulated_baseline(&[1, 1], 10, f64::NAN, 10, Seed(0)), &["quantile", "NaN"]);
    refused(simulated_baseline(&[1, 1], 0, 0.5, 10, Seed(0)), &["at least 1"]);
}

#[test]
fn images_out_of_range_are_refused() {
    let good = constant(2, MNIST.len(), 0.5);
    refused(restoration(&constant(2, MNIST.len(), 1.5), &good, MNIST), &["restored", "1.5", "[0, 1]"]);
    refused(restoration(&good, &constant(2, MNIST.len(), -0.1), MNIST), &["original", "-0.1"]);
    refused(restoration(&constant(2, 64, 0.5), &good, MNIST), &["784", "found 64"]);
    refused(restoration(&constant(1, MNIST.len(), 0.5), &good, MNIST), &["restored", "found 784"]);
}

#[test]
fn constant_images_have_documented_values() {
    // Constant features: the distance is that of the means plus the variance of the reference.
    let (flat, real) = (constant(30, 4, 2.0), normal(30, 4, 0.0, 7));
    let moments = Moments::of(&real).unwrap();
    let means: f64 = moments.mean().iter().map(|m| (2.0 - m).powi(2)).sum();
    let trace: f64 = (0..4).map(|i| moments.covariance()[5 * i]).sum();
    let distance = frechet(&flat, &real).unwrap().value;
    assert!((distance - means - trace).abs() < 1e-12 * distance);
    // All balls of a constant set have radius 0. Real images are in none of them, and open balls are empty.
    let found = manifold(&flat, &real, 3).unwrap();
    assert_eq!(found.recall, 0.0);
    let reversed = manifold(&real, &flat, 3).unwrap();
    assert_eq!((reversed.precision, reversed.density, reversed.coverage), (0.0, 0.0, 0.0));
    // A reference of copies: another copy has infinite realism, anything else has a realism of 0.
    assert_eq!(median_realism(&flat, &flat, 3).unwrap().value, f64::INFINITY);
    assert_eq!(realism(&real, &flat, 3).unwrap(), vec![0.0; 30]);
    // A reference of zeros has no scale. The kernel is then that of raw features.
    let zero = constant(10, 4, 0.0);
    assert_eq!(kid(&zero, &zero).unwrap().value, 0.0);
    assert!(kid(&real, &zero).unwrap().value.is_finite());
    // Two equal constant sets cannot be distinguished. All rows count as real, which is correct for half of them.
    assert!((two_sample(&flat, &flat, Seed(0)).unwrap().value - 0.5).abs() < 1e-12);
}
