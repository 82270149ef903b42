//! Blur with Gaussian noise: the law of every cosine mode, forward and backward, and its match with Ink.

use dm_degrade::degradations::IntensityStatistics;
use dm_degrade::degradations::blur_noise::{BlurNoise, BlurNoiseConfig};
use dm_degrade::heat::Spectrum;
use dm_degrade::{Degradation, Intensity, Timestep};
use dm_nn::data::Images;

use super::ink_laws::draws;
use super::shapes::{SHAPES, training_images};
use super::slices::Slices;
use super::{digit, ink, mnist, rng, unit};

fn fitted(config: &BlurNoiseConfig, images: &Images) -> BlurNoise {
    BlurNoise::new(config, images.shape, &IntensityStatistics::fit(images)).unwrap()
}

/// `image` after multiplying its cosine modes by `gain(lambda)`.
fn filtered(process: &BlurNoise, image: &[f32], gain: impl Fn(f64) -> f64) -> Vec<f32> {
    let mut out = vec![f32::NAN; image.len()];
    Spectrum::new(process.shape()).filter(image, gain, &mut out);
    out
}

/// The mean product of the values of `a` and `b` over all pairs of images, channel by channel.
fn products(a: &[Vec<f32>], b: &[Vec<f32>], pixels: usize) -> Vec<f64> {
    let channels = a[0].len() / pixels;
    let mut sums = vec![0.0; channels];
    for (a, b) in a.iter().zip(b) {
        for (p, (a, b)) in a.iter().zip(b).enumerate() {
            sums[p / pixels] += f64::from(*a) * f64::from(*b);
        }
    }
    sums.iter().map(|sum| sum / (a.len() * pixels) as f64).collect()
}

fn minus(draws: &[Vec<f32>], mean: &[f32]) -> Vec<Vec<f32>> {
    draws.iter().map(|draw| draw.iter().zip(mean).map(|(x, m)| x - m).collect()).collect()
}

#[test]
fn forward_and_backward_every_mode_has_its_normal_law_in_every_shape() {
    for (i, shape) in SHAPES.into_iter().enumerate() {
        let images = if i == 0 { mnist().test.clone() } else { training_images(shape) };
        let config = BlurNoiseConfig { timesteps: 100, sigma_max: 4.0, ..BlurNoiseConfig::default() };
        let process = fitted(&config, &images);
        let x0 = process.state(&unit(&images, 3));
        for (k, (t, s)) in [(100, 99), (100, 40), (60, 1)].into_iter().enumerate() {
            let (n, t, s) = (150, Timestep(t), Timestep(s));
            let seed = 300 + 10 * i as u64 + k as u64;
            let pairs: Vec<Vec<f32>> = draws(n, |k| {
                let mut stream = rng(seed, k);
                let x_t = process.degraded(&x0, t, &process.sample_noise(&mut stream));
                let x_s = process.reverse(&x_t, &x0, t, s, &mut stream).unwrap();
                [x_t, x_s].concat()
            });
            let (x_t, x_s): (Vec<_>, Vec<_>) = pairs
                .into_iter()
                .map(|pair| (pair[..shape.len()].to_vec(), pair[shape.len()..].to_vec()))
                .unzip();
            let mean = |t| filtered(&process, &x0, |lambda| (-lambda * process.tau(t)).exp());
            let (at_t, at_s) = (minus(&x_t, &mean(t)), minus(&x_s, &mean(s)));
            let passed = |gain: &dyn Fn(f64) -> f64| -> Vec<Vec<f32>> {
                at_s.iter().map(|x| filtered(&process, x, gain)).collect()
            };
            // Cov(x_s, x_t) in a mode is a sigma_s^2. Filtering x_s by a function g of the Laplacian gives the mean of
            // g a sigma_s^2 over all modes, here for the functions 1 and e^(-lambda).
            let step = process.tau(t) - process.tau(s);
            let modes = |gain: &dyn Fn(f64) -> f64| {
                let ones = |len: usize| {
                    (0..len).map(move |j| 2.0 - 2.0 * (std::f64::consts::PI * j as f64 / len as f64).cos())
                };
                let sum: f64 =
                    ones(shape.height).flat_map(|a| ones(shape.width).map(move |b| a + b)).map(gain).sum();
                sum / shape.pixels() as f64
            };
            let few = ((n as usize * shape.pixels()) as f64).sqrt().recip();
            for (gain, what) in [
                (&(|_| 1.0) as &dyn Fn(f64) -> f64, "all modes"),
                (&|lambda: f64| (-lambda).exp(), "low modes"),
            ] {
                let own = products(&passed(gain), &at_s, shape.pixels());
                let both = products(&passed(gain), &at_t, shape.pixels());
                for channel in 0..shape.channels {
                    let (sigma_t, sigma_s) =
                        (f64::from(process.sigma(t)[channel]), f64::from(process.sigma(s)[channel]));
                    let due = [
                        (own[channel], sigma_s * sigma_s * modes(gain), sigma_s * sigma_s),
                        (
                            both[channel],
                            sigma_s * sigma_s * modes(&|l| gain(l) * (-l * step).exp()),
                            sigma_s * sigma_t,
                        ),
                    ];
                    for (found, due, unit) in due {
                        // Five standard errors of a mean of products of normals, at most sqrt(2) each.
                        let error = (found - due).abs() / unit;
                        assert!(
                            error < 5.0 * 1.5 * few,
                            "{shape}, {} to {}, {what}: {found} for {due}",
                            t.0,
                            s.0
                        );
                    }
                }
            }
            // The means themselves, pixel by pixel: a chi-square whose degrees are so many that it is nearly normal.
            for (channel, plane) in
                (0..shape.channels).map(|c| (c, c * shape.pixels()..(c + 1) * shape.pixels()))
            {
                let sigma = f64::from(process.sigma(s)[channel]);
                let sums = plane.map(|p| at_s.iter().map(|x| f64::from(x[p])).sum::<f64>());
                let chi: f64 = sums.map(|sum| sum * sum / (n as f64 * sigma * sigma)).sum();
                let degrees = shape.pixels() as f64;
                let z = (chi - degrees) / (2.0 * degrees).sqrt();
                assert!(z.abs() < 5.0, "{shape}, {} to {}: z = {z:.2}", t.0, s.0);
            }
        }
    }
}

#[test]
fn the_noise_is_that_of_inks_counts_on_average() {
    // The variance of n_t / L_t, averaged over pixels and digits, is the mean intensity over L_t.
    let process = fitted(&BlurNoiseConfig::default(), &mnist().train);
    for t in [1, 400, 1000].map(Timestep) {
        let (density, n) = (f64::from(ink().density(t)), 400);
        let squares: f64 = draws(n, |k| {
            let x0 = ink().state(&digit(k as usize));
            let mut mean = vec![0.0; x0.len()];
            ink().mean_counts(&x0, t, &mut mean);
            let counts = ink().degraded(&x0, t, &ink().sample_noise(&mut rng(390, k)));
            counts.iter().zip(&mean).map(|(n, m)| n - m).collect()
        })
        .concat()
        .iter()
        .map(|&off| (f64::from(off) / density).powi(2))
        .sum();
        let pixels = n as usize * digit(0).len();
        let intensity = draws(n, |k| digit(k as usize)).concat().iter().map(|&v| f64::from(v)).sum::<f64>();
        let (found, due) = (squares / pixels as f64, intensity / pixels as f64 / density);
        assert!((found / due - 1.0).abs() < 0.02, "{found} for {due} at {}", t.0);
        // The noise takes the training set's mean, rounded to two digits.
        let own = mnist().train.total_intensity().iter().map(|&v| f64::from(v)).sum::<f64>();
        let due = own / (mnist().train.len() * digit(0).len()) as f64 / density;
        assert!((f64::from(process.sigma(t)[0]).powi(2) / due - 1.0).abs() < 0.01);
        assert_eq!(process.tau(t), ink().tau(t));
    }
}

#[test]
fn the_input_of_the_network_has_about_unit_variance_at_every_timestep() {
    let process = fitted(&BlurNoiseConfig::default(), &mnist().train);
    for t in [0, 1, 300, 600, 1000].map(Timestep) {
        let squares: Vec<f32> = (0..50)
            .flat_map(|i| {
                let noise = process.sample_noise(&mut rng(395, i));
                process.seen(&process.degraded(&process.state(&digit(i as usize)), t, &noise), t)
            })
            .map(|v| v * v)
            .collect();
        let mean = squares.iter().sum::<f32>() / squares.len() as f32;
        assert!((0.3..1.5).contains(&mean), "{mean} at {}", t.0);
    }
}
