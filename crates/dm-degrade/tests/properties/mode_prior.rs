//! The prior of Ink that draws the lowest cosine modes: its law is that of the training set at T, which the default prior's
//! is not.

use dm_degrade::degradations::ink::{Ink, InkConfig, InkPrior};
use dm_degrade::heat::low_modes;
use dm_degrade::{Degradation, DegradationConfig, Timestep};

use super::ink_laws::draws;
use super::shapes::{SHAPES, training_images};
use super::slices::Slices;
use super::{MNIST, fitted_ink, mnist, rng, unit};

fn config() -> InkConfig {
    // Many grains, so that the shot noise does not hide the modes.
    InkConfig { density_end: 256.0, prior: InkPrior::Modes, ..InkConfig::default() }
}

/// Mean and standard deviation of the first `k` modes of `states`, and of their totals.
fn moments(states: &[Vec<f32>], k: usize) -> Vec<[f64; 2]> {
    let modes = low_modes(MNIST, 3);
    let values = modes.iter().take(k).map(|mode| mode.values.clone()).chain([vec![1.0; MNIST.len()]]);
    values
        .map(|values| {
            let coefficient =
                |state: &Vec<f32>| state.iter().zip(&values).map(|(&n, c)| f64::from(n) * c).sum();
            let found: Vec<f64> = states.iter().map(coefficient).collect();
            let mean = found.iter().sum::<f64>() / found.len() as f64;
            let variance = found.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / found.len() as f64;
            [mean, variance.sqrt()]
        })
        .collect()
}

#[test]
fn the_lowest_modes_of_the_prior_vary_as_those_of_the_training_set_at_t() {
    let n = 3000;
    let modes = fitted_ink(&config(), &mnist().train);
    let plain = fitted_ink(&InkConfig { prior: InkPrior::MeanImage, ..config() }, &mnist().train);
    let real = draws(n, |i| {
        let x0 = modes.state(&unit(&mnist().train, i as usize));
        modes.degraded(&x0, Timestep(1000), &modes.sample_noise(&mut rng(700, i)))
    });
    let [drawn, flat] = [&modes, &plain].map(|ink: &Ink| draws(n, |i| ink.prior(&mut rng(701, i))));
    let (real, drawn, flat) = (moments(&real, 3), moments(&drawn, 3), moments(&flat, 3));
    for (i, (real, drawn)) in real.iter().zip(&drawn).enumerate() {
        // Five standard errors of the mean, and a tenth of the deviation: totals are not exactly lognormal.
        assert!(
            (real[0] - drawn[0]).abs() < 5.0 * real[1] * (2.0 / n as f64).sqrt(),
            "{i}: {real:?}, {drawn:?}"
        );
        assert!((drawn[1] / real[1] - 1.0).abs() < 0.1, "{i}: {real:?}, {drawn:?}");
    }
    // The modes of the default prior vary with the total alone.
    assert!(flat[..3].iter().zip(&real).any(|(flat, real)| flat[1] < 0.6 * real[1]), "{flat:?}, {real:?}");
}

#[test]
fn every_shape_has_such_a_prior_and_configs_that_do_not_ask_for_it_do_not_name_it() {
    for shape in SHAPES {
        let images = training_images(shape);
        let config = DegradationConfig::Ink(config());
        let fitted = config.fit(&images);
        assert!(fitted.iter().all(|v| v.is_finite()));
        let process = config.build(shape, &fitted).unwrap();
        let prior = process.prior(&mut rng(710, 0));
        assert!(prior.iter().all(|n| *n >= 0.0 && n.fract() == 0.0) && prior.iter().any(|n| *n > 0.0));
        assert!(config.build(shape, &fitted[1..]).is_err() && config.build_unfitted(shape).is_ok());
    }
    let text = |config: InkConfig| toml::to_string(&DegradationConfig::Ink(config)).unwrap();
    assert!(!text(InkConfig::default()).contains("prior"));
    let read: DegradationConfig = toml::from_str(&text(config())).unwrap();
    assert_eq!(read, DegradationConfig::Ink(config()));
}
