//! Grains that fade in place: their law, their posterior, and their prior, for every shape.

use dm_degrade::degradations::fade_counts::{FadeCounts, FadeCountsConfig};
use dm_degrade::degradations::{GaussianConfig, IntensityStatistics};
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{Degradation, DegradationConfig, Intensity, Timestep};
use dm_nn::data::Images;
use proptest::prelude::*;

use super::ink_laws::{draws, holds};
use super::shapes::{SHAPES, processes_of, shaped_images, training_images};
use super::slices::Slices;
use super::{MNIST, digit, made_up, mnist, rng, unit};

fn fitted(images: &Images) -> FadeCounts {
    FadeCounts::new(&FadeCountsConfig::default(), images.shape, &IntensityStatistics::fit(images)).unwrap()
}

/// The means of the counts of `image` at `t`.
fn means(process: &FadeCounts, image: &[f32], t: usize) -> Vec<f64> {
    image.iter().map(|v| f64::from(process.density(Timestep(t))) * f64::from(*v)).collect()
}

#[test]
fn counts_and_posteriors_have_the_law_of_thinned_counts_in_every_shape() {
    for (i, shape) in SHAPES.into_iter().enumerate() {
        let images = if i == 0 { mnist().test.clone() } else { training_images(shape) };
        let process = fitted(&images);
        let image = unit(&images, 3);
        let x0 = process.state(&image);
        for (k, (t, s)) in [(1, 1), (300, 100), (550, 450), (700, 699)].into_iter().enumerate() {
            let seed = 200 + 10 * i as u64 + k as u64;
            let at_t = |stream: &mut _| process.degraded(&x0, Timestep(t), &process.sample_noise(stream));
            let found = draws(300, |k| at_t(&mut rng(seed, k)));
            holds(&format!("{shape} at {t}"), &found, &means(&process, &image, t));
            if s < t {
                let found = draws(300, |k| {
                    let mut stream = rng(seed + 500, k);
                    let x_t = at_t(&mut stream);
                    process.reverse(&x_t, &x0, Timestep(t), Timestep(s), &mut stream).unwrap()
                });
                holds(&format!("{shape} from {t} to {s}"), &found, &means(&process, &image, s));
            }
        }
    }
}

#[test]
fn a_chain_of_posteriors_given_the_true_image_has_the_law_of_degrade() {
    let process = fitted(&mnist().test);
    let image = digit(11);
    let x0 = process.state(&image);
    let found = draws(200, |k| {
        let mut stream = rng(260, k);
        let mut x = process.degraded(&x0, Timestep(1000), &process.sample_noise(&mut stream));
        for t in (4..=10).rev() {
            x = process.reverse(&x, &x0, Timestep(100 * t), Timestep(100 * (t - 1)), &mut stream).unwrap();
        }
        x
    });
    holds("seven steps", &found, &means(&process, &image, 300));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_grain_moves_and_none_is_lost_on_the_way_back(
        ((shape, image), other) in shaped_images()
            .prop_flat_map(|(shape, image)| (Just((shape, image)), made_up(SHAPES[shape].len()))),
        timesteps in (1..=1000usize, 1..=1000usize),
        seed in any::<u64>(),
    ) {
        let process = processes_of(shape).iter().find(|process| process.name() == "fade_counts").unwrap();
        let (t, s) = (Timestep(timesteps.0.max(timesteps.1)), Timestep(timesteps.0.min(timesteps.1)));
        let noise = process.sample_noise(&mut rng(seed, 0));
        let x_t = process.degraded(&process.state(&image), t, &noise);
        // With the same noise, every count only falls.
        let before = process.degraded(&process.state(&image), s, &noise);
        prop_assert!(before.iter().zip(&x_t).all(|(before, after)| before >= after) || s == t);
        if s < t {
            // Whatever the estimate is, grains stay, and join only where ink is expected.
            let x_s = process.reverse(&x_t, &process.state(&other), t, s, &mut rng(seed, 1)).unwrap();
            for ((s, t), ink) in x_s.iter().zip(&x_t).zip(other.iter()) {
                prop_assert!(s.fract() == 0.0 && (s > t && *ink > 0.0 || s == t), "{t} became {s} at ink {ink}");
            }
        }
    }
}

#[test]
fn a_digit_has_about_one_grain_left_and_the_prior_as_many() {
    let process = fitted(&mnist().train);
    let total = |counts: &[f32]| counts.iter().map(|&n| f64::from(n)).sum::<f64>();
    let n = 4000;
    let ends = draws(n, |k| {
        let x0 = process.state(&digit(k as usize));
        process.degraded(&x0, Timestep(1000), &process.sample_noise(&mut rng(270, k)))
    });
    let priors = draws(n, |k| process.prior(&mut rng(271, k)));
    let mean = |draws: &[Vec<f32>]| draws.iter().map(|draw| total(draw)).sum::<f64>() / n as f64;
    let (end, prior) = (mean(&ends), mean(&priors));
    // Five standard errors of a difference of means of about one.
    assert!(
        (0.8..1.3).contains(&end) && (end - prior).abs() < 5.0 * (2.5 / n as f64).sqrt(),
        "{end}, {prior}"
    );
    // A single grain lies where the training set has ink: the two laws of places have the same mean row and column.
    let place = |draws: &[Vec<f32>]| {
        let (mut sums, mut grains) = ([0.0; 2], 0.0);
        for draw in draws {
            for (p, &n) in draw.iter().enumerate() {
                let n = f64::from(n);
                sums[0] += n * (p / MNIST.width) as f64;
                sums[1] += n * (p % MNIST.width) as f64;
                grains += n;
            }
        }
        sums.map(|sum| sum / grains)
    };
    // The standard deviation of a place is about 5 pixels, and there are about 4,000 grains on both sides.
    for (end, prior) in place(&ends).into_iter().zip(place(&priors)) {
        assert!((end - prior).abs() < 5.0 * 5.0 * (2.0 / n as f64).sqrt(), "{end} for {prior}");
    }
}

#[test]
fn gaussian_noise_with_a_log_linear_schedule_has_the_same_signal_to_noise_ratio() {
    // Per pixel, n / L_t has the variance m / L_t around I on average. With images in [-1, 1] the signal is twice as large.
    let mean = 0.13;
    let snr = |density: f64| density / mean / 4.0;
    let schedule = ScheduleConfig::LogLinear { snr_start: snr(256.0), snr_end: snr(0.01) };
    let config = DegradationConfig::Gaussian(GaussianConfig { schedule, ..GaussianConfig::default() });
    let gaussian = config.build(MNIST, &[]).unwrap();
    let counts = fitted(&mnist().train);
    for t in [1, 250, 500, 999, 1000].map(Timestep) {
        let (alpha, sigma) = gaussian.gaussian().unwrap().alpha_sigma(t);
        let of_noise = f64::from(sigma / (2.0 * alpha)).powi(2);
        let of_counts = mean / f64::from(counts.density(t));
        assert!((of_noise / of_counts - 1.0).abs() < 1e-3, "{of_noise} for {of_counts} at {}", t.0);
    }
}
