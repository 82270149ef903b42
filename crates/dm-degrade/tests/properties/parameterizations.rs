//! Parameterizations: which degradations they can be used with, and that the right output means the right clean state.

use dm_degrade::{ParameterizationKind, Timestep};
use proptest::prelude::*;

use super::shapes::{processes_of, shaped_images};
use super::slices::Slices;
use super::{processes, rng, worst};

#[test]
fn parameterizations_accept_only_suitable_degradations() {
    for process in processes() {
        let gaussian = process.gaussian().is_some();
        let intensity = process.intensity().is_some();
        for (kind, fits) in [
            (ParameterizationKind::Eps, gaussian),
            (ParameterizationKind::V, gaussian),
            (ParameterizationKind::X0, true),
            (ParameterizationKind::Sigmoid, true),
            (ParameterizationKind::Softmax, intensity),
            (ParameterizationKind::Softplus, intensity),
        ] {
            let parameterization = kind.build();
            let result = parameterization.check(process.as_ref());
            assert_eq!(result.is_ok(), fits, "{kind:?} with {}", process.name());
            if let Err(error) = result {
                let name = parameterization.name();
                let found = format!("objective.parameterization: found {name} with `{}`", process.name());
                assert!(error.to_string().starts_with(&found), "{error}");
                let mut out = vec![0.0; process.shape().len()];
                let zeros = out.clone();
                let estimate =
                    parameterization.estimate(process.as_ref(), &zeros, Timestep(1), &zeros, &mut out);
                assert_eq!(estimate.unwrap_err().to_string(), error.to_string());
            }
        }
    }
}

#[test]
fn names_are_those_of_configs() {
    for kind in ParameterizationKind::ALL {
        let config = toml::Value::try_from(kind).unwrap();
        assert_eq!(config.as_str(), Some(kind.build().name()));
        assert!(!kind.build().unit().is_empty());
    }
}

/// The network's output that means the target: the link function of each parameterization.
fn output(kind: ParameterizationKind, target: &[f32]) -> Vec<f32> {
    let link = |y: f32| match kind {
        ParameterizationKind::Eps | ParameterizationKind::X0 | ParameterizationKind::V => y,
        ParameterizationKind::Sigmoid => (y / (1.0 - y)).ln(),
        ParameterizationKind::Softmax => y.ln(),
        ParameterizationKind::Softplus => y.exp_m1().ln(),
    };
    target.iter().map(|&y| link(y)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_right_output_means_the_right_clean_state((shape, image) in shaped_images(), seed in any::<u64>()) {
        // Values are kept away from 0 and 1, where the link functions are infinite.
        let image: Vec<f32> = image.iter().map(|v| 0.05 + 0.9 * v).collect();
        for process in processes_of(shape) {
            let x0 = process.state(&image);
            for kind in ParameterizationKind::ALL {
                let parameterization = kind.build();
                if parameterization.check(process.as_ref()).is_err() {
                    continue;
                }
                // Where ink is conserved, or nothing has happened yet, the softmax shares out the right total.
                let t = if kind == ParameterizationKind::Softmax { 0 } else { process.timesteps() / 2 };
                let noise = process.sample_noise(&mut rng(seed, 0));
                let x_t = process.degraded(&x0, Timestep(t), &noise);
                let mut target = vec![f32::NAN; x0.len()];
                parameterization.target(process.as_ref(), &x0, Timestep(t), &noise, &mut target).unwrap();
                let mut estimate = vec![f32::NAN; x0.len()];
                let output = output(kind, &target);
                parameterization.estimate(process.as_ref(), &x_t, Timestep(t), &output, &mut estimate).unwrap();
                let scale = x0.iter().fold(1.0f32, |top, v| top.max(v.abs()));
                let error = worst(&estimate, &x0) / scale;
                // The softmax adds up all values in f32.
                let sum_error = x0.len() as f32 * f32::EPSILON / 2.0;
                let tolerance =
                    if kind == ParameterizationKind::Softmax { sum_error.max(5e-5) } else { 5e-5 };
                prop_assert!(error < tolerance, "{kind:?} of {} errs by {error}", process.name());
            }
        }
    }

    #[test]
    fn an_error_of_x0_is_scaled_as_stated((shape, image) in shaped_images(), seed in any::<u64>(), share in 0.05..0.9f64) {
        let process = &processes_of(shape)[0];
        let t = Timestep((share * process.timesteps() as f64) as usize);
        let (alpha, sigma) = process.gaussian().unwrap().alpha_sigma(t);
        let snr = (f64::from(alpha) / f64::from(sigma)).powi(2);
        let x0 = process.state(&image);
        let x_t = process.degraded(&x0, t, &process.sample_noise(&mut rng(seed, 0)));
        // The output that means an estimate: eps = (x_t - alpha x0) / sigma, v = (alpha x_t - x0) / sigma.
        for (kind, slope) in [
            (ParameterizationKind::Eps, alpha / sigma),
            (ParameterizationKind::V, 1.0 / sigma),
            (ParameterizationKind::X0, 1.0),
        ] {
            let parameterization = kind.build();
            let estimate = |offset: f32| {
                let output: Vec<f32> = x0.iter().map(|_| offset).collect();
                let mut estimate = vec![f32::NAN; x0.len()];
                parameterization.estimate(process.as_ref(), &x_t, t, &output, &mut estimate).unwrap();
                f64::from(estimate[0])
            };
            let moved = (estimate(1.0) - estimate(0.0)).abs();
            prop_assert!((moved * f64::from(slope) - 1.0).abs() < 1e-3, "{kind:?}: {moved}");
            let stated = parameterization.squared_error_scale(snr);
            prop_assert!((stated * moved * moved - 1.0).abs() < 1e-3, "{kind:?}: {stated}");
        }
    }
}

#[test]
fn softmax_shares_out_what_is_left() {
    // Whatever the output is, the estimate has the total intensity of x_t, converted to the density of timestep 0.
    for shape in 0..super::shapes::SHAPES.len() {
        for process in processes_of(shape).iter().filter(|process| process.intensity().is_some()) {
            let intensity = process.intensity().unwrap();
            let (pixels, t) = (process.shape().pixels(), Timestep(process.timesteps() / 2));
            let x_t: Vec<f32> = (0..process.shape().len()).map(|i| (i % 7) as f32).collect();
            let output: Vec<f32> = x_t.iter().map(|v| 3.0 * v - 5.0).collect();
            let mut estimate = vec![f32::NAN; x_t.len()];
            let softmax = ParameterizationKind::Softmax.build();
            softmax.estimate(process.as_ref(), &x_t, t, &output, &mut estimate).unwrap();
            for (x_t, estimate) in x_t.chunks(pixels).zip(estimate.chunks(pixels)) {
                let total = |v: &[f32]| v.iter().map(|&v| f64::from(v)).sum::<f64>();
                let due = total(x_t) * f64::from(intensity.density(Timestep(0)) / intensity.density(t));
                assert!((total(estimate) / due - 1.0).abs() < 1e-4, "{}", process.name());
            }
        }
    }
    assert!(ParameterizationKind::Softmax.build().compares_shares());
}
