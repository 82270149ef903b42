//! Properties of random sets: neighbours and balls against brute force, invariance to the order of rows, scaling.

use crate::common::{normal, shuffled};
use dm_eval::Features;
use dm_eval::authenticity::{authenticity, authenticity_in_parts};
use dm_eval::distances::{BallCounts, Exclude, count_balls, nearest, squared_distance};
use dm_eval::frechet::{Moments, frechet, frechet_distance};
use dm_eval::kid::{Scale, squared_mmd};
use dm_eval::manifold::manifold;
use dm_eval::realism::realism;
use dm_eval::sliced_wasserstein::sliced_wasserstein;
use dm_nn::rng::Seed;
use proptest::collection::vec;
use proptest::prelude::*;

/// Sets of small integers: sums are exact, and equal distances and copies are frequent.
fn lattice(dim: usize, rows: std::ops::Range<usize>) -> impl Strategy<Value = Features> {
    rows.prop_flat_map(move |n| {
        vec(-2i8..=2, n * dim).prop_map(move |values| {
            Features::new("lattice", n, dim, values.into_iter().map(f64::from).collect()).unwrap()
        })
    })
}

/// Sets far from the origin relative to their spread, for which the product form loses all digits.
fn remote(dim: usize, rows: std::ops::Range<usize>) -> impl Strategy<Value = Features> {
    (rows, 0u64..1000, 0i32..12).prop_map(move |(n, seed, power)| normal(n, dim, 10f64.powi(power), seed))
}

fn pair() -> impl Strategy<Value = (Features, Features)> {
    (1usize..9).prop_flat_map(|dim| {
        prop_oneof![
            (lattice(dim, 1..40), lattice(dim, 7..40)),
            (lattice(dim, 250..270), lattice(dim, 505..530)),
            (remote(dim, 1..40), remote(dim, 7..40)),
        ]
    })
}

/// All neighbours by sorting; equal distances by index.
fn sorted(query: &[f64], reference: &Features, except: Option<usize>) -> Vec<(f64, u32)> {
    let mut all: Vec<(f64, u32)> = reference
        .rows()
        .enumerate()
        .filter(|&(i, _)| Some(i) != except)
        .map(|(i, row)| (squared_distance(query, row), i as u32))
        .collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_direct_sum_follows_its_definition(x in vec(-1e3..1e3f64, 1..40), shift in -10.0..10.0f64) {
        let y: Vec<f64> = x.iter().enumerate().map(|(i, v)| v + shift * (i as f64).sin()).collect();
        let plain: f64 = x.iter().zip(&y).map(|(a, b)| (a - b).powi(2)).sum();
        prop_assert!((squared_distance(&x, &y) - plain).abs() <= 1e-13 * plain);
    }

    #[test]
    fn neighbours_are_those_of_brute_force((queries, reference) in pair(), k in 1usize..7) {
        let found = nearest(&queries, &reference, k, Exclude::Nothing).unwrap();
        for i in 0..queries.n() {
            prop_assert_eq!(found.of(i), &sorted(queries.row(i), &reference, None)[..k]);
        }
    }

    #[test]
    fn own_neighbours_exclude_the_point_itself((_, set) in pair(), k in 1usize..6, pick in vec(0usize..7, 1..9)) {
        let found = nearest(&set, &set, k, Exclude::Own).unwrap();
        for i in 0..set.n() {
            prop_assert_eq!(found.of(i), &sorted(set.row(i), &set, Some(i))[..k]);
        }
        let some = nearest(&set.select(&pick).unwrap(), &set, k, Exclude::Rows(&pick)).unwrap();
        for (i, &row) in pick.iter().enumerate() {
            prop_assert_eq!(some.of(i), found.of(row));
        }
    }

    #[test]
    fn balls_are_those_of_brute_force((queries, centres) in pair()) {
        // Other centres lie exactly on the surfaces of the balls.
        let radii = nearest(&centres, &centres, 2, Exclude::Own).unwrap().kth_squared();
        let found = count_balls(&queries, &centres, &radii).unwrap();
        for (i, &counts) in found.iter().enumerate() {
            let distances = centres.rows().map(|row| squared_distance(queries.row(i), row)).zip(&radii);
            let (mut closed, mut open) = (0, 0);
            for (d, &r) in distances {
                closed += u32::from(d <= r);
                open += u32::from(d < r);
            }
            prop_assert_eq!(counts, BallCounts { closed, open });
        }
    }

    #[test]
    fn realism_is_that_of_brute_force((queries, real) in pair()) {
        let radii = nearest(&real, &real, 3, Exclude::Own).unwrap().kth_squared();
        let mut order = radii.clone();
        order.sort_by(f64::total_cmp);
        let median = order[(order.len() - 1) / 2];
        for (i, value) in realism(&queries, &real, 3).unwrap().into_iter().enumerate() {
            let expected = real
                .rows()
                .zip(&radii)
                .filter(|&(_, &radius)| radius <= median)
                .map(|(row, radius)| {
                    let d = squared_distance(queries.row(i), row);
                    if d == 0.0 { f64::INFINITY } else { (radius / d).sqrt() }
                })
                .fold(0.0, f64::max);
            prop_assert!(value == expected || (value - expected).abs() <= 1e-15 * expected);
        }
    }

    #[test]
    fn order_of_rows_does_not_matter(seed in 0u64..1000) {
        let (generated, real) = (normal(90, 5, 0.2, seed), normal(110, 5, 0.0, seed + 1));
        let (other, real_other) = (shuffled(&generated, 1), shuffled(&real, 2));
        let same = |a: f64, b: f64| (a - b).abs() <= 1e-10 * a.abs().max(1.0);
        let distance = |g: &Features, r: &Features| frechet(g, r).unwrap().value;
        prop_assert!(same(distance(&generated, &real), distance(&other, &real_other)));
        let kernel = |g: &Features, r: &Features| squared_mmd(g, r, Scale::ReferenceRms).unwrap();
        prop_assert!(same(kernel(&generated, &real), kernel(&other, &real_other)));
        prop_assert_eq!(manifold(&generated, &real, 5).unwrap(), manifold(&other, &real_other, 5).unwrap());
        let share = |g: &Features, r: &Features| authenticity(g, r).unwrap().score().value;
        prop_assert_eq!(share(&generated, &real), share(&other, &real_other));
        let slices = |g: &Features, r: &Features| sliced_wasserstein(g, r, 16, Seed(0)).unwrap().value;
        prop_assert!(same(slices(&generated, &real), slices(&other, &real_other)));
    }

    #[test]
    fn a_set_against_itself(seed in 0u64..1000, dim in 1usize..12) {
        let set = normal(60, dim, 1.0, seed);
        prop_assert!(frechet(&set, &set).unwrap().value < 1e-10);
        let found = manifold(&set, &set, 3).unwrap();
        prop_assert_eq!((found.precision, found.recall, found.coverage), (1.0, 1.0, 1.0));
        prop_assert_eq!(sliced_wasserstein(&set, &set, 8, Seed(0)).unwrap().value, 0.0);
        // Training images that are passed as generated images all look copied.
        prop_assert_eq!(authenticity(&set, &set).unwrap().score().value, 1.0);
    }

    #[test]
    fn nearest_training_images_do_not_depend_on_the_parts(seed in 0u64..1000, dim in 1usize..12, part in 1usize..40) {
        let (set, training) = (normal(60, dim, 1.0, seed), normal(50, dim, 1.0, seed + 1));
        let parts = set.values().chunks(part * dim);
        let parts = parts.map(|values| Features::new("part", values.len() / dim, dim, values.to_vec()));
        let found = authenticity_in_parts(parts, &training).unwrap();
        prop_assert_eq!(found, authenticity(&set, &training).unwrap());
    }

    #[test]
    fn frechet_distance_is_symmetric_and_scales_as_a_square(seed in 0u64..1000, factor in 0.01..100.0f64) {
        let (a, b) = (normal(40, 6, 0.0, seed), normal(40, 6, 0.5, seed + 1));
        let times = |set: &Features| {
            let values = set.values().iter().map(|v| v * factor).collect();
            Moments::of(&Features::new("scaled", set.n(), set.dim(), values).unwrap()).unwrap()
        };
        let plain = frechet_distance(&Moments::of(&a).unwrap(), &Moments::of(&b).unwrap()).unwrap();
        let scaled = frechet_distance(&times(&b), &times(&a)).unwrap();
        prop_assert!((scaled - plain * factor * factor).abs() <= 1e-10 * scaled);
    }
}
