//! Configs outside their domain: one error that names field, found and expected.

use dm_degrade::degradations::{BlurNoiseConfig, FadeCountsConfig, GaussianConfig, InkConfig};
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{DegradationConfig, REGISTRY};
use dm_nn::data::Images;
use dm_nn::image::ImageShape;

use super::shapes::SHAPES;
use super::slices::Slices;
use super::{MNIST, mnist};

fn refused(config: &DegradationConfig, fitted: &[f32], field: &str, found: &str) {
    let Err(error) = config.build(MNIST, fitted) else { panic!("{config:?} was built") };
    let text = error.to_string();
    assert!(text.starts_with(&format!("{field}: found {found}, expected ")), "{text}");
    assert!(!text.contains('\n') && text.len() > field.len() + found.len() + 20, "{text}");
}

fn refused_ink(config: InkConfig, field: &str, found: &str) {
    let config = DegradationConfig::Ink(config);
    refused(&config, &config.fit(&mnist().test), field, found);
}

fn refused_gaussian(config: GaussianConfig, field: &str, found: &str) {
    refused(&DegradationConfig::Gaussian(config), &[], field, found);
}

#[test]
fn timesteps_outside_their_range_are_refused() {
    for timesteps in [0, 100_001] {
        let field = "degradation.timesteps";
        refused_ink(InkConfig { timesteps, ..InkConfig::default() }, field, &timesteps.to_string());
        refused_gaussian(
            GaussianConfig { timesteps, ..GaussianConfig::default() },
            field,
            &timesteps.to_string(),
        );
    }
}

#[test]
fn density_and_range_outside_their_domains_are_refused() {
    for (value, found) in
        [(0.0, "0"), (-1.0, "-1"), (f32::NAN, "NaN"), (f32::INFINITY, "inf"), (601.0, "601")]
    {
        refused_ink(InkConfig { density: value, ..InkConfig::default() }, "degradation.density", found);
        refused_gaussian(
            GaussianConfig { range: value, ..GaussianConfig::default() },
            "degradation.range",
            found,
        );
    }
}

#[test]
fn spreads_out_of_order_are_refused() {
    let nan = f64::NAN;
    for (sigma_min, sigma_max) in
        [(0.0, 16.0), (16.0, 0.2), (2.0, 2.0), (nan, 16.0), (0.2, nan), (0.2, 101.0)]
    {
        let found = format!("{sigma_min} and {sigma_max}");
        let config = InkConfig { sigma_min, sigma_max, ..InkConfig::default() };
        refused_ink(config, "degradation.sigma_min, sigma_max", &found);
    }
}

#[test]
fn betas_outside_the_unit_interval_are_refused() {
    for bad in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY] {
        for (field, beta_1, beta_t) in [("beta_1", bad, 0.02), ("beta_t", 1e-4, bad)] {
            let schedule = ScheduleConfig::Linear { beta_1, beta_t };
            let config = GaussianConfig { schedule, ..GaussianConfig::default() };
            refused_gaussian(config, &format!("degradation.schedule.{field}"), &bad.to_string());
        }
    }
}

#[test]
fn ratios_out_of_order_are_refused() {
    for (snr_start, snr_end) in
        [(1.0, 1.0), (0.1, 1.0), (f64::NAN, 1.0), (10.0, 0.0), (1e7, 1.0), (10.0, f64::NAN)]
    {
        let found = format!("snr_start = {snr_start}, snr_end = {snr_end}");
        let schedule = ScheduleConfig::LogLinear { snr_start, snr_end };
        let config = GaussianConfig { schedule, ..GaussianConfig::default() };
        refused_gaussian(config, "degradation.schedule", &found);
    }
}

#[test]
fn the_keys_of_counts_and_noise_are_checked_as_those_of_ink() {
    let fitted = DegradationConfig::Ink(InkConfig::default()).fit(&mnist().test);
    for (density, density_end, field, found) in
        [(601.0, 1.0, "density", "601"), (0.0, 1.0, "density", "0"), (2.0, 3.0, "density_end", "3")]
    {
        let counts = FadeCountsConfig { density, density_end, ..FadeCountsConfig::default() };
        let noise = BlurNoiseConfig { density, density_end, ..BlurNoiseConfig::default() };
        for config in [DegradationConfig::FadeCounts(counts), DegradationConfig::BlurNoise(noise)] {
            refused(&config, &fitted, &format!("degradation.{field}"), found);
        }
    }
    let config = BlurNoiseConfig { sigma_min: 3.0, sigma_max: 2.0, ..BlurNoiseConfig::default() };
    refused(&DegradationConfig::BlurNoise(config), &fitted, "degradation.sigma_min, sigma_max", "3 and 2");
}

#[test]
fn wrong_fitted_numbers_are_refused() {
    let config = DegradationConfig::Ink(InkConfig::default());
    let good = config.fit(&mnist().test);
    refused(&config, &[], "fitted numbers", "0 values");
    refused(&config, &good[1..], "fitted numbers", "1040 values");
    for bad in [-1.0, f32::NAN, f32::INFINITY, 785.0] {
        let mut fitted = good.clone();
        fitted[3] = bad;
        refused(&config, &fitted, "fitted numbers, value 3", &bad.to_string());
    }
    assert!(config.build(MNIST, &[100.0]).is_ok() && config.build(MNIST, &good[..257]).is_ok());
    let nothing = Images { shape: MNIST, num_classes: 0, pixels: Vec::new(), labels: Vec::new() };
    refused(&config, &config.fit(&nothing), "fitted numbers", "0 values");
}

#[test]
fn blank_training_images_make_a_blank_prior() {
    for shape in SHAPES {
        let blank = Images { shape, num_classes: 0, pixels: vec![0; 3 * shape.len()], labels: vec![0; 3] };
        for registered in REGISTRY {
            let config = (registered.config)();
            let process = config.build(shape, &config.fit(&blank)).unwrap();
            let prior = process.prior(&mut super::rng(1, 0));
            assert!(prior.iter().all(|v| v.is_finite()));
            if process.intensity().is_some() {
                assert_eq!(prior, vec![0.0; shape.len()]);
            }
        }
    }
}

#[test]
fn the_mean_of_mnist_is_the_constant_of_schema_1() {
    // Models of schema 1 were trained on inputs centred at this constant.
    let fitted = dm_degrade::degradations::IntensityStatistics::fit(&mnist().train);
    let statistics = dm_degrade::degradations::IntensityStatistics::new(&fitted, MNIST).unwrap();
    assert_eq!(statistics.channel_mean, [0.13]);
}

#[test]
fn unsupported_shapes_are_refused() {
    for shape in [ImageShape::new(1, 7, 28), ImageShape::new(1, 28, 129), ImageShape::new(5, 28, 28)] {
        for registered in REGISTRY {
            let Err(error) = (registered.config)().build(shape, &[]) else { panic!("{shape} was built") };
            assert!(error.to_string().starts_with(&format!("image: found {shape}, expected ")), "{error}");
            assert!((registered.config)().build_unfitted(shape).is_err());
        }
    }
}
