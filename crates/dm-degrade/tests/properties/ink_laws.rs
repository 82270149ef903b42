//! The laws of Ink, by chi-square tests with fixed seeds: degrading, filming, the posterior, and the prior at T.
//!
//! Every test converts its chi-square to a standard normal number z and requires that z is between -4 and 4. A correct
//! program fails for one seed in 16,000, and the seeds are fixed. Expected counts come from the cosine transform, not from
//! the kernel under test.

use dm_degrade::degradations::IntensityStatistics;
use dm_degrade::degradations::ink::{Film, Ink, InkConfig};
use dm_degrade::heat::Spectrum;
use dm_degrade::{Degradation, Timestep};
use rayon::prelude::*;

use super::shapes::{SHAPES, training_images};
use super::slices::Slices;
use super::{PIXELS, chi_square_z, digit, fitted_ink, ink, mnist, rng, unit};

/// Mean counts at timestep `t` by the cosine transform.
fn expected(ink: &Ink, x0: &[f32], t: Timestep) -> Vec<f64> {
    let mut spread = vec![0.0; x0.len()];
    let gain = |lambda: f64| ink.share_left(t) * (-lambda * ink.tau(t)).exp();
    Spectrum::new(ink.shape()).filter(x0, gain, &mut spread);
    spread.iter().map(|&h| f64::from(h).max(0.0)).collect()
}

/// z of two tests of `draws` being independent Poisson numbers of means `mean`, pixel by pixel: that the sums over all
/// draws have the right means, and that single draws have the right variance.
fn poisson_z(draws: &[Vec<f32>], mean: &[f64]) -> [f64; 2] {
    let n = draws.len() as f64;
    let mut sums = vec![0.0; mean.len()];
    let (mut squares, mut degrees, mut variance) = (0.0, 0.0, 0.0);
    for draw in draws {
        for ((sum, &found), &mean) in sums.iter_mut().zip(draw).zip(mean) {
            *sum += f64::from(found);
            // Pixels of next to no grains are left to the sums.
            if mean >= 0.02 {
                squares += (f64::from(found) - mean).powi(2) / mean;
                degrees += 1.0;
                variance += 2.0 + 1.0 / mean;
            }
        }
    }
    // Pixels with less than five expected grains are joined to one cell.
    let (mut value, mut cells, mut rest, mut rest_due) = (0.0, 0.0, 0.0, 0.0);
    for (&sum, &mean) in sums.iter().zip(mean) {
        let due = n * mean;
        if due >= 5.0 {
            value += (sum - due).powi(2) / due;
            cells += 1.0;
        } else {
            (rest, rest_due) = (rest + sum, rest_due + due);
        }
    }
    if rest_due > 0.0 {
        value += (rest - rest_due).powi(2) / rest_due;
        cells += 1.0;
    }
    [chi_square_z(value, cells), (squares - degrees) / f64::sqrt(variance)]
}

/// Checks that `draws` are independent Poisson numbers of means `mean`.
pub fn holds(what: &str, draws: &[Vec<f32>], mean: &[f64]) {
    let [means, spread] = poisson_z(draws, mean);
    assert!(
        means.abs() < 4.0 && spread.abs() < 4.0,
        "{what}: z = {means:.2} of means, {spread:.2} of spread"
    );
}

/// `n` draws, in parallel.
pub fn draws(n: u64, draw: impl Fn(u64) -> Vec<f32> + Sync + Send) -> Vec<Vec<f32>> {
    (0..n).into_par_iter().map(draw).collect()
}

#[test]
fn degraded_counts_are_poisson_numbers_of_the_spread_intensity() {
    for (i, t) in [1, 250, 500, 1000].map(Timestep).into_iter().enumerate() {
        let x0 = ink().state(&digit(i));
        let found = draws(300, |k| ink().degraded(&x0, t, &ink().sample_noise(&mut rng(20 + i as u64, k))));
        holds(&format!("timestep {}", t.0), &found, &expected(ink(), &x0, t));
    }
}

#[test]
fn a_film_has_the_law_of_degrade() {
    let timesteps = [0, 100, 400, 600, 1000].map(Timestep);
    let x0 = ink().state(&digit(4));
    let films: Vec<Film> = (0..200u64)
        .into_par_iter()
        .map(|k| Film::record(ink(), &x0, &timesteps, &mut rng(30, k)).unwrap())
        .collect();
    for (i, &t) in timesteps.iter().enumerate() {
        let found: Vec<Vec<f32>> = films.iter().map(|film| film.counts(i)).collect();
        holds(&format!("frame {i}"), &found, &expected(ink(), &x0, t));
    }
}

#[test]
fn the_posterior_given_the_true_image_has_the_law_of_degrade() {
    for (i, (t, s)) in [(1000, 990), (1000, 500), (600, 400), (300, 299), (250, 1)].into_iter().enumerate() {
        let (t, s) = (Timestep(t), Timestep(s));
        let x0 = ink().state(&digit(5 + i));
        let found = draws(300, |k| {
            let mut stream = rng(40 + i as u64, k);
            let x_t = ink().degraded(&x0, t, &ink().sample_noise(&mut stream));
            ink().reverse(&x_t, &x0, t, s, &mut stream).unwrap()
        });
        holds(&format!("{} to {}", t.0, s.0), &found, &expected(ink(), &x0, s));
    }
}

#[test]
fn a_chain_of_posteriors_given_the_true_image_arrives_from_its_own_x_t() {
    let x0 = ink().state(&digit(11));
    let found = draws(200, |k| {
        let mut stream = rng(50, k);
        let mut x = ink().degraded(&x0, Timestep(1000), &ink().sample_noise(&mut stream));
        for t in (2..=10).rev() {
            x = ink().reverse(&x, &x0, Timestep(100 * t), Timestep(100 * (t - 1)), &mut stream).unwrap();
        }
        x
    });
    holds("ten steps", &found, &expected(ink(), &x0, Timestep(100)));
}

#[test]
fn every_shape_has_the_laws_of_degrade_film_and_posterior() {
    for (i, shape) in SHAPES.into_iter().enumerate().skip(1) {
        let images = training_images(shape);
        let config = InkConfig { timesteps: 40, sigma_max: 4.0, ..InkConfig::default() };
        let ink = fitted_ink(&config, &images);
        let x0 = ink.state(&unit(&images, 3));
        let (t, s) = (Timestep(30), Timestep(18));
        let seed = 100 + i as u64;
        let at_t = |stream: &mut _| ink.degraded(&x0, t, &ink.sample_noise(stream));
        holds(&format!("{shape} at t"), &draws(300, |k| at_t(&mut rng(seed, k))), &expected(&ink, &x0, t));
        let found = draws(300, |k| {
            let mut stream = rng(seed + 10, k);
            let x_t = at_t(&mut stream);
            ink.reverse(&x_t, &x0, t, s, &mut stream).unwrap()
        });
        holds(&format!("{shape} at s"), &found, &expected(&ink, &x0, s));
        let found = draws(300, |k| {
            let timesteps = [Timestep(0), s, t];
            Film::record(&ink, &x0, &timesteps, &mut rng(seed + 20, k)).unwrap().counts(2)
        });
        holds(&format!("{shape} filmed"), &found, &expected(&ink, &x0, t));
    }
}

#[test]
fn the_test_has_power() {
    // The test detects one per cent too much ink, and a timestep that is off by twenty.
    let x0 = ink().state(&digit(4));
    let found = draws(300, |k| ink().degraded(&x0, Timestep(100), &ink().sample_noise(&mut rng(60, k))));
    let more: Vec<f64> = expected(ink(), &x0, Timestep(100)).iter().map(|h| 1.01 * h).collect();
    assert!(poisson_z(&found, &more)[0] > 4.0);
    assert!(poisson_z(&found, &expected(ink(), &x0, Timestep(120)))[0] > 4.0);
}

/// The law of the positions of the prior's grains, from many draws of it, as shares.
fn prior_shares(ink: &Ink, seed: u64) -> Vec<f64> {
    // The prior is Poisson numbers around fixed shares; they are read off by degrading the mean image.
    let fitted = IntensityStatistics::fit(&mnist().train);
    let mean = expected(ink, &fitted[fitted.len() - PIXELS..], Timestep(ink.timesteps()));
    let total: f64 = mean.iter().sum();
    let shares: Vec<f64> = mean.iter().map(|m| m / total).collect();
    // That they are the prior's is tested here, given each draw's total: a multinomial chi-square on the sums.
    let draws = draws(1000, |k| ink.prior(&mut rng(seed, k)));
    let z = multinomial_z(&draws, &shares);
    assert!(z.abs() < 4.0, "prior against its shares: z = {z:.2}");
    shares
}

/// z of the summed counts against `shares`, given their total: chi-square with its exact mean and variance (Haldane 1937),
/// which hold however few grains there are.
fn multinomial_z(counts: &[Vec<f32>], shares: &[f64]) -> f64 {
    let mut sums = vec![0.0; PIXELS];
    counts.iter().for_each(|n| sums.iter_mut().zip(n).for_each(|(sum, n)| *sum += f64::from(*n)));
    let total: f64 = sums.iter().sum();
    let value = sums.iter().zip(shares).map(|(sum, share)| (sum - total * share).powi(2) / (total * share));
    let (cells, inverse) = (PIXELS as f64, shares.iter().map(|share| share.recip()).sum::<f64>());
    let variance = 2.0 * (cells - 1.0) + (inverse - cells * cells - 2.0 * cells + 2.0) / total;
    (value.sum::<f64>() - (cells - 1.0)) / variance.sqrt()
}

/// Counts at T of the first 1,000 test digits.
fn at_the_end(ink: &Ink, seed: u64) -> Vec<Vec<f32>> {
    let end = Timestep(ink.timesteps());
    draws(1000, |k| ink.degraded(&ink.state(&digit(k as usize)), end, &ink.sample_noise(&mut rng(seed, k))))
}

/// Ink of 64 grains per full pixel at every timestep.
fn conserved(sigma_max: f64, timesteps: usize) -> Ink {
    let config = InkConfig { density: 64.0, density_end: 64.0, sigma_max, timesteps, ..InkConfig::default() };
    fitted_ink(&config, &mnist().train)
}

#[test]
fn at_t_a_digit_cannot_be_told_from_the_prior() {
    // The default process ends with few grains. With 64 grains per full pixel, the grains have to walk further.
    for (ink, seed) in [(ink(), 70), (&conserved(16.0, 1000), 73)] {
        let shares = prior_shares(ink, seed);
        let counts = at_the_end(ink, seed + 1);
        // One by one: 1,000 tests, none of them beyond one in 16,000 more often than twice, and no drift of the whole.
        let each: Vec<f64> = counts.iter().map(|n| multinomial_z(std::slice::from_ref(n), &shares)).collect();
        let beyond = each.iter().filter(|z| z.abs() > 4.0).count();
        let drift = each.iter().sum::<f64>() / (each.len() as f64).sqrt();
        assert!(beyond <= 2 && drift.abs() < 4.0, "{beyond} digits stand out; drift z = {drift:.2}");
        // All together.
        let pooled = multinomial_z(&counts, &shares);
        assert!(pooled.abs() < 4.0, "pooled z = {pooled:.2}");
    }
}

#[test]
fn a_uniform_prior_would_need_a_wider_spread() {
    let even = vec![1.0 / PIXELS as f64; PIXELS];
    let at = |sigma_max: f64| multinomial_z(&at_the_end(&conserved(sigma_max, 1), 72), &even);
    assert!(at(16.0) > 20.0);
    assert!(at(26.0).abs() < 4.0);
}

#[test]
fn the_prior_has_the_total_ink_of_the_training_set() {
    let n = 4000;
    let density = f64::from(InkConfig::default().density_end);
    let found: Vec<f64> = draws(n, |k| ink().prior(&mut rng(80, k)))
        .iter()
        .map(|n| n.iter().map(|&n| f64::from(n)).sum::<f64>() / density)
        .collect();
    let real: Vec<f64> = mnist().train.total_intensity().iter().map(|&v| f64::from(v)).collect();
    let moments = |v: &[f64]| {
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        (mean, (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64).sqrt())
    };
    let ((mean, spread), (real_mean, real_spread)) = (moments(&found), moments(&real));
    // Shot noise widens the law; four standard errors of a mean.
    let due = (real_spread.powi(2) + real_mean / density).sqrt();
    assert!((mean - real_mean).abs() < 4.0 * due / (n as f64).sqrt(), "{mean} for {real_mean}");
    assert!((spread / due - 1.0).abs() < 0.05, "{spread} for {due}");
}
