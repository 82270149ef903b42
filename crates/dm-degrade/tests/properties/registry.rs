//! Properties of every registered degradation, for every shape.

use std::path::Path;

use dm_degrade::{Degradation, DegradationConfig, REGISTRY, Timestep};
use proptest::prelude::*;

use super::shapes::{SHAPES, processes_of, shaped_images, training_images};
use super::slices::Slices;
use super::{digit, mnist, processes, rng, worst};

/// Largest error of image -> state -> image.
const ROUND_TRIP: f32 = 1e-6;

fn finite(values: &[f32]) -> bool {
    values.iter().all(|v| v.is_finite())
}

/// A share of T as a timestep from 1 to T.
fn timestep(process: &dyn Degradation, share: f64) -> Timestep {
    Timestep(1 + (share * process.timesteps() as f64) as usize).min(Timestep(process.timesteps()))
}

#[test]
fn names_are_unique_and_the_same_in_entry_and_process() {
    for (i, (registered, process)) in REGISTRY.iter().zip(processes()).enumerate() {
        let entry = &registered.entry;
        assert_eq!(entry.name, process.name());
        assert!(!entry.summary.is_empty() && !entry.source.is_empty());
        assert!(REGISTRY[..i].iter().all(|other| other.entry.name != entry.name));
        let parameterization = entry.parameterization.build();
        assert!(parameterization.check(process.as_ref()).is_ok());
        assert!(dm_degrade::Sampling::new(entry.sampler, 10).check(process.as_ref()).is_ok());
    }
}

#[test]
fn the_table_of_the_readme_is_the_registry() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let (_, table) = readme.split_once("| degradation | what it does | source |\n|---|---|---|\n").unwrap();
    let rows: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let expected = |registered: &dm_degrade::degradations::Registered| {
        let entry = &registered.entry;
        format!("| `{}` | {} | {} |", entry.name, entry.summary, entry.source)
    };
    assert_eq!(rows, REGISTRY.iter().map(expected).collect::<Vec<_>>());
}

/// A name of a test, as `THEORY.md` quotes it: words joined by at least two underscores.
fn is_test_name(quoted: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    quoted.matches('_').count() >= 2 && quoted.chars().all(is_word)
}

#[test]
fn the_tests_that_theory_names_exist() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = String::new();
    for folder in ["dm-degrade/tests/properties", "dm-eval/tests/suite"] {
        for entry in std::fs::read_dir(crates.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let theory = std::fs::read_to_string(crates.join("dm-degrade/THEORY.md")).unwrap();
    let names: Vec<&str> =
        theory.split('`').skip(1).step_by(2).filter(|quoted| is_test_name(quoted)).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(sources.contains(&format!("fn {name}(")), "{name} is not a test");
    }
}

#[test]
fn building_accepts_exactly_the_numbers_that_fitting_returns() {
    for registered in REGISTRY {
        let config: DegradationConfig = (registered.config)();
        let fitted = config.fit(&mnist().test);
        assert!(fitted.len() <= 4096 && finite(&fitted));
        assert!(config.build(mnist().shape(), &fitted).is_ok());
        for shape in SHAPES {
            let fitted = config.fit(&training_images(shape));
            assert!(config.build(shape, &fitted).is_ok());
            if !fitted.is_empty() {
                let error = config.build(shape, &fitted[1..]).err().unwrap().to_string();
                assert!(error.starts_with("fitted numbers: found "), "{error}");
            }
            assert!(config.build_unfitted(shape).is_ok());
        }
    }
}

#[test]
fn the_expected_degradations_have_a_posterior_and_no_inverse_at_t() {
    for process in processes() {
        let (x0, end) = (process.state(&digit(0)), Timestep(process.timesteps()));
        let noise = process.sample_noise(&mut rng(1, 0));
        let x_t = process.degraded(&x0, end, &noise);
        let has_posterior = !["fade", "snow", "stir"].contains(&process.name());
        assert_eq!(process.posterior().is_some(), has_posterior, "{}", process.name());
        if ["fade", "pixelate", "snow", "ink", "fade_counts", "blur_noise"].contains(&process.name()) {
            assert_eq!(process.inverted(&x_t, end, &noise), None, "{}", process.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn image_to_state_and_back((shape, image) in shaped_images()) {
        for process in processes_of(shape) {
            prop_assert_eq!(process.shape(), SHAPES[shape]);
            let state = process.state(&image);
            let error = worst(&process.image(&state), &image);
            prop_assert!(error <= ROUND_TRIP, "{} errs by {error}", process.name());
            let mut display = vec![f32::NAN; image.len()];
            process.codec().display(&state, Timestep(0), &mut display);
            prop_assert_eq!(display, process.image(&state));
        }
    }

    #[test]
    fn states_are_whole_and_finite((shape, image) in shaped_images(), share in 0.0..1.0f64, seed in any::<u64>()) {
        for process in processes_of(shape) {
            let t = timestep(process.as_ref(), share);
            let x0 = process.state(&image);
            let noise = process.sample_noise(&mut rng(seed, 0));
            let x_t = process.degraded(&x0, t, &noise);
            let prior = process.prior(&mut rng(seed, 1));
            let prior_given = process.prior_given(&noise, &mut rng(seed, 1));
            let mut reached = vec![x_t.clone(), prior, prior_given];
            if process.posterior().is_some() {
                reached.push(process.reverse(&x_t, &x0, t, Timestep(t.0 - 1), &mut rng(seed, 2)).unwrap());
            }
            for state in &reached {
                prop_assert!(state.len() == SHAPES[shape].len() && finite(state), "{}", process.name());
                let mut display = vec![f32::NAN; state.len()];
                process.codec().display(state, t, &mut display);
                for image in [process.image(state), display] {
                    prop_assert!(image.iter().all(|v| (0.0..=1.0).contains(v)));
                }
                prop_assert!(finite(&process.seen(state, t)));
                let mut clipped = state.clone();
                process.codec().clip(&mut clipped);
                prop_assert!(finite(&clipped));
            }
        }
    }

    #[test]
    fn timestep_zero_is_the_identity((shape, image) in shaped_images(), seed in any::<u64>()) {
        for process in processes_of(shape) {
            let x0 = process.state(&image);
            let noise = process.sample_noise(&mut rng(seed, 0));
            prop_assert_eq!(&process.degraded(&x0, Timestep(0), &noise), &x0);
            if process.inverse().is_some() {
                prop_assert_eq!(&process.inverted(&x0, Timestep(0), &noise).unwrap(), &x0);
            }
        }
    }

    #[test]
    fn clip_keeps_whole_images((shape, image) in shaped_images()) {
        for process in processes_of(shape) {
            let x0 = process.state(&image);
            let mut clipped = x0.clone();
            process.codec().clip(&mut clipped);
            prop_assert_eq!(&clipped, &x0);
        }
    }

    #[test]
    fn same_noise_same_result((shape, image) in shaped_images(), share in 0.0..1.0f64, seed in any::<u64>()) {
        for process in processes_of(shape) {
            let t = timestep(process.as_ref(), share);
            let x0 = process.state(&image);
            let twice = || {
                let noise = process.sample_noise(&mut rng(seed, 0));
                let x_t = process.degraded(&x0, t, &noise);
                let s = Timestep(t.0 / 2);
                let x_s = process.posterior().map(|_| process.reverse(&x_t, &x0, t, s, &mut rng(seed, 1)).unwrap());
                (noise, x_t, x_s, process.prior(&mut rng(seed, 2)))
            };
            prop_assert_eq!(twice(), twice());
        }
    }

    #[test]
    fn invertible_with_the_noise_as_far_as_claimed(
        (shape, image) in shaped_images(), share in 0.0..1.0f64, seed in any::<u64>()
    ) {
        for process in processes_of(shape) {
            let Some(inverse) = process.inverse() else { continue };
            let (tolerance, limit) = inverse.tolerance();
            prop_assert!(limit.0 <= process.timesteps());
            let x0 = process.state(&image);
            let noise = process.sample_noise(&mut rng(seed, 0));
            for t in [timestep(process.as_ref(), share), limit] {
                match process.inverted(&process.degraded(&x0, t, &noise), t, &noise) {
                    None => prop_assert!(t > limit, "{} does not invert t = {}", process.name(), t.0),
                    Some(restored) if t <= limit => {
                        let error = worst(&restored, &x0);
                        prop_assert!(error <= tolerance, "{} errs by {error} at {}", process.name(), t.0);
                    }
                    Some(_) => {}
                }
            }
        }
    }

    #[test]
    fn a_posterior_at_timestep_zero_is_the_image(
        (shape, image) in shaped_images(), share in 0.0..1.0f64, seed in any::<u64>()
    ) {
        for process in processes_of(shape).iter().filter(|process| process.posterior().is_some()) {
            let t = timestep(process.as_ref(), share);
            let x0 = process.state(&image);
            let x_t = process.degraded(&x0, t, &process.sample_noise(&mut rng(seed, 0)));
            let end = process.reverse(&x_t, &x0, t, Timestep(0), &mut rng(seed, 1)).unwrap();
            prop_assert_eq!(end, x0);
        }
    }

    #[test]
    fn a_posterior_only_goes_backward(shape in 0..SHAPES.len(), t in 0..2000usize, s in 0..2000usize) {
        let backward = |p: &dyn Degradation| s < t && t <= p.timesteps();
        for process in processes_of(shape).iter().filter(|p| p.posterior().is_some() && !backward(p.as_ref())) {
            let x = process.state(&vec![0.5; SHAPES[shape].len()]);
            let error = process.reverse(&x, &x, Timestep(t), Timestep(s), &mut rng(0, 0)).unwrap_err().to_string();
            prop_assert!(error.starts_with("posterior timesteps: found t = "), "{error}");
        }
    }
}
