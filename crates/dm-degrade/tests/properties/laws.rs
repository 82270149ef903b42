//! Laws of single degradations: walking on from a level is walking longer, a later level is a function of an earlier one,
//! what is conserved, and whether level T has the law of the prior. Ink's and the heat kernel's have files of their own.

use dm_degrade::degradations::blur::{Blur, BlurConfig, BlurKernel};
use dm_degrade::degradations::fade::{Fade, FadeConfig};
use dm_degrade::degradations::pixelate::{Pixelate, PixelateConfig, squares};
use dm_degrade::heat::{kernel, spread};
use dm_degrade::{Degradation, Key, Level, REGISTRY};
use dm_nn::data::PIXELS;
use proptest::prelude::*;

use super::solvers::{NORMAL, gap};
use super::{digit, images, mnist, processes, rng, worst};

/// The registered process of that name.
fn registered(name: &str) -> &'static dyn Degradation {
    processes().iter().find(|process| process.name() == name).unwrap().as_ref()
}

fn repeated() -> Blur {
    let kernel = BlurKernel::Repeated { size: 11, std: 7.0 };
    Blur::new(&BlurConfig { steps: 40, kernel }, &[100.0]).unwrap()
}

fn total(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x)).sum()
}

fn sorted(mut x: Vec<f32>) -> Vec<f32> {
    x.sort_by(f32::total_cmp);
    x
}

/// The state at `t` from the state at `s` <= `t` and the key, without the image.
fn later(name: &str, x_s: &[f32], s: Level, t: Level, key: &Key) -> Vec<f32> {
    match name {
        "blur" => {
            let heat = Blur::new(&BlurConfig::default(), &[100.0]).unwrap();
            spread(&kernel(heat.tau(t).unwrap() - heat.tau(s).unwrap()), x_s)
        }
        "pixelate" => {
            let pixelate = Pixelate::new(&PixelateConfig::default(), &[100.0]).unwrap();
            let ((k, w), next) = (pixelate.rung(s), |k: usize| squares(x_s, k));
            // A_(k+1) x_s = A_(k+1) x_0, so A_k x_0 follows, and every coarser A from that.
            let rung = x_s.iter().zip(next(k + 1)).map(|(x, next)| (x - w * next) / (1.0 - w));
            pixelate.apply(&rung.collect::<Vec<_>>(), t, key)
        }
        "fade" => {
            let fade = Fade::new(&FadeConfig::default()).unwrap();
            let masks = fade.mask(s, key).into_iter().zip(fade.mask(t, key));
            let left = masks.map(|(s, t)| if s > 0.0 { t / s } else { 0.0 });
            x_s.iter().zip(left).map(|(x, left)| x * left).collect()
        }
        name => {
            let process = registered(name);
            process.apply(&process.invert(x_s, s, key).unwrap(), t, key)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_repeated_kernel_goes_on_from_any_level(image in images(), s in 0..=20usize, more in 0..=20usize) {
        let blur = repeated();
        let key = Key::default();
        let there = blur.apply(&blur.apply(&image, Level(s), &key), Level(more), &key);
        let error = worst(&there, &blur.apply(&image, Level(s + more), &key));
        prop_assert!(error < 2e-6, "{error}");
    }

    #[test]
    fn coarser_squares_do_not_see_finer_ones(image in images(), fine in 0..=5usize, more in 0..=5usize) {
        let coarse = (fine + more).min(5);
        let error = worst(&squares(&squares(&image, fine), coarse), &squares(&image, coarse));
        prop_assert!(error < 1e-6, "{error}");
    }

    #[test]
    fn a_later_level_is_a_function_of_an_earlier_one(
        image in images(), s in 0..100usize, share in 0.0..=1.0f64, seed in any::<u64>()
    ) {
        // Snow is not among them: what was cut off at white may come out again. Nor are the hot ones: they add noise.
        let t = Level(s + (share * (100 - s) as f64) as usize);
        let s = Level(s);
        for name in ["blur", "fade", "pixelate", "morph", "stir"] {
            let process = registered(name);
            let key = process.draw(&mut rng(seed, 0));
            let found = later(name, &process.apply(&image, s, &key), s, t, &key);
            let error = worst(&found, &process.apply(&image, t, &key));
            // Rounding at s over what is left of the image there, at least 1.5 / T for morph.
            prop_assert!(error < 1e-4, "{name} from {} to {}: {error}", s.0, t.0);
        }
    }

    #[test]
    fn blur_and_pixelate_keep_the_ink_and_stir_keeps_every_grey(
        image in images(), share in 0.0..=1.0f64, seed in any::<u64>()
    ) {
        let before = total(&image);
        for process in [registered("blur"), registered("pixelate"), &repeated()] {
            let t = Level((share * process.steps() as f64) as usize);
            let after = total(&process.apply(&image, t, &Key::default()));
            prop_assert!((before - after).abs() <= 2e-6 * before, "{}: {before} became {after}", process.name());
        }
        let stir = registered("stir");
        let stirred = stir.apply(&image, Level((share * 100.0) as usize), &stir.draw(&mut rng(seed, 0)));
        prop_assert_eq!(sorted(stirred), sorted(image.to_vec()));
    }

    #[test]
    fn snow_and_morph_end_in_their_prior_exactly(image in images(), seed in any::<u64>()) {
        for process in [registered("snow"), registered("morph")] {
            let key = process.draw(&mut rng(seed, 0));
            let end = process.apply(&image, Level(process.steps()), &key);
            prop_assert_eq!(&end, &process.prior_under(&key, &mut rng(seed, 1)), "{}", process.name());
            // And a key is what the prior draws.
            prop_assert_eq!(process.prior(&mut rng(seed, 0)), end);
        }
    }
}

/// The last state of test images `0..n`, each with its own key.
fn ends(process: &dyn Degradation, n: usize) -> Vec<Vec<f32>> {
    let end = |i: usize| {
        let key = process.draw(&mut rng(30, i as u64));
        process.apply(&process.to_state(&digit(i)), Level(process.steps()), &key)
    };
    (0..n).map(end).collect()
}

#[test]
fn gaussian_digits_end_as_standard_normals() {
    let gap = gap(NORMAL, &ends(registered("gaussian"), 32).concat());
    assert!(gap < 1.95, "{gap}");
}

#[test]
fn pixelate_ends_in_an_even_page_with_the_ink_of_the_training_set() {
    let process = registered("pixelate");
    assert!(ends(process, 50).iter().all(|x| x.iter().all(|v| (v - x[0]).abs() < 1e-6)));
    let (n, end) = (4000, Level(process.steps()));
    let real = |i: usize| {
        let image: Vec<f32> = mnist().train.image(i).iter().map(|&p| f32::from(p) / 255.0).collect();
        process.apply(&image, end, &Key::default())[0]
    };
    let real = sorted((0..n).map(real).collect());
    let drawn = sorted((0..n).map(|i| process.prior(&mut rng(31, i as u64))[0]).collect());
    // The largest gap of two distribution functions, scaled: above 1.95 once in 1,000 if the laws are one.
    let below = |law: &[f32], x: f32| law.partition_point(|v| *v <= x) as f64 / n as f64;
    let gap = real.iter().map(|&x| (below(&real, x) - below(&drawn, x)).abs()).fold(0.0, f64::max);
    assert!(gap * (n as f64 / 2.0).sqrt() < 1.95, "{gap}");
}

#[test]
fn blur_ends_near_its_prior_but_not_in_it() {
    // What is left of a digit, in parts of a full pixel: little, and not nothing. A network can learn to read it.
    let process = registered("blur");
    let share = {
        let prior = process.prior(&mut rng(32, 0));
        let ink = total(&prior) as f32;
        prior.iter().map(|v| v / ink).collect::<Vec<_>>()
    };
    for end in ends(process, 100) {
        let ink = total(&end) as f32;
        let left = worst(&end, &share.iter().map(|share| ink * share).collect::<Vec<_>>());
        assert!((1e-4..2e-2).contains(&left), "{left}");
    }
}

#[test]
fn fade_leaves_next_to_nothing() {
    let left = ends(registered("fade"), 1000).concat().into_iter().fold(0.0, f32::max);
    assert!(left < 2e-2, "{left}");
}

#[test]
fn stir_spreads_ink_evenly_over_the_page() {
    let ends = ends(registered("stir"), 2000);
    let mut mean = vec![0.0; PIXELS];
    ends.iter().for_each(|end| mean.iter_mut().zip(end).for_each(|(m, v)| *m += f64::from(*v) / 2000.0));
    let level = mean.iter().sum::<f64>() / PIXELS as f64;
    // Four and a half standard errors of a pixel whose greys have MNIST's standard deviation, 0.31.
    let off = mean.iter().map(|m| (m - level).abs()).fold(0.0, f64::max);
    assert!(off < 4.5 * 0.31 / 2000f64.sqrt(), "{off} of {level}");
}

#[test]
fn an_entry_that_cannot_be_inverted_says_so() {
    for (entry, process) in REGISTRY.iter().zip(processes()) {
        let key = process.draw(&mut rng(33, 0));
        let end = Level(process.steps());
        let x_t = process.apply(&process.to_state(&digit(3)), end, &key);
        if process.invert(&x_t, end, &key).is_none() {
            assert!(process.inversion_tolerance().1 < end);
            let says = ["none", "not at all", "t < T"].iter().any(|words| entry.inverse.contains(words));
            assert!(says, "{}: {}", entry.name, entry.inverse);
        }
    }
    let blurred = repeated().apply(&digit(3), Level(1), &Key::default());
    assert_eq!(repeated().invert(&blurred, Level(1), &Key::default()), None);
}
