//! The Gaussian process: schedule tables against PyTorch, the posterior against Ho et al. 2020.

use std::path::Path;

use dm_degrade::degradations::GaussianConfig;
use dm_degrade::degradations::gaussian::Gaussian;
use dm_degrade::schedule::{Schedule, ScheduleConfig};
use dm_degrade::{GaussianProcess, Timestep};
use dm_nn::params::file::TensorFile;

use super::slices::Slices;
use super::{MNIST, PIXELS, rng};

const LINEAR: ScheduleConfig = ScheduleConfig::Linear { beta_1: 1e-4, beta_t: 0.02 };

fn process(schedule: ScheduleConfig, timesteps: usize) -> (Gaussian, Schedule) {
    let config = GaussianConfig { timesteps, schedule: schedule.clone(), range: 1.0, cold: false };
    (Gaussian::new(&config, MNIST).unwrap(), schedule.table(timesteps).unwrap())
}

#[test]
fn linear_tables_are_the_notebooks() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ddpm.safetensors");
    let fixture = TensorFile::read(&path).unwrap();
    // The short chain's last beta is raised so that eight steps destroy most of the image.
    for (steps, beta_t) in [(8, 0.3), (1000, 0.02)] {
        let table = ScheduleConfig::Linear { beta_1: 1e-4, beta_t }.table(steps).unwrap();
        assert_eq!(table.timesteps(), steps);
        for (name, value) in [("beta", Schedule::beta as fn(&_, _) -> f64), ("alpha", Schedule::alpha)] {
            let expected = fixture.expect(&format!("{name}_{steps}"), &[steps + 1]).unwrap();
            for (t, &expected) in expected.iter().enumerate() {
                let error = (value(&table, Timestep(t)) - f64::from(expected)).abs();
                assert!(error < 1e-6, "{name}_{steps}[{t}] differs by {error}");
            }
        }
    }
}

#[test]
fn signal_falls_from_one_to_nearly_nothing() {
    for (schedule, left) in [(LINEAR, 1e-4), (ScheduleConfig::Cosine, 1e-6)] {
        let (process, table) = process(schedule, 1000);
        assert_eq!(process.alpha_sigma(Timestep(0)), (1.0, 0.0));
        let falls = |t: &usize| table.signal(Timestep(*t)) < table.signal(Timestep(t - 1));
        assert!((1..=1000).all(|t| falls(&t)));
        assert!(table.signal(Timestep(1000)) < left && table.signal(Timestep(1000)) > 0.0);
        for t in 1..=1000 {
            let (a, b) = process.alpha_sigma(Timestep(t));
            assert!((a * a + b * b - 1.0).abs() < 1e-6);
            let beta = process.beta(Timestep(t));
            assert!(beta > 0.0 && beta <= 0.999);
        }
    }
}

#[test]
fn the_signal_to_noise_ratio_of_log_linear_falls_geometrically() {
    let table = ScheduleConfig::LogLinear { snr_start: 400.0, snr_end: 0.01 }.table(1000).unwrap();
    assert_eq!(table.signal(Timestep(0)), 1.0);
    for t in 1..=1000 {
        let alpha = table.signal(Timestep(t));
        let expected = 400.0 * (0.01f64 / 400.0).powf(t as f64 / 1000.0);
        assert!((alpha / (1.0 - alpha) / expected - 1.0).abs() < 1e-9, "t = {t}");
    }
}

#[test]
fn cosine_is_nichol_and_dhariwals() {
    let table = ScheduleConfig::Cosine.table(1000).unwrap();
    let f = |t: f64| ((t / 1000.0 + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
    // The cap of beta at 0.999 only matters at T.
    for t in 1..1000 {
        let expected = f(t as f64) / f(0.0);
        assert!((table.signal(Timestep(t)) / expected - 1.0).abs() < 1e-9);
    }
    assert_eq!(table.beta(Timestep(1000)), 0.999);
}

/// The posterior's mean coefficients (of x_t, of x_0) and standard deviation, read off with noises of 0 and 1.
fn posterior(process: &Gaussian, t: usize, s: usize) -> [f64; 3] {
    let run = |x_t: f32, x0: f32, noise: f32| {
        let mut fixed = rng(0, 0).with_normals(&[noise; PIXELS]);
        let (t, s) = (Timestep(t), Timestep(s));
        f64::from(process.reverse(&[x_t; PIXELS], &[x0; PIXELS], t, s, &mut fixed).unwrap()[7])
    };
    [run(1.0, 0.0, 0.0), run(0.0, 1.0, 0.0), run(0.0, 0.0, 1.0)]
}

#[test]
fn a_posterior_of_one_step_is_ho_et_al_equation_7() {
    for schedule in [LINEAR, ScheduleConfig::Cosine] {
        let (process, table) = process(schedule, 50);
        for t in 2..=50 {
            // alpha is Ho's alpha-bar here; 1 - beta his alpha. At t = 1 the step holds beta_0 too (T + 1 betas).
            let (beta, bar_t, bar_s) =
                (table.beta(Timestep(t)), table.signal(Timestep(t)), table.signal(Timestep(t - 1)));
            let expected = [
                (1.0 - beta).sqrt() * (1.0 - bar_s) / (1.0 - bar_t),
                bar_s.sqrt() * beta / (1.0 - bar_t),
                ((1.0 - bar_s) / (1.0 - bar_t) * beta).sqrt(),
            ];
            for (found, expected) in posterior(&process, t, t - 1).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "t = {t}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn moments_of_the_posterior_match_the_forward_chain() {
    let (process, table) = process(LINEAR, 100);
    for (t, s) in [(100, 99), (100, 40), (60, 10)] {
        // Forward: x_s from x_0 by its marginal, then every step to t by its own beta. Backward: x_s' from x_t and x_0.
        // The pairs (x_s, x_t) and (x_s', x_t) must have one law.
        let (c, n, mut stream) = (0.7, 400, rng(90, (t * 1000 + s) as u64));
        let (mut forward, mut backward) = ([0.0; 3], [0.0; 3]);
        let (mut noise, x0) = (vec![0.0; PIXELS], vec![c; PIXELS]);
        for _ in 0..n {
            stream.fill_normal(&mut noise);
            let (a, b) = process.alpha_sigma(Timestep(s));
            let x_s: Vec<f32> = noise.iter().map(|eps| a * c + b * eps).collect();
            let mut x_t = x_s.clone();
            for step in s + 1..=t {
                let beta = table.beta(Timestep(step)) as f32;
                let (keep, add) = ((1.0 - beta).sqrt(), beta.sqrt());
                x_t.iter_mut().for_each(|x| *x = keep * *x + add * stream.normal());
            }
            let back = process.reverse(&x_t, &x0, Timestep(t), Timestep(s), &mut stream).unwrap();
            for (sums, x_s) in [(&mut forward, &x_s), (&mut backward, &back)] {
                for (&x_s, &x_t) in x_s.iter().zip(&x_t) {
                    let (x_s, x_t) = (f64::from(x_s), f64::from(x_t));
                    sums[0] += x_s;
                    sums[1] += x_s * x_s;
                    sums[2] += x_s * x_t;
                }
            }
        }
        // 313,600 pairs of numbers of order one: five standard errors of a difference are below 0.02.
        for (forward, backward) in forward.iter().zip(backward) {
            let difference = (forward - backward) / (f64::from(n) * PIXELS as f64);
            assert!(difference.abs() < 0.02, "t = {t}, s = {s}: moments differ by {difference}");
        }
    }
}

#[test]
fn a_table_gives_back_its_schedule_and_bad_tables_are_refused_by_entry() {
    let cosine = ScheduleConfig::Cosine.table(50).unwrap();
    let beta: Vec<f64> = (0..=50).map(|t| cosine.beta(Timestep(t))).collect();
    let table = ScheduleConfig::Table { beta: beta.clone() }.table(50).unwrap();
    assert!(
        (0..=50).map(Timestep).all(|t| table.alpha(t) == cosine.alpha(t) && table.beta(t) == cosine.beta(t))
    );

    let refused = |change: &dyn Fn(&mut Vec<f64>), expected: &str| {
        let mut beta = beta.clone();
        change(&mut beta);
        let message = ScheduleConfig::Table { beta }.table(50).unwrap_err().to_string();
        assert!(message.contains("degradation.schedule.beta") && message.contains(expected), "{message}");
    };
    refused(&|beta| beta.truncate(50), "found 50 numbers, expected 51");
    refused(&|beta| beta[7] = 0.0, "entry 7: found 0, expected above 0");
    refused(&|beta| beta[50] = 1.0, "entry 50: found 1, expected above 0 and below 1");
    refused(&|beta| beta[3] = f64::NAN, "entry 3: found NaN");
    refused(&|beta| beta.fill(0.999), "entry 4: found 0.999, expected a table whose product");
}
