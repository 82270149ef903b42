//! Laws of single degradations: a later state is a function of an earlier one, what is conserved, and whether x_T has the law
//! of the prior. Those of Ink and of the heat kernel have files of their own.

use dm_degrade::degradations::blur::{Blur, BlurConfig, BlurKernel};
use dm_degrade::degradations::fade::{Fade, FadeConfig};
use dm_degrade::degradations::pixelate::{Pixelate, PixelateConfig};
use dm_degrade::heat::PlaneKernel;
use dm_degrade::{Degradation, Noise, REGISTRY, Timestep};
use dm_nn::image::ImageShape;
use proptest::prelude::*;

use super::shapes::{SHAPES, processes_of, shaped_images};
use super::slices::Slices;
use super::solvers::{NORMAL, gap};
use super::{MNIST, PIXELS, digit, mnist, processes, rng, unit, worst};

/// The registered process of that name for shape number `shape`.
fn registered_for(shape: usize, name: &str) -> &'static dyn Degradation {
    processes_of(shape).iter().find(|process| process.name() == name).unwrap().as_ref()
}

/// The registered process of that name for MNIST.
fn registered(name: &str) -> &'static dyn Degradation {
    registered_for(0, name)
}

fn repeated(shape: ImageShape) -> Blur {
    let size = if shape.height.min(shape.width) > 11 { 11 } else { 5 };
    let kernel = BlurKernel::Repeated { size, std: 7.0 };
    Blur::new(&BlurConfig { timesteps: 40, kernel }, shape, &vec![10.0; shape.channels]).unwrap()
}

fn pixelate(shape: ImageShape) -> Pixelate {
    Pixelate::new(&PixelateConfig::default(), shape, &vec![10.0; shape.channels]).unwrap()
}

fn squares(pixelate: &Pixelate, x: &[f32], k: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.len()];
    pixelate.squares(x, k, &mut out);
    out
}

fn total(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x)).sum()
}

fn sorted(mut x: Vec<f32>) -> Vec<f32> {
    x.sort_by(f32::total_cmp);
    x
}

/// The state at `t` from the state at `s` <= `t` and the noise, without the image.
fn later(shape: usize, name: &str, x_s: &[f32], s: Timestep, t: Timestep, noise: &Noise) -> Vec<f32> {
    let size = SHAPES[shape];
    match name {
        "blur" => {
            let heat = Blur::new(&BlurConfig::default(), size, &vec![10.0; size.channels]).unwrap();
            let mut x_t = vec![f32::NAN; x_s.len()];
            PlaneKernel::heat(size, heat.tau(t).unwrap() - heat.tau(s).unwrap()).spread(x_s, &mut x_t);
            x_t
        }
        "pixelate" => {
            let pixelate = pixelate(size);
            let ((k, w), next) = (pixelate.level(s), |k: usize| squares(&pixelate, x_s, k));
            // A_(k+1) x_s = A_(k+1) x_0, so A_k x_0 follows, and every coarser A from that.
            let level = x_s.iter().zip(next(k + 1)).map(|(x, next)| (x - w * next) / (1.0 - w));
            pixelate.degraded(&level.collect::<Vec<_>>(), t, noise)
        }
        "fade" => {
            let fade = Fade::new(&FadeConfig::default(), size).unwrap();
            let masks = fade.mask(s, noise).zip(fade.mask(t, noise));
            let left: Vec<f32> = masks.map(|(s, t)| if s > 0.0 { t / s } else { 0.0 }).collect();
            x_s.iter().zip(left.iter().cycle()).map(|(x, left)| x * left).collect()
        }
        name => {
            let process = registered_for(shape, name);
            process.degraded(&process.inverted(x_s, s, noise).unwrap(), t, noise)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_repeated_kernel_goes_on_from_any_timestep(
        (shape, image) in shaped_images(), s in 0..=20usize, more in 0..=20usize
    ) {
        let blur = repeated(SHAPES[shape]);
        let noise = Noise::default();
        let there = blur.degraded(&blur.degraded(&image, Timestep(s), &noise), Timestep(more), &noise);
        let error = worst(&there, &blur.degraded(&image, Timestep(s + more), &noise));
        prop_assert!(error < 2e-6, "{error}");
    }

    #[test]
    fn coarser_squares_do_not_see_finer_ones(
        (shape, image) in shaped_images(), fine in 0..=7usize, more in 0..=7usize
    ) {
        let pixelate = pixelate(SHAPES[shape]);
        let last = pixelate.levels();
        let (fine, coarse) = (fine.min(last), (fine + more).min(last));
        let of_fine = squares(&pixelate, &squares(&pixelate, &image, fine), coarse);
        let error = worst(&of_fine, &squares(&pixelate, &image, coarse));
        prop_assert!(error < 1e-6, "{error}");
    }

    #[test]
    fn a_later_state_is_a_function_of_an_earlier_one(
        (shape, image) in shaped_images(), s in 0..100usize, share in 0.0..=1.0f64, seed in any::<u64>()
    ) {
        // Snow is left out, because a value that was clipped at white may fall below white again. Processes that add noise
        // are left out too.
        let t = Timestep(s + (share * (100 - s) as f64) as usize);
        let s = Timestep(s);
        for name in ["blur", "fade", "pixelate", "morph", "stir"] {
            let process = registered_for(shape, name);
            let noise = process.sample_noise(&mut rng(seed, 0));
            let found = later(shape, name, &process.degraded(&image, s, &noise), s, t, &noise);
            let error = worst(&found, &process.degraded(&image, t, &noise));
            // Rounding at s over what is left of the image there, at least 1.5 / T for morph.
            prop_assert!(error < 1e-4, "{name} from {} to {}: {error}", s.0, t.0);
        }
    }

    #[test]
    fn blur_and_pixelate_keep_the_total_of_each_channel_and_stir_keeps_every_value(
        (shape, image) in shaped_images(), share in 0.0..=1.0f64, seed in any::<u64>()
    ) {
        let pixels = SHAPES[shape].pixels();
        for process in [registered_for(shape, "blur"), registered_for(shape, "pixelate"), &repeated(SHAPES[shape])] {
            let t = Timestep((share * process.timesteps() as f64) as usize);
            let after = process.degraded(&image, t, &Noise::default());
            for (before, after) in image.chunks_exact(pixels).zip(after.chunks_exact(pixels)) {
                let (before, after) = (total(before), total(after));
                prop_assert!((before - after).abs() <= 2e-6 * before, "{}: {before} became {after}", process.name());
            }
        }
        let stir = registered_for(shape, "stir");
        let noise = stir.sample_noise(&mut rng(seed, 0));
        let stirred = stir.degraded(&image, Timestep((share * 100.0) as usize), &noise);
        for (before, after) in image.chunks_exact(pixels).zip(stirred.chunks_exact(pixels)) {
            prop_assert_eq!(sorted(after.to_vec()), sorted(before.to_vec()));
        }
    }

    #[test]
    fn snow_and_morph_end_in_their_prior_exactly((shape, image) in shaped_images(), seed in any::<u64>()) {
        for process in [registered_for(shape, "snow"), registered_for(shape, "morph")] {
            let noise = process.sample_noise(&mut rng(seed, 0));
            let end = process.degraded(&image, Timestep(process.timesteps()), &noise);
            prop_assert_eq!(&end, &process.prior_given(&noise, &mut rng(seed, 1)), "{}", process.name());
            // And noise is what the prior draws.
            prop_assert_eq!(process.prior(&mut rng(seed, 0)), end);
        }
    }
}

/// x_T of the test images `0..n`, each with its own noise.
fn ends(process: &dyn Degradation, n: usize) -> Vec<Vec<f32>> {
    let end = |i: usize| {
        let noise = process.sample_noise(&mut rng(30, i as u64));
        process.degraded(&process.state(&digit(i)), Timestep(process.timesteps()), &noise)
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
    let (n, end) = (4000, Timestep(process.timesteps()));
    let real = |i: usize| process.degraded(&unit(&mnist().train, i), end, &Noise::default())[0];
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
    let even = mean.iter().sum::<f64>() / PIXELS as f64;
    // Four and a half standard errors of a pixel whose greys have MNIST's standard deviation, 0.31.
    let off = mean.iter().map(|m| (m - even).abs()).fold(0.0, f64::max);
    assert!(off < 4.5 * 0.31 / 2000f64.sqrt(), "{off} of {even}");
}

#[test]
fn an_entry_that_cannot_be_inverted_says_so() {
    for (registered, process) in REGISTRY.iter().zip(processes()) {
        let noise = process.sample_noise(&mut rng(33, 0));
        let end = Timestep(process.timesteps());
        let x_t = process.degraded(&process.state(&digit(3)), end, &noise);
        if process.inverted(&x_t, end, &noise).is_none() {
            assert!(process.inverse().is_none_or(|inverse| inverse.tolerance().1 < end));
            let says =
                ["none", "not at all", "t < T"].iter().any(|words| registered.entry.inverse.contains(words));
            assert!(says, "{}: {}", registered.entry.name, registered.entry.inverse);
        }
    }
    assert!(repeated(MNIST).inverse().is_none());
}
