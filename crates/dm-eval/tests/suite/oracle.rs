//! Values that were computed independently: by SciPy and NumPy in f64 for the fixture, by hand or closed forms for the rest.

use crate::common::{SAMPLE, close, defined_ssim, expected, fixture, normal};
use dm_eval::authenticity::{Authenticity, authenticity};
use dm_eval::class_balance::{class_balance, histogram, simulated_baseline};
use dm_eval::classifier_accuracy::CLASSIFIER_ACCURACY;
use dm_eval::classifier_score::classifier_score;
use dm_eval::data_copying::data_copying;
use dm_eval::fd_infinity::{fd_infinity, fit_line};
use dm_eval::frechet::{Moments, frechet, frechet_distance};
use dm_eval::kid::{Scale, kid, squared_mmd};
use dm_eval::likelihood::{GAUSSIAN_BOUND, INK_BOUND};
use dm_eval::manifold::manifold;
use dm_eval::protocol::METRICS;
use dm_eval::realism::realism;
use dm_eval::restoration::{PSNR, SSIM, decibel, restoration};
use dm_eval::sliced_wasserstein::sliced_wasserstein;
use dm_eval::two_sample::two_sample;
use dm_eval::{Features, Quantity};
use dm_nn::image::ImageShape;
use dm_nn::rng::Seed;

const MNIST: ImageShape = ImageShape::new(1, 28, 28);

fn set(rows: &[&[f64]]) -> Features {
    Features::new("rows", rows.len(), rows[0].len(), rows.concat()).unwrap()
}

#[test]
fn the_fixture_agrees_to_a_millionth() {
    let (generated, real, expected) = (fixture("generated"), fixture("real"), expected());
    let number = |v: &serde_json::Value| v.as_f64().unwrap();
    close(frechet(&generated, &real).unwrap().value, number(&expected["fid"]), 1e-6);
    // The kernel distance of the fixture is that of raw features. That of scaled features, which the score states, was
    // computed in plain Python.
    close(squared_mmd(&generated, &real, Scale::Raw).unwrap(), number(&expected["kid"]), 1e-6);
    close(kid(&generated, &real).unwrap().value, 0.187_489_432_675_906_45, 1e-10);
    close(classifier_score(&fixture("logits")).unwrap().value, number(&expected["classifier_score"]), 1e-6);
    for (k, key) in [(3, "k3"), (5, "k5")] {
        let [precision, recall, density, coverage] = manifold(&generated, &real, k).unwrap().scores();
        for score in [precision, recall, density, coverage] {
            close(score.value, number(&expected[key][score.quantity.name]), 1e-6);
        }
    }
    // SciPy's matrix root leaves a rounding error, which is cut off at 0 here.
    assert!(number(&expected["fid_same"]).abs() < 1e-9);
    assert!(frechet(&real, &real).unwrap().value < 1e-9);
}

#[test]
fn frechet_distance_of_two_known_gaussians_is_thirty() {
    // |(3, 4)|^2 + tr diag(1, 4) + tr diag(9, 1) - 2 (1 * 3 + 2 * 1) = 25 + 5 + 10 - 10.
    let first = Moments::new(2, vec![0.0, 0.0], vec![1.0, 0.0, 0.0, 4.0]).unwrap();
    let second = Moments::new(2, vec![3.0, 4.0], vec![9.0, 0.0, 0.0, 1.0]).unwrap();
    assert_eq!(frechet_distance(&first, &second).unwrap(), 30.0);
    assert_eq!(frechet_distance(&second, &first).unwrap(), 30.0);
}

#[test]
fn frechet_distance_of_covariances_that_do_not_commute() {
    // 2 x 2: tr (A B)^(1/2) = sqrt(tr AB + 2 sqrt(det A det B)).
    let (a, b) = ([2.0, 1.0, 1.0, 3.0], [1.0, -0.5, -0.5, 4.0]);
    let trace_ab = a[0] * b[0] + a[1] * b[2] + a[2] * b[1] + a[3] * b[3];
    let root = (trace_ab + 2.0 * (5.0f64 * 3.75).sqrt()).sqrt();
    let first = Moments::new(2, vec![0.0; 2], a.to_vec()).unwrap();
    let second = Moments::new(2, vec![0.0; 2], b.to_vec()).unwrap();
    close(frechet_distance(&first, &second).unwrap(), 10.0 - 2.0 * root, 1e-13);
}

#[test]
fn singular_covariances_have_a_distance() {
    // Constant generated features: |mu|^2 + tr S.
    let flat = Moments::new(9, vec![1.0, 2.0], vec![0.0; 4]).unwrap();
    let full = Moments::new(9, vec![0.0, 0.0], vec![2.0, 1.0, 1.0, 3.0]).unwrap();
    close(frechet_distance(&flat, &full).unwrap(), 10.0, 1e-14);
    // Two distributions on lines at right angles have no variance in common: 1 + 1. The same line twice: 0.
    let across = Moments::new(9, vec![0.0; 2], vec![0.5, 0.5, 0.5, 0.5]).unwrap();
    let other = Moments::new(9, vec![0.0; 2], vec![0.5, -0.5, -0.5, 0.5]).unwrap();
    assert!((frechet_distance(&across, &other).unwrap() - 2.0).abs() < 1e-12);
    assert!(frechet_distance(&across, &across).unwrap() < 1e-12);
}

#[test]
fn moments_by_hand() {
    // An offset of 1e9 does not cost digits.
    let rows = set(&[&[1e9 + 1.0, 2.0], &[1e9 + 3.0, 2.0], &[1e9 + 2.0, 5.0]]);
    let moments = Moments::of(&rows).unwrap();
    assert_eq!(moments.mean(), &[1e9 + 2.0, 3.0]);
    assert_eq!(moments.covariance(), &[1.0, 0.0, 0.0, 3.0]);
}

#[test]
fn the_limit_removes_the_bias_of_small_n() {
    assert_eq!(fit_line(&[(1, 5.0), (2, 3.0), (4, 2.0)]).unwrap(), (1.0, 4.0));
    let (generated, real) = (normal(3000, 8, 0.0, 1), normal(20_000, 8, 0.0, 2));
    let fit = fd_infinity(&generated, &real, Seed(0)).unwrap();
    let (smallest, largest) = (fit.points[0], fit.points[fit.points.len() - 1]);
    assert_eq!((smallest.0, largest.0), (300, 3000));
    assert!(fit.intercept.abs() < largest.1, "{fit:?}");
    assert!(largest.1 < smallest.1 / 5.0, "{fit:?}");
    assert_eq!(fit.score().n, 3000);
}

#[test]
fn kernel_distance_by_hand() {
    // d = 1, kernel (x y + 1)^3. Within: k(0, 1) = 1; k(1, 2) = 27. Between: 1, 1, 8, 27 over 4.
    let (a, b) = (set(&[&[0.0], &[1.0]]), set(&[&[1.0], &[2.0]]));
    close(squared_mmd(&a, &b, Scale::Raw).unwrap(), 1.0 + 27.0 - 2.0 * 37.0 / 4.0, 1e-15);
    // The scaled distance does not depend on the unit of the features.
    let (c, d) = (set(&[&[0.0], &[1e6]]), set(&[&[1e6], &[2e6]]));
    let scaled = squared_mmd(&a, &b, Scale::ReferenceRms).unwrap();
    close(squared_mmd(&c, &d, Scale::ReferenceRms).unwrap(), scaled, 1e-14);
}

#[test]
fn realism_of_inside_outside_and_copy() {
    // k = 1 radii: 1, 1, 2, 7; the median keeps the first two.
    let real = set(&[&[0.0], &[1.0], &[3.0], &[10.0]]);
    let generated = set(&[&[0.5], &[-4.0], &[1.0], &[10.5]]);
    assert_eq!(realism(&generated, &real, 1).unwrap(), vec![2.0, 0.25, f64::INFINITY, 1.0 / 9.5]);
}

#[test]
fn copies_are_distinguished_from_neighbours() {
    let training = set(&[&[0.0], &[1.0], &[5.0], &[5.0]]);
    // Near 0 (own neighbour at 1): nearer. Beyond it: not. A copy of the image held twice: not, equality is not nearer.
    let found = authenticity(&set(&[&[-0.5], &[-1.5], &[1.0], &[5.0]]), &training).unwrap();
    assert_eq!(found.copied().collect::<Vec<_>>(), [true, false, true, false]);
    assert_eq!(found.own_squared, [1.0, 1.0, 1.0, 0.0]);
    assert_eq!(found.score().value, 0.5);
    assert_eq!((found.squared[3], found.row[3]), (0.0, 2));
    // Joining the parts of a set gives the set.
    let parts = [found.select(&[0, 1]), found.select(&[2, 3])];
    assert_eq!(Authenticity::join(&parts.each_ref()), found);
}

#[test]
fn distances_to_training_by_hand() {
    // Of the nine pairs the generated image is farther in (2 > 1), (4 > 1), (4 > 3); (3, 3) ties and counts half.
    close(data_copying(&[2.0, 3.0, 4.0], &[1.0, 3.0, 9.0], 10).unwrap().value, (4.0 + 0.5) / 9.0, 1e-15);
    // Copies are nearer than every unseen image. Equal distances give one half.
    assert_eq!(data_copying(&[0.0; 4], &[1.0, 2.0], 10).unwrap().value, 0.0);
    assert_eq!(data_copying(&[1.0, 2.0], &[1.0, 2.0], 10).unwrap().value, 0.5);
}

#[test]
fn sets_are_distinguished_as_well_as_in_theory() {
    // Two normals a distance d apart along one axis: the best rule is right with probability Phi(d / 2).
    let (real, same) = (normal(4000, 4, 0.0, 1), normal(4000, 4, 0.0, 2));
    let accuracy = |generated: &Features| two_sample(generated, &real, Seed(0)).unwrap().value;
    assert!((accuracy(&same) - 0.5).abs() < 0.03);
    let shifted = |shift: f64| {
        let moved = same.values().iter().enumerate().map(|(i, v)| if i % 4 == 0 { v + shift } else { *v });
        Features::new("moved", 4000, 4, moved.collect()).unwrap()
    };
    assert!((accuracy(&shifted(2.0)) - 0.8413).abs() < 0.02);
    assert!(accuracy(&shifted(50.0)) > 1.0 - 1e-9);
}

#[test]
fn class_counts_by_hand() {
    assert_eq!(histogram(&[0, 2, 2, 1], 4).unwrap(), [1, 1, 2, 0]);
    let found = class_balance(&[3, 1], &[10, 10]).unwrap();
    assert_eq!(found.total_variation, 0.25);
    close(found.divergence, 0.75 * 1.5f64.ln() + 0.25 * 0.5f64.ln(), 1e-15);
    assert_eq!(class_balance(&[5, 0], &[10, 10]).unwrap().divergence, 2.0f64.ln());
    // 2 n KL is about chi-squared with 9 degrees of freedom, whose 95 % point is 16.92.
    let baseline = simulated_baseline(&[1000; 10], 10_000, 0.95, 2000, Seed(3)).unwrap();
    close(2.0 * 10_000.0 * baseline.divergence, 16.92, 0.1);
}

#[test]
fn classifier_score_at_its_ends() {
    let certain = set(&[&[900.0, 0.0], &[0.0, 900.0]]);
    close(classifier_score(&certain).unwrap().value, 2.0, 1e-15);
    let undecided = set(&[&[1.0, 1.0], &[7.0, 7.0]]);
    close(classifier_score(&undecided).unwrap().value, 1.0, 1e-15);
}

#[test]
fn a_shift_has_a_known_sliced_distance() {
    // A shift by v shifts a projection by v.u, whose mean square over directions u is |v|^2 / dim.
    let real = normal(500, 4, 0.0, 5);
    let moved = Features::new("moved", 500, 4, real.values().iter().map(|v| v + 3.0).collect()).unwrap();
    let score = sliced_wasserstein(&moved, &real, 4000, Seed(1)).unwrap();
    close(score.value, 3.0, 0.03);
    assert_eq!(sliced_wasserstein(&real, &real, 16, Seed(1)).unwrap().value, 0.0);
    // In one dimension every projection has the same distance.
    let line = sliced_wasserstein(&set(&[&[0.0], &[4.0]]), &set(&[&[1.0], &[5.0]]), 3, Seed(9)).unwrap();
    assert_eq!(line.value, 1.0);
}

#[test]
fn restoration_by_hand() {
    let flat = |values: &[f64]| {
        let pixels = values.iter().flat_map(|&v| [v; MNIST.len()]).collect();
        Features::new("flat", values.len(), MNIST.len(), pixels).unwrap()
    };
    let found = restoration(&flat(&[0.5, 0.25]), &flat(&[0.6, 0.25]), MNIST).unwrap();
    close(found.squared_error[0], 0.01, 1e-12);
    // Uniform images have no variance, so that only the luminance term is left: (2 m n + C1) / (m^2 + n^2 + C1).
    close(found.ssim[0], (2.0 * 0.5 * 0.6 + 1e-4) / (0.25 + 0.36 + 1e-4), 1e-9);
    close(found.ssim[1], 1.0, 1e-12);
    let [psnr, ssim] = found.scores();
    close(psnr.value, decibel(0.005), 1e-12);
    close(ssim.value, f64::midpoint(found.ssim[0], 1.0), 1e-12);
    close(decibel(0.01), 20.0, 1e-15);
    assert_eq!(decibel(0.0), f64::INFINITY);
}

#[test]
fn similarity_follows_its_definition_window_by_window() {
    let (x, y) = (pixels(1), pixels(2));
    let image = |v: &[f64]| Features::new("image", 1, MNIST.len(), v.to_vec()).unwrap();
    let expected = defined_ssim(&x, &y, MNIST.height, MNIST.width);
    close(restoration(&image(&x), &image(&y), MNIST).unwrap().ssim[0], expected, 1e-10);
}

/// An image of uniform noise.
fn pixels(seed: u64) -> Vec<f64> {
    let mut rng = Seed(seed).stream(SAMPLE, 0, 0);
    (0..MNIST.len()).map(|_| rng.uniform_f64()).collect()
}

#[test]
fn every_metric_and_every_quantity_has_a_name_of_its_own() {
    let distinct = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names.dedup();
        names.len()
    };
    assert_eq!(distinct(METRICS.iter().map(|metric| metric.name()).collect()), METRICS.len());
    // Two metrics measure the same quantities, by pixels and by features.
    let mut quantities: Vec<Quantity> = Vec::new();
    let others = [CLASSIFIER_ACCURACY, PSNR, SSIM, GAUSSIAN_BOUND, INK_BOUND];
    for quantity in METRICS.iter().flat_map(|metric| metric.quantities()).chain(&others) {
        assert!(!quantity.unit.is_empty() && !quantity.source.is_empty());
        if !quantities.contains(quantity) {
            quantities.push(*quantity);
        }
    }
    assert_eq!(quantities.len(), 20);
    assert_eq!(distinct(quantities.iter().map(|quantity| quantity.name).collect()), 20);
}

#[test]
fn a_score_is_written_with_its_quantity() {
    let score = frechet(&normal(50, 3, 0.0, 1), &normal(60, 3, 0.0, 2)).unwrap();
    let json = serde_json::to_value(&score).unwrap();
    assert_eq!(json["name"], "frechet distance");
    assert_eq!(json["direction"], "lower");
    assert_eq!((json["n"].as_u64(), json["n_reference"].as_u64()), (Some(50), Some(60)));
}
