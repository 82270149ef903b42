//! Properties of every registered degradation.

use dm_degrade::degradation::{Degradation, Level};
use dm_degrade::{DegradationConfig, REGISTRY};
use dm_nn::data::PIXELS;
use proptest::prelude::*;

use super::{images, mnist, processes, rng, worst};

/// Largest error of image -> state -> image.
const ROUND_TRIP: f32 = 1e-6;

fn finite(values: &[f32]) -> bool {
    values.iter().all(|v| v.is_finite())
}

/// A share of T as a level from 1 to T.
fn level(process: &dyn Degradation, share: f64) -> Level {
    Level(1 + (share * process.steps() as f64) as usize).min(Level(process.steps()))
}

#[test]
fn names_are_unique_and_kept_by_config_and_process() {
    for (i, (entry, process)) in REGISTRY.iter().zip(processes()).enumerate() {
        assert_eq!(entry.name, process.name());
        assert!(!entry.summary.is_empty() && !entry.source.is_empty());
        assert!(REGISTRY[..i].iter().all(|other| other.name != entry.name));
    }
}

#[test]
fn the_table_of_the_readme_is_the_registry() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let (_, table) = readme.split_once("| degradation | what it does | source |\n|---|---|---|\n").unwrap();
    let rows: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let expected =
        |e: &dm_degrade::degradations::Entry| format!("| `{}` | {} | {} |", e.name, e.summary, e.source);
    assert_eq!(rows, REGISTRY.iter().map(expected).collect::<Vec<_>>());
}

#[test]
fn fitting_keeps_a_few_numbers_and_building_wants_exactly_those() {
    for entry in REGISTRY {
        let config: DegradationConfig = (entry.config)();
        let fitted = config.fit(&mnist().test);
        assert!(fitted.len() <= 4096 && finite(&fitted));
        assert!(config.build(&fitted).is_ok());
    }
}

#[test]
fn what_has_no_bridge_or_no_inverse_says_so() {
    let image = mnist().test.image(0).iter().map(|&p| f32::from(p) / 255.0).collect::<Vec<_>>();
    for process in processes() {
        let (x0, end) = (process.to_state(&image), Level(process.steps()));
        let key = process.draw(&mut rng(1, 0));
        let x_t = process.apply(&x0, end, &key);
        if !process.has_bridge() {
            let error = process.bridge(&x_t, &x0, end, Level(0), &mut rng(1, 1)).unwrap_err().to_string();
            assert!(error.contains(process.name()), "{error}");
        }
        if ["fade", "pixelate", "snow"].contains(&process.name()) {
            assert_eq!(process.invert(&x_t, end, &key), None, "{}", process.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn image_to_state_and_back(image in images()) {
        for process in processes() {
            let state = process.to_state(&image);
            prop_assert_eq!(state.len(), PIXELS);
            let error = worst(&process.to_image(&state), &image);
            prop_assert!(error <= ROUND_TRIP, "{} errs by {error}", process.name());
        }
    }

    #[test]
    fn states_are_whole_and_finite(image in images(), share in 0.0..1.0f64, seed in any::<u64>()) {
        for process in processes() {
            let t = level(process.as_ref(), share);
            let x0 = process.to_state(&image);
            let key = process.draw(&mut rng(seed, 0));
            let x_t = process.apply(&x0, t, &key);
            let prior = process.prior(&mut rng(seed, 1));
            let mut reached = vec![x_t.clone(), prior];
            if process.has_bridge() {
                reached.push(process.bridge(&x_t, &x0, t, Level(t.0 - 1), &mut rng(seed, 2)).unwrap());
            }
            for state in &reached {
                prop_assert!(state.len() == PIXELS && finite(state), "{}", process.name());
                let image = process.to_image(state);
                prop_assert!(image.len() == PIXELS && image.iter().all(|v| (0.0..=1.0).contains(v)));
                let mut seen = vec![f32::NAN; process.channels() * PIXELS];
                process.encode(state, t, &mut seen);
                prop_assert!(finite(&seen));
                let mut clipped = state.clone();
                process.clip(&mut clipped);
                prop_assert!(finite(&clipped));
            }
        }
    }

    #[test]
    fn level_zero_is_the_identity(image in images(), seed in any::<u64>()) {
        for process in processes() {
            let x0 = process.to_state(&image);
            let key = process.draw(&mut rng(seed, 0));
            prop_assert_eq!(&process.apply(&x0, Level(0), &key), &x0);
            prop_assert_eq!(&process.invert(&x0, Level(0), &key).unwrap(), &x0);
        }
    }

    #[test]
    fn clip_keeps_whole_images(image in images()) {
        for process in processes() {
            let x0 = process.to_state(&image);
            let mut clipped = x0.clone();
            process.clip(&mut clipped);
            prop_assert_eq!(&clipped, &x0);
        }
    }

    #[test]
    fn same_key_same_result(image in images(), share in 0.0..1.0f64, seed in any::<u64>()) {
        for process in processes() {
            let t = level(process.as_ref(), share);
            let x0 = process.to_state(&image);
            let twice = || {
                let key = process.draw(&mut rng(seed, 0));
                let x_t = process.apply(&x0, t, &key);
                let x_s = process.bridge(&x_t, &x0, t, Level(t.0 / 2), &mut rng(seed, 1)).ok();
                (key, x_t, x_s, process.prior(&mut rng(seed, 2)))
            };
            prop_assert_eq!(twice(), twice());
        }
    }

    #[test]
    fn invertible_with_the_key_as_far_as_claimed(image in images(), share in 0.0..1.0f64, seed in any::<u64>()) {
        for process in processes() {
            let (tolerance, limit) = process.inversion_tolerance();
            prop_assert!(limit.0 <= process.steps());
            let x0 = process.to_state(&image);
            let key = process.draw(&mut rng(seed, 0));
            for t in [level(process.as_ref(), share), limit] {
                match process.invert(&process.apply(&x0, t, &key), t, &key) {
                    None => prop_assert!(t > limit, "{} does not invert level {}", process.name(), t.0),
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
    fn a_bridge_to_level_zero_ends_at_the_image(image in images(), share in 0.0..1.0f64, seed in any::<u64>()) {
        for process in processes().iter().filter(|process| process.has_bridge()) {
            let t = level(process.as_ref(), share);
            let x0 = process.to_state(&image);
            let x_t = process.apply(&x0, t, &process.draw(&mut rng(seed, 0)));
            let end = process.bridge(&x_t, &x0, t, Level(0), &mut rng(seed, 1)).unwrap();
            prop_assert_eq!(end, x0);
        }
    }

    #[test]
    fn a_bridge_only_goes_backward(t in 0..2000usize, s in 0..2000usize) {
        for process in processes().iter().filter(|p| p.has_bridge() && (s >= t || t > p.steps())) {
            let x = process.to_state(&[0.5; PIXELS]);
            let error = process.bridge(&x, &x, Level(t), Level(s), &mut rng(0, 0)).unwrap_err().to_string();
            prop_assert!(error.starts_with("bridge levels: found t = "), "{error}");
        }
    }
}
