//! Restoring photon counts: the law of the states that counts become, the posterior against enumeration, the optics, and the
//! classical methods.

use dm_degrade::degradations::fade_counts::{FadeCounts, FadeCountsConfig};
use dm_degrade::degradations::ink::{Ink, InkConfig};
use dm_degrade::degradations::{GaussianConfig, IntensityStatistics};
use dm_degrade::photons::{AnscombeStart, Instrument, Optics, Placement, PointSpread, richardson_lucy};
use dm_degrade::samplers::Chain;
use dm_degrade::{
    DegradationConfig, Denoiser, Grains, Intensity, Noise, Result, SamplerKind, Sampling, Timestep,
};
use dm_nn::image::ImageShape;
use proptest::prelude::*;

use super::ink_laws::{draws, holds};
use super::samplers::stream;
use super::shapes::{SHAPES, shaped_images, training_images};
use super::slices::Slices;
use super::{MNIST, digit, fitted_ink, made_up, mnist, rng, unit};

const TINY: ImageShape = ImageShape::new(1, 8, 8);

/// Four images that may be confused when they are dark and blurred: bars and a square, with their prior probabilities.
fn candidates() -> [(Vec<f32>, f64); 4] {
    let image = |inked: &dyn Fn(usize, usize) -> bool| {
        (0..TINY.len()).map(|p| if inked(p / 8, p % 8) { 1.0 } else { 0.0 }).collect::<Vec<f32>>()
    };
    [
        (image(&|y, x| x == 2 && y > 0), 0.4),
        (image(&|y, x| x == 4 && y > 0), 0.3),
        (image(&|y, x| y == 3 && x > 0), 0.2),
        (image(&|y, x| (3..6).contains(&y) && (3..6).contains(&x)), 0.1),
    ]
}

/// The posterior probabilities of the candidates, given counts and the means that each candidate gives them.
fn posterior(counts: &[f32], means: &[Vec<f64>]) -> [f64; 4] {
    let candidates = candidates();
    let log = |i: usize| {
        let terms = counts.iter().zip(&means[i]).map(|(&n, mean)| f64::from(n) * mean.max(1e-30).ln() - mean);
        candidates[i].1.ln() + terms.sum::<f64>()
    };
    let logs = [0, 1, 2, 3].map(log);
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights = logs.map(|log| (log - most).exp());
    let total: f64 = weights.iter().sum();
    weights.map(|weight| weight / total)
}

/// Ink for the tiny images.
fn tiny_ink() -> Ink {
    let config = InkConfig {
        timesteps: 300,
        density: 64.0,
        density_end: 0.25,
        sigma_min: 0.3,
        sigma_max: 2.0,
        ..InkConfig::default()
    };
    Ink::new(&config, TINY, &[8.0]).unwrap()
}

/// The means of the counts of `image` at `t`.
fn means_at(ink: &Ink, image: &[f32], t: Timestep) -> Vec<f64> {
    let mut means = vec![0.0; image.len()];
    ink.mean_counts(&ink.state(image), t, &mut means);
    means.iter().map(|&mean| f64::from(mean)).collect()
}

/// The means of the counts of every candidate at `t`.
fn candidates_at(ink: &Ink, t: Timestep) -> Vec<Vec<f64>> {
    candidates().iter().map(|(image, _)| means_at(ink, image, t)).collect()
}

/// The exact posterior mean among the candidates.
struct Enumerated<'a>(&'a Ink);

impl Denoiser for Enumerated<'_> {
    fn denoise(&self, x_t: &[f32], t: Timestep) -> Result<Vec<f32>> {
        let (candidates, means) = (candidates(), candidates_at(self.0, t));
        let mean = |x_t: &[f32]| {
            let weights = posterior(x_t, &means);
            let mut mean = vec![0.0; TINY.len()];
            for ((image, _), weight) in candidates.iter().zip(weights) {
                mean.iter_mut().zip(image).for_each(|(mean, v)| *mean += weight as f32 * v);
            }
            self.0.state(&mean)
        };
        Ok(x_t.chunks_exact(TINY.len()).flat_map(mean).collect())
    }
}

/// How often chains that start from `counts`, as `instrument` measured them, end at each candidate; and the exact posterior
/// of the states that the counts become, averaged over these states.
fn restored(ink: &Ink, counts: &[f32], instrument: &Instrument, n: usize) -> ([f64; 4], [f64; 4]) {
    let placement = Placement::new(ink, instrument).unwrap();
    let start = |i: u64| (placement.state(counts, &mut rng(600, i)), Noise::default());
    let timesteps: Vec<Timestep> = (0..=placement.timestep.0).rev().map(Timestep).collect();
    let chain = Chain {
        degradation: ink,
        denoiser: &Enumerated(ink),
        timesteps: &timesteps,
        randomness: &stream,
        first: 0,
        count: n,
        start: Some(&start),
    };
    let sampler = Sampling::new(SamplerKind::Ancestral, 300).build();
    let ends = sampler.sample(&chain, &mut |_, _| {}).unwrap();
    let (mut found, mut due) = ([0.0; 4], [0.0; 4]);
    let means = candidates_at(ink, placement.timestep);
    for (i, end) in ends.chunks_exact(TINY.len()).enumerate() {
        let image = ink.image(end);
        let off = candidates().map(|(candidate, _)| {
            candidate.iter().zip(&image).map(|(a, b)| f64::from((a - b).powi(2))).sum::<f64>()
        });
        let nearest = (0..4).min_by(|&a, &b| off[a].total_cmp(&off[b])).unwrap();
        found[nearest] += 1.0 / n as f64;
        let exact = posterior(&start(i as u64).0, &means);
        due.iter_mut().zip(exact).for_each(|(due, p)| *due += p / n as f64);
    }
    (found, due)
}

#[test]
fn draws_follow_the_posterior_of_the_counts_where_the_model_has_their_optics() {
    let (ink, n) = (tiny_ink(), 1000);
    for (t, truth, index) in [(260, 0, 0), (240, 3, 1), (220, 1, 2)] {
        let t = Timestep(t);
        let spread = (2.0 * ink.walking_time(t)).sqrt();
        let instrument = Instrument::new(ink.density(t).into(), Optics::gaussian(spread).unwrap()).unwrap();
        let counts = instrument.measure(TINY, &candidates()[truth].0, &mut rng(601, index));
        let placement = Placement::new(&ink, &instrument).unwrap();
        assert_eq!(placement.timestep, t);
        assert!((placement.keep - 1.0).abs() < 1e-5 && placement.mismatch < 1e-5, "{placement:?}");
        assert_eq!(placement.state(&counts, &mut rng(602, index)), counts);
        // The posterior by enumeration, from the instrument alone.
        let blurred = |image: &[f32]| -> Vec<f64> {
            let blurred = instrument.optics.blur(TINY, image);
            blurred.iter().map(|&v| instrument.photons * f64::from(v)).collect()
        };
        let exact = posterior(&counts, &candidates().map(|(image, _)| blurred(&image)));
        let (found, _) = restored(&ink, &counts, &instrument, n);
        for (found, exact) in found.iter().zip(exact) {
            // Five standard errors, and three hundredths for the finite steps.
            let error = 5.0 * (exact * (1.0 - exact) / n as f64).sqrt() + 0.03;
            assert!((found - exact).abs() < error, "{found} for {exact}");
        }
    }
}

#[test]
fn draws_follow_the_posterior_of_the_photons_that_are_used_where_it_has_not() {
    let (ink, n) = (tiny_ink(), 1000);
    for (truth, photons, spread, index) in [(0, 1.0, 0.9, 0), (2, 2.0, 1.4, 1)] {
        let instrument = Instrument::new(photons, Optics::gaussian(spread).unwrap()).unwrap();
        let placement = Placement::new(&ink, &instrument).unwrap();
        assert!(placement.keep < 0.999 || placement.walk[0] > 0.05, "{placement:?}");
        let counts = instrument.measure(TINY, &candidates()[truth].0, &mut rng(603, index));
        let (found, due) = restored(&ink, &counts, &instrument, n);
        for (found, due) in found.iter().zip(due) {
            let error = 5.0 * (due * (1.0 - due) / n as f64).sqrt() + 0.03;
            assert!((found - due).abs() < error, "{found} for {due}");
        }
    }
}

#[test]
fn placed_counts_have_the_law_of_degrade_in_every_shape() {
    for (i, shape) in SHAPES.into_iter().enumerate() {
        let images = if i == 0 { mnist().test.clone() } else { training_images(shape) };
        let config = InkConfig { timesteps: 60, sigma_max: 4.0, ..InkConfig::default() };
        let ink = fitted_ink(&config, &images);
        let image = unit(&images, 3);
        for (k, (photons, spread)) in
            [(300.0, 0.0), (40.0, 0.7), (3.0, 1.5), (500.0, 3.0)].into_iter().enumerate()
        {
            let instrument = Instrument::new(photons, Optics::gaussian(spread).unwrap()).unwrap();
            let placement = Placement::new(&ink, &instrument).unwrap();
            assert!(placement.mismatch < 1e-4, "{placement:?}");
            let found = draws(300, |j| {
                let mut stream = rng(610 + 10 * i as u64 + k as u64, j);
                let counts = instrument.measure(shape, &image, &mut stream);
                let state = placement.state(&counts, &mut stream);
                assert!(state.iter().sum::<f32>() <= counts.iter().sum::<f32>());
                state
            });
            let due = means_at(&ink, &image, placement.timestep);
            holds(&format!("{shape}, {photons} photons, spread {spread}"), &found, &due);
        }
    }
}

#[test]
fn sharp_counts_become_states_of_grains_that_fade_in_place() {
    let images = &mnist().test;
    let process =
        FadeCounts::new(&FadeCountsConfig::default(), MNIST, &IntensityStatistics::fit(images)).unwrap();
    let instrument = Instrument::new(5.0, Optics::Sharp).unwrap();
    let placement = Placement::new(&process, &instrument).unwrap();
    assert!(placement.keep > 0.98 && placement.mismatch == 0.0, "{placement:?}");
    let image = digit(3);
    let found = draws(300, |j| {
        let mut stream = rng(650, j);
        placement.state(&instrument.measure(MNIST, &image, &mut stream), &mut stream)
    });
    let density = process.density(placement.timestep);
    holds("sharp", &found, &image.iter().map(|&v| f64::from(density * v)).collect::<Vec<_>>());
    let blurred = Instrument::new(5.0, Optics::gaussian(1.0).unwrap()).unwrap();
    let error = Placement::new(&process, &blurred).unwrap_err().to_string();
    assert!(
        error.starts_with("psf: standard deviation in pixels: found 1.00, expected at most 0.00"),
        "{error}"
    );
}

/// The degradation of `data/configs/ink-photons.toml`, whose spread grows by a thousandth from the first timestep to the last.
#[test]
fn a_model_for_the_instrument_uses_all_photons_of_every_exposure() {
    let images = &mnist().test;
    let config = InkConfig {
        density: 256.0,
        density_end: 0.25,
        sigma_min: 0.999,
        sigma_max: 1.0,
        ..InkConfig::default()
    };
    let ink = Ink::new(&config, MNIST, &IntensityStatistics::fit(images)).unwrap();
    for photons in [0.25, 1.0, 4.0, 16.0, 200.0] {
        let instrument = Instrument::new(photons, Optics::gaussian(1.0).unwrap()).unwrap();
        let placement = Placement::new(&ink, &instrument).unwrap();
        assert!(placement.keep > 0.99 && placement.mismatch < 1.5e-3, "{photons}: {placement:?}");
    }
}

#[test]
fn counts_outside_the_model_are_refused() {
    let ink = tiny_ink();
    let place = |photons, spread| {
        let instrument = Instrument::new(photons, Optics::gaussian(spread).unwrap()).unwrap();
        Placement::new(&ink, &instrument).unwrap_err().to_string()
    };
    let dark = place(0.2, 0.0);
    assert!(dark.starts_with("photons: found 0.2, expected at least 0.25 per full pixel"), "{dark}");
    let wide = place(1.0, 2.5);
    assert!(
        wide.starts_with("psf: standard deviation in pixels: found 2.50, expected at most 2.00"),
        "{wide}"
    );
    for photons in [0.0, -1.0, f64::NAN, 601.0] {
        assert!(Instrument::new(photons, Optics::Sharp).is_err());
    }
    for spread in [-1.0, f64::NAN, 101.0] {
        assert!(Optics::gaussian(spread).is_err());
    }
    for (height, width, weights, field) in [
        (2, 3, vec![1.0; 6], "psf: size"),
        (3, 3, vec![1.0; 8], "psf: size"),
        (1, 3, vec![0.0, 1.0, -1.0], "psf: values"),
        (1, 3, vec![0.0; 3], "psf: values"),
        (1, 3, vec![0.0, 0.1, 0.9], "psf: centre of mass"),
    ] {
        let error = PointSpread::new(height, width, &weights).unwrap_err().to_string();
        assert!(error.starts_with(field), "{error}");
    }
}

/// A measured Gaussian of standard deviation `spread`, 15 x 15.
fn measured(spread: f32) -> PointSpread {
    let weight = |p: usize| {
        let [y, x] = [p / 15, p % 15].map(|v| v as f32 - 7.0);
        (-(y * y + x * x) / (2.0 * spread * spread)).exp()
    };
    PointSpread::new(15, 15, &(0..225).map(weight).collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_measured_gaussian_is_nearly_the_heat_kernel_and_a_ring_is_not() {
    let ink = fitted_ink(&InkConfig::default(), &mnist().test);
    let mismatch = |optics: Optics, photons: f64| {
        Placement::new(&ink, &Instrument::new(photons, optics).unwrap()).unwrap().mismatch
    };
    // A sampled Gaussian against the lattice's heat kernel of the same variance, computed apart from this program: 0.0844
    // for one pixel and 0.0215 for two. The bright exposures walk hardly at all.
    for (spread, due) in [(1.0, 0.0844), (2.0, 0.0215)] {
        let found = mismatch(Optics::Measured(measured(spread)), 600.0);
        assert!((found - due).abs() < 0.1 * due, "{found} for {due}");
    }
    let ring = |p: usize| {
        let [y, x] = [p / 9, p % 9].map(|v| v as f32 - 4.0);
        if (9.0..=16.0).contains(&(y * y + x * x)) { 1.0 } else { 0.0 }
    };
    let ring = PointSpread::new(9, 9, &(0..81).map(ring).collect::<Vec<_>>()).unwrap();
    let sharp = mismatch(Optics::Measured(ring.clone()), 600.0);
    // The darker the exposure, the longer the walk, and the less is left of the difference.
    let walked = mismatch(Optics::Measured(ring), 1.0);
    assert!(sharp > 0.2 && walked < 0.1 * sharp, "{sharp}, then {walked}");
}

/// Optics of every kind; the measured pattern is lopsided, within half a pixel.
fn optics(kind: usize) -> Optics {
    match kind {
        0 => Optics::Sharp,
        1 => Optics::gaussian(1.3).unwrap(),
        _ => {
            let weights = [0.0, 1.0, 2.0, 1.0, 4.0, 3.0, 0.5, 2.0, 0.0];
            Optics::Measured(PointSpread::new(3, 3, &weights).unwrap())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn optics_keep_the_light_and_their_transpose_is_one(
        ((shape, image), other) in shaped_images()
            .prop_flat_map(|(shape, image)| (Just((shape, image)), made_up(SHAPES[shape].len()))),
        kind in 0..3usize,
    ) {
        let (optics, shape) = (optics(kind), SHAPES[shape]);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let ones = vec![1.0; image.len()];
        let blurred = optics.blur(shape, &image);
        let total = dot(&image, &ones);
        prop_assert!((dot(&blurred, &ones) - total).abs() <= 1e-5 * total + 1e-6);
        let (there, back) = (dot(&blurred, &other), dot(&image, &optics.blur_back(shape, &other)));
        prop_assert!((there - back).abs() <= 1e-5 * there.abs() + 1e-5, "{there} and {back}");
    }

    #[test]
    fn richardson_lucy_never_makes_the_counts_less_likely(kind in 0..3usize, i in 0..100usize, seed in any::<u64>()) {
        let instrument = Instrument::new(4.0, optics(kind)).unwrap();
        let counts = instrument.measure(MNIST, &digit(i), &mut rng(seed, 0));
        let likelihood = |image: &[f32]| {
            let means = instrument.optics.blur(MNIST, image);
            let term = |(n, mean): (&f32, &f32)| {
                let mean = f64::from(4.0 * mean).max(1e-12);
                f64::from(*n) * mean.ln() - mean
            };
            counts.iter().zip(&means).map(term).sum::<f64>()
        };
        let mut before = f64::NEG_INFINITY;
        for iterations in [0, 1, 2, 5, 10] {
            let image = richardson_lucy(MNIST, &counts, &instrument, iterations);
            prop_assert!(image.iter().all(|v| v.is_finite() && *v >= 0.0));
            let now = likelihood(&image);
            prop_assert!(now >= before - 1e-3, "{before} became {now}");
            before = now;
        }
    }
}

#[test]
fn the_anscombe_transform_gives_the_noise_of_its_timestep() {
    let gaussian = DegradationConfig::Gaussian(GaussianConfig::default()).build(MNIST, &[]).unwrap();
    for photons in [4.0, 16.0, 100.0] {
        let start = AnscombeStart::new(gaussian.as_ref(), photons).unwrap();
        let (alpha, sigma) = gaussian.gaussian().unwrap().alpha_sigma(start.timestep);
        // Full pixels everywhere: the state is 1 with the noise of the timestep.
        let instrument = Instrument::new(photons, Optics::Sharp).unwrap();
        let states = draws(40, |j| {
            let mut stream = rng(660, j);
            let counts = instrument.measure(MNIST, &vec![1.0; MNIST.len()], &mut stream);
            start.state(gaussian.as_ref(), &counts, &mut stream)
        })
        .concat();
        let mean = states.iter().map(|&x| f64::from(x)).sum::<f64>() / states.len() as f64;
        let variance =
            states.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / states.len() as f64;
        assert!((mean / f64::from(alpha) - 1.0).abs() < 0.05, "{mean} for {alpha}");
        assert!((variance.sqrt() / f64::from(sigma) - 1.0).abs() < 0.1, "{variance} for {sigma}");
    }
    assert!(AnscombeStart::new(&tiny_ink(), 4.0).is_err());
    assert!(Placement::new(gaussian.as_ref(), &Instrument::new(4.0, Optics::Sharp).unwrap()).is_err());
}
