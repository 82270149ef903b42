//! What is exact about Ink: grains are whole, never lost on the way back, conserved where none fades, and recovered with their
//! film; edge cases of the posterior.

use std::sync::OnceLock;

use dm_degrade::degradations::ink::{Film, Ink, InkConfig};
use dm_degrade::{Degradation, Timestep};
use proptest::prelude::*;

use super::shapes::{SHAPES, shaped_images, training_images};
use super::slices::Slices;
use super::{Image, MNIST, PIXELS, digit, fitted_ink, images, ink, made_up, mnist, rng};

fn total(counts: &[f32]) -> f32 {
    counts.iter().sum()
}

fn whole(counts: &[f32]) -> bool {
    counts.iter().all(|n| *n >= 0.0 && n.fract() == 0.0)
}

/// Ink of other densities and another T.
fn built(density: f32, density_end: f32, timesteps: usize) -> Ink {
    let config = InkConfig { density, density_end, timesteps, ..InkConfig::default() };
    fitted_ink(&config, &mnist().test)
}

/// Ink of one density: no grain fades.
fn conserved() -> &'static Ink {
    static INK: OnceLock<Ink> = OnceLock::new();
    INK.get_or_init(|| built(64.0, 64.0, 1000))
}

/// Ink of fading and of lasting grains for shape number `i`, of 50 timesteps.
fn shaped(i: usize) -> &'static [Ink; 2] {
    static ALL: [OnceLock<[Ink; 2]>; SHAPES.len()] = [const { OnceLock::new() }; SHAPES.len()];
    ALL[i].get_or_init(|| {
        [(256.0, 1.0), (64.0, 64.0)].map(|(density, density_end)| {
            let config = InkConfig { density, density_end, timesteps: 50, ..InkConfig::default() };
            fitted_ink(&config, &training_images(SHAPES[i]))
        })
    })
}

/// The number of a shape with three channels.
const COLOUR: usize = 3;

/// The number of a shape, and two images of it.
fn pairs() -> impl Strategy<Value = (usize, Image, Image)> {
    shaped_images().prop_flat_map(|(shape, image)| (Just(shape), Just(image), made_up(SHAPES[shape].len())))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn grains_are_whole_and_every_posterior_keeps_them(
        image in images(),
        other in images(),
        timesteps in (1..=1000usize, 1..=1000usize),
        seed in any::<u64>(),
    ) {
        for ink in [ink(), conserved()] {
            check_grains(ink, [&image, &other], timesteps, seed)?;
        }
    }

    #[test]
    fn grains_of_every_shape_are_whole_and_kept(
        (shape, image, other) in pairs(),
        timesteps in (1..=50usize, 1..=50usize),
        seed in any::<u64>(),
    ) {
        for ink in shaped(shape) {
            check_grains(ink, [&image, &other], timesteps, seed)?;
        }
    }

    #[test]
    fn channels_are_inks_of_their_own(
        image in made_up(SHAPES[COLOUR].len()), other in made_up(SHAPES[COLOUR].len()), seed in any::<u64>()
    ) {
        // Whatever the estimate is, the grains of a channel stay in it where none fades.
        let (ink, pixels) = (&shaped(COLOUR)[1], SHAPES[COLOUR].pixels());
        let mut image = image.to_vec();
        image[..pixels].fill(0.0);
        let x_t = ink.degraded(&ink.state(&image), Timestep(40), &ink.sample_noise(&mut rng(seed, 0)));
        let mut stream = rng(seed, 1);
        let x_s = ink.reverse(&x_t, &ink.state(&other), Timestep(40), Timestep(10), &mut stream).unwrap();
        for (x_t, x_s) in x_t.chunks(pixels).zip(x_s.chunks(pixels)) {
            prop_assert_eq!(total(x_t), total(x_s));
        }
        prop_assert_eq!(total(&x_s[..pixels]), 0.0);
    }

    #[test]
    fn films_of_every_shape_are_inverted_bit_for_bit(
        (shape, image) in shaped_images(), t in 1..=50usize, seed in any::<u64>()
    ) {
        for ink in shaped(shape) {
            let timesteps = [Timestep(0), Timestep(t / 2), Timestep(t)];
            let film = Film::record(ink, &ink.state(&image), &timesteps, &mut rng(seed, 0)).unwrap();
            for i in 0..3 {
                prop_assert_eq!(film.invert(&film.counts(i), i), Some(film.counts(0)));
            }
            if ink.share_left(Timestep(t)) == 1.0 {
                let pixels = SHAPES[shape].pixels();
                for (from, to) in film.counts(0).chunks(pixels).zip(film.counts(2).chunks(pixels)) {
                    prop_assert_eq!(total(from), total(to));
                }
            }
        }
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
        let timesteps = [Timestep(0), Timestep(t / 3), Timestep(t / 2), Timestep(t)];
        let film = Film::record(&ink, &ink.state(&image), &timesteps, &mut rng(seed, 0)).unwrap();
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
        let timesteps = [Timestep(0), Timestep(t)];
        let film = Film::record(ink(), &ink().state(&digit(at)), &timesteps, &mut rng(seed, 0)).unwrap();
        let mut counts = film.counts(1);
        counts[at] += 1.0;
        prop_assert_eq!(film.invert(&counts, 1), None);
        prop_assert_eq!(film.invert(&film.counts(1), 2), None);
        prop_assert_eq!(film.invert(&[], 1), None);
    }

    #[test]
    fn the_same_uniform_never_gives_less_for_more_ink(image in images(), t in 1..=1000usize, seed in any::<u64>()) {
        let noise = ink().sample_noise(&mut rng(seed, 0));
        let more: Vec<f32> = image.iter().map(|v| 0.5 * (v + 1.0)).collect();
        let [low, high] = [&*image, &more].map(|i| ink().degraded(&ink().state(i), Timestep(t), &noise));
        prop_assert!(low.iter().zip(&high).all(|(a, b)| a <= b));
    }
}

/// Checks that counts are whole, and that the posterior between two timesteps loses no grain of one of `images`.
fn check_grains(
    ink: &Ink,
    images: [&Image; 2],
    timesteps: (usize, usize),
    seed: u64,
) -> Result<(), TestCaseError> {
    let (t, s) = (Timestep(timesteps.0.max(timesteps.1)), Timestep(timesteps.0.min(timesteps.1)));
    let [image, other] = images;
    let x_t = ink.degraded(&ink.state(image), t, &ink.sample_noise(&mut rng(seed, 0)));
    prop_assert!(whole(&x_t));
    // Whatever the estimate is: the image itself, another, or none at all.
    for estimate in [&**image, &**other, &vec![0.0; image.len()]].into_iter().filter(|_| s < t) {
        let x_s = ink.reverse(&x_t, &ink.state(estimate), t, s, &mut rng(seed, 1)).unwrap();
        prop_assert!(whole(&x_s));
        prop_assert!(total(&x_s) >= total(&x_t));
        if ink.share_left(t) == ink.share_left(s) {
            prop_assert_eq!(total(&x_s), total(&x_t));
        }
    }
    prop_assert!(whole(&ink.prior(&mut rng(seed, 2))));
    Ok(())
}

#[test]
fn counts_alone_cannot_be_inverted() {
    assert!(ink().inverse().is_none());
}

#[test]
fn a_blank_page_has_no_grains_and_none_appear() {
    let blank = vec![0.0; PIXELS];
    for t in [2, 500, 1000].map(Timestep) {
        assert_eq!(ink().degraded(&blank, t, &ink().sample_noise(&mut rng(1, 0))), blank);
        assert_eq!(
            conserved()
                .reverse(&blank, &ink().state(&digit(0)), t, Timestep(t.0 / 2), &mut rng(1, 1))
                .unwrap(),
            blank
        );
        // Grains that faded return where ink is expected, and only there.
        assert_eq!(ink().reverse(&blank, &blank, t, Timestep(t.0 / 2), &mut rng(1, 1)).unwrap(), blank);
    }
    let film = Film::record(ink(), &blank, &[Timestep(0), Timestep(1000)], &mut rng(1, 2)).unwrap();
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
            conserved().reverse(&x_t, &estimate, Timestep(1000), Timestep(900), &mut rng(2, 0)).unwrap(),
            x_t
        );
    }
    let narrow = Ink::new(
        &InkConfig {
            timesteps: 3,
            sigma_min: 1e-6,
            sigma_max: 3e-6,
            density: 64.0,
            density_end: 64.0,
            ..InkConfig::default()
        },
        MNIST,
        &[100.0],
    );
    assert_eq!(
        narrow.unwrap().reverse(&x_t, &corner, Timestep(3), Timestep(2), &mut rng(2, 1)).unwrap(),
        x_t
    );
}

#[test]
fn a_fractional_density_and_a_single_timestep_work() {
    let ink = built(0.37, 0.37, 1);
    assert_eq!(ink.timesteps(), 1);
    let state = ink.state(&digit(3));
    let mean: f32 = (0..2000)
        .map(|i| total(&ink.degraded(&state, Timestep(1), &ink.sample_noise(&mut rng(3, i)))) / 2000.0)
        .sum();
    // Five standard errors.
    let expected = total(&state);
    assert!((mean - expected).abs() < 5.0 * (expected / 2000.0).sqrt(), "{mean} for {expected}");
}

#[test]
fn times_ascend_geometrically_between_the_two_spreads() {
    let sigma = |t: usize| (2.0 * ink().tau(Timestep(t))).sqrt();
    let InkConfig { density, density_end, sigma_min, sigma_max, .. } = InkConfig::default();
    assert_eq!(ink().tau(Timestep(0)), 0.0);
    assert!((sigma(1) - sigma_min).abs() < 1e-12 && (sigma(1000) - sigma_max).abs() < 1e-9);
    let ratio = sigma(2) / sigma(1);
    assert!(ratio > 1.0 && (2..1000).all(|t| (sigma(t + 1) / sigma(t) / ratio - 1.0).abs() < 1e-9));
    // Grains fade geometrically too, from timestep 0 on.
    let left = |t: usize| ink().share_left(Timestep(t));
    assert_eq!(left(0), 1.0);
    assert!((left(1000) / f64::from(density_end / density) - 1.0).abs() < 1e-6);
    assert!((0..1000).all(|t| (left(t + 1) / left(t) / left(1) - 1.0).abs() < 1e-5));
}

#[test]
fn films_begin_at_zero_and_ascend() {
    for timesteps in [vec![], vec![1, 2], vec![0, 5, 4], vec![0, 1001]] {
        let timesteps: Vec<Timestep> = timesteps.into_iter().map(Timestep).collect();
        let error = Film::record(ink(), &[1.0; PIXELS], &timesteps, &mut rng(4, 0)).unwrap_err().to_string();
        assert!(error.starts_with("film timesteps: found ["), "{error}");
    }
}

#[test]
fn estimates_are_clipped_at_no_ink_and_not_above() {
    let mut estimate = vec![-1.0, f32::NAN, 0.0, 63.0, 400.0];
    ink().codec().clip(&mut estimate);
    assert_eq!(estimate, [0.0, 0.0, 0.0, 63.0, 400.0]);
}
