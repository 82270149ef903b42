//! What is exact about ink: grains are whole, never lost on the way back, conserved where none fades, and recovered with
//! their film; edge cases of the bridge.

use dm_degrade::degradations::ink::{Film, Ink, InkConfig, fit};
use std::sync::OnceLock;

use dm_degrade::{Degradation, Level};
use dm_nn::data::PIXELS;
use proptest::prelude::*;

use super::{digit, images, ink, mnist, rng};

fn total(counts: &[f32]) -> f32 {
    counts.iter().sum()
}

fn whole(counts: &[f32]) -> bool {
    counts.iter().all(|n| *n >= 0.0 && n.fract() == 0.0)
}

/// Ink of other densities and another number of steps.
fn built(density: f32, density_end: f32, steps: usize) -> Ink {
    let config = InkConfig { density, density_end, steps, ..InkConfig::default() };
    Ink::new(&config, &fit(&mnist().test)).unwrap()
}

/// Ink of one density: no grain fades.
fn conserved() -> &'static Ink {
    static INK: OnceLock<Ink> = OnceLock::new();
    INK.get_or_init(|| built(64.0, 64.0, 1000))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn grains_are_whole_and_every_bridge_keeps_them(
        image in images(),
        other in images(),
        levels in (1..=1000usize, 1..=1000usize),
        seed in any::<u64>(),
    ) {
        let (t, s) = (Level(levels.0.max(levels.1)), Level(levels.0.min(levels.1)));
        for ink in [ink(), conserved()] {
            let x_t = ink.apply(&ink.to_state(&image), t, &ink.draw(&mut rng(seed, 0)));
            prop_assert!(whole(&x_t));
            // Whatever the estimate is: the image itself, another, or none at all.
            for estimate in [&*image, &*other, &vec![0.0; PIXELS]].into_iter().filter(|_| s < t) {
                let x_s = ink.bridge(&x_t, &ink.to_state(estimate), t, s, &mut rng(seed, 1)).unwrap();
                prop_assert!(whole(&x_s));
                prop_assert!(total(&x_s) >= total(&x_t));
                if ink.left(t) == ink.left(s) {
                    prop_assert_eq!(total(&x_s), total(&x_t));
                }
            }
            prop_assert!(whole(&ink.prior(&mut rng(seed, 2))));
        }
    }

    #[test]
    fn counts_alone_cannot_be_inverted(image in images(), t in 1..=1000usize, seed in any::<u64>()) {
        let key = ink().draw(&mut rng(seed, 0));
        let x_t = ink().apply(&ink().to_state(&image), Level(t), &key);
        prop_assert_eq!(ink().invert(&x_t, Level(t), &key), None);
    }

    #[test]
    fn a_film_is_inverted_bit_for_bit_and_conserves_grains_where_none_fades(
        image in images(),
        t in 1..=1000usize,
        density in 0.1f32..600.0,
        fade in prop_oneof![Just(1.0f32), 0.001f32..1.0],
        seed in any::<u64>(),
    ) {
        let ink = built(density, density * fade, 1000);
        let levels = [Level(0), Level(t / 3), Level(t / 2), Level(t)];
        let film = Film::record(&ink, &ink.to_state(&image), &levels, &mut rng(seed, 0)).unwrap();
        prop_assert_eq!(film.frames(), 4);
        let first = film.counts(0);
        for i in 0..4 {
            let counts = film.counts(i);
            prop_assert!(whole(&counts));
            prop_assert_eq!(film.seen(i).filter(|seen| *seen).count(), total(&counts) as usize);
            if fade == 1.0 {
                prop_assert_eq!(total(&counts), total(&first));
            }
            prop_assert_eq!(film.invert(&counts, i), Some(first.clone()));
        }
    }

    #[test]
    fn a_film_refuses_counts_that_are_not_its_own(at in 0..PIXELS, t in 1..=1000usize, seed in any::<u64>()) {
        let levels = [Level(0), Level(t)];
        let film = Film::record(ink(), &ink().to_state(&digit(at)), &levels, &mut rng(seed, 0)).unwrap();
        let mut counts = film.counts(1);
        counts[at] += 1.0;
        prop_assert_eq!(film.invert(&counts, 1), None);
        prop_assert_eq!(film.invert(&film.counts(1), 2), None);
        prop_assert_eq!(film.invert(&[], 1), None);
    }

    #[test]
    fn the_same_uniform_never_gives_less_for_more_ink(image in images(), t in 1..=1000usize, seed in any::<u64>()) {
        let key = ink().draw(&mut rng(seed, 0));
        let more: Vec<f32> = image.iter().map(|v| 0.5 * (v + 1.0)).collect();
        let [low, high] = [&*image, &more].map(|i| ink().apply(&ink().to_state(i), Level(t), &key));
        prop_assert!(low.iter().zip(&high).all(|(a, b)| a <= b));
    }
}

#[test]
fn a_blank_page_has_no_grains_and_none_appear() {
    let blank = vec![0.0; PIXELS];
    for t in [2, 500, 1000].map(Level) {
        assert_eq!(ink().apply(&blank, t, &ink().draw(&mut rng(1, 0))), blank);
        assert_eq!(
            conserved()
                .bridge(&blank, &ink().to_state(&digit(0)), t, Level(t.0 / 2), &mut rng(1, 1))
                .unwrap(),
            blank
        );
        // Grains that faded return where ink is expected, and only there.
        assert_eq!(ink().bridge(&blank, &blank, t, Level(t.0 / 2), &mut rng(1, 1)).unwrap(), blank);
    }
    let film = Film::record(ink(), &blank, &[Level(0), Level(1000)], &mut rng(1, 2)).unwrap();
    assert_eq!(film.invert(&blank, 1), Some(blank));
}

#[test]
fn grains_stay_where_no_ink_is_in_reach() {
    // Nothing is expected anywhere, or nothing within the reach of a short step: h_t = 0 there.
    let mut x_t = vec![0.0; PIXELS];
    (x_t[0], x_t[400], x_t[783]) = (3.0, 1.0, 70.0);
    let mut corner = vec![0.0; PIXELS];
    corner[27] = 64.0;
    for estimate in [0.0, f32::NAN, f32::INFINITY, 1e-42, 1e-36].map(|h| vec![h; PIXELS]) {
        assert_eq!(
            conserved().bridge(&x_t, &estimate, Level(1000), Level(900), &mut rng(2, 0)).unwrap(),
            x_t
        );
    }
    let narrow = Ink::new(
        &InkConfig { steps: 3, sigma_min: 1e-6, sigma_max: 3e-6, density: 64.0, density_end: 64.0 },
        &fit(&mnist().test),
    );
    assert_eq!(narrow.unwrap().bridge(&x_t, &corner, Level(3), Level(2), &mut rng(2, 1)).unwrap(), x_t);
}

#[test]
fn a_density_that_is_not_whole_and_a_process_of_one_step() {
    let ink = built(0.37, 0.37, 1);
    assert_eq!(ink.steps(), 1);
    let state = ink.to_state(&digit(3));
    let mean: f32 =
        (0..2000).map(|i| total(&ink.apply(&state, Level(1), &ink.draw(&mut rng(3, i)))) / 2000.0).sum();
    // Five standard errors.
    let expected = total(&state);
    assert!((mean - expected).abs() < 5.0 * (expected / 2000.0).sqrt(), "{mean} for {expected}");
}

#[test]
fn times_ascend_geometrically_between_the_two_spreads() {
    let sigma = |t: usize| (2.0 * ink().tau(Level(t))).sqrt();
    let InkConfig { density, density_end, sigma_min, sigma_max, .. } = InkConfig::default();
    assert_eq!(ink().tau(Level(0)), 0.0);
    assert!((sigma(1) - sigma_min).abs() < 1e-12 && (sigma(1000) - sigma_max).abs() < 1e-9);
    let ratio = sigma(2) / sigma(1);
    assert!(ratio > 1.0 && (2..1000).all(|t| (sigma(t + 1) / sigma(t) / ratio - 1.0).abs() < 1e-9));
    // So do grains fade, from level 0 on.
    let left = |t: usize| ink().left(Level(t));
    assert_eq!(left(0), 1.0);
    assert!((left(1000) / f64::from(density_end / density) - 1.0).abs() < 1e-6);
    assert!((0..1000).all(|t| (left(t + 1) / left(t) / left(1) - 1.0).abs() < 1e-5));
}

#[test]
fn films_begin_at_zero_and_ascend() {
    for levels in [vec![], vec![1, 2], vec![0, 5, 4], vec![0, 1001]] {
        let levels: Vec<Level> = levels.into_iter().map(Level).collect();
        let error = Film::record(ink(), &[1.0; PIXELS], &levels, &mut rng(4, 0)).unwrap_err().to_string();
        assert!(error.starts_with("film levels: found ["), "{error}");
    }
}

#[test]
fn estimates_are_clipped_at_no_ink_and_not_above() {
    let mut estimate = vec![-1.0, f32::NAN, 0.0, 63.0, 400.0];
    ink().clip(&mut estimate);
    assert_eq!(estimate, [0.0, 0.0, 0.0, 63.0, 400.0]);
}
