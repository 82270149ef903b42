//! The variational bounds against known values: closed forms for normal images, entropies of Poisson counts for a denoiser
//! that knows the image, nonnegative terms, and the refusal of input for which a bound is not defined.

use dm_degrade::degradations::ink::{Film, Ink, InkConfig};
use dm_degrade::degradations::{BlurConfig, GaussianConfig};
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{Degradation, DegradationConfig, Denoiser, Timestep};
use dm_eval::likelihood::{Bound, gaussian_bound, ink_bound, timesteps};
use dm_eval::streams::METRIC;
use dm_nn::image::ImageShape;
use dm_nn::rng::{Purpose, Seed};
use proptest::prelude::*;

const SEED: Seed = Seed(4);
const MNIST: ImageShape = ImageShape::new(1, 28, 28);
/// Shapes other than MNIST's: a single small one, and one that is not square and has three channels.
const SHAPES: [ImageShape; 2] = [ImageShape::new(1, 9, 8), ImageShape::new(3, 11, 17)];

fn gaussian(schedule: ScheduleConfig, shape: ImageShape) -> Box<dyn Degradation> {
    let config = GaussianConfig { timesteps: 1000, schedule, range: 1.0, cold: false };
    DegradationConfig::Gaussian(config).build(shape, &[]).unwrap()
}

/// Standard deviation of the grey images below, in units of the state.
const SPREAD: f64 = 0.2;

/// `count` values whose states are independent normal numbers of mean 0 and deviation [`SPREAD`], rounded to the nearest grey.
fn greys(count: usize) -> Vec<f32> {
    let mut rng = SEED.stream(Purpose(6), 0, 0);
    let grey = |_| {
        let state = SPREAD * f64::from(rng.normal());
        ((0.5 + 0.5 * state) * 255.0).round().clamp(0.0, 255.0) as f32 / 255.0
    };
    (0..count).map(grey).collect()
}

/// The exact posterior mean for these images.
struct Posterior<'a>(&'a dyn Degradation);

impl Posterior<'_> {
    fn alpha_sigma(&self, t: usize) -> (f64, f64) {
        let (a, b) = self.0.gaussian().unwrap().alpha_sigma(Timestep(t));
        (a.into(), b.into())
    }
}

impl Denoiser for Posterior<'_> {
    fn denoise(&self, x_t: &[f32], t: Timestep) -> dm_degrade::Result<Vec<f32>> {
        let (a, b) = self.alpha_sigma(t.0);
        let gain = a * SPREAD.powi(2) / ((a * SPREAD).powi(2) + b * b);
        Ok(x_t.iter().map(|&x| (gain * f64::from(x)) as f32).collect())
    }
}

fn sum(bound: &Bound) -> f64 {
    let parts = bound.parts.iter().map(|part| part.bits);
    parts.chain(bound.terms.iter().map(|term| term.bits)).sum()
}

#[test]
fn normal_images_have_closed_form_terms() {
    for schedule in [ScheduleConfig::Cosine, ScheduleConfig::Linear { beta_1: 1e-4, beta_t: 0.02 }] {
        check_closed_forms(schedule, MNIST, 40);
    }
    for shape in SHAPES {
        check_closed_forms(ScheduleConfig::Cosine, shape, 40 * 784 / shape.len());
    }
}

fn check_closed_forms(schedule: ScheduleConfig, shape: ImageShape, n: usize) {
    let process = gaussian(schedule, shape);
    let posterior = Posterior(process.as_ref());
    let visited = timesteps(process.as_ref(), 200).unwrap();
    let images = greys(n * shape.len());
    let mut done = 0;
    let bound =
        gaussian_bound(process.as_ref(), &posterior, &images, &visited, SEED, &mut |n| done += n).unwrap();
    assert_eq!(done, n * (visited.len() - 1));
    assert_eq!((bound.n, bound.images.len(), bound.terms.len()), (n, n, visited.len() - 1));
    assert!((sum(&bound) - bound.total).abs() < 1e-9);
    // The expected squared error is the posterior variance, whatever x_t is.
    let noise = 6.0 * (2.0 / images.len() as f64).sqrt();
    for term in bound.terms.iter().filter(|term| term.s > 0) {
        let ((a_t, b_t), (a_s, b_s)) = (posterior.alpha_sigma(term.t), posterior.alpha_sigma(term.s));
        let variance = (SPREAD * b_t).powi(2) / ((a_t * SPREAD).powi(2) + b_t * b_t);
        let snr = (a_s / b_s).powi(2) - (a_t / b_t).powi(2);
        let expected = 0.5 * snr * variance / std::f64::consts::LN_2;
        // Rounding to greys adds a twelfth of a squared grey to the variance, 4e-4 of it.
        assert!((term.bits / expected - 1.0).abs() < noise + 2e-3, "{shape}: {term:?} for {expected}");
        assert!(term.bits >= 0.0);
    }
    assert!(bound.parts[0].bits >= 0.0 && bound.parts[0].bits < 1e-3);
    // No model needs fewer bits than the entropy. The smaller of the two possible variances, which is correct for a single
    // image, is too small for images that are noise. Where b_t^2 is proportional to t, even the finest chain pays
    // sum 1/2 (1/(t-1) - ln(t/(t-1))) = gamma/2 nats, that is 0.42 bits, too many (fewer with the linear schedule, whose first
    // timestep contains two steps), and the intervals of the decoder are wide.
    let width = 2.0 / 255.0;
    let entropy = (SPREAD / width * (std::f64::consts::TAU * std::f64::consts::E).sqrt()).log2();
    let all = timesteps(process.as_ref(), 1000).unwrap();
    let fine = gaussian_bound(process.as_ref(), &posterior, &images, &all, SEED, &mut |_| ()).unwrap();
    let [low, high] = fine.interval.unwrap();
    assert!(low < fine.total && fine.total < high && high - low < 0.06, "{shape}: {low} to {high}");
    assert!((0.25..0.65).contains(&(fine.total - entropy)), "{shape}: {} for {entropy}", fine.total);
    assert!(bound.total > fine.total, "a chain of fewer steps is a worse model");
}

#[test]
fn a_bound_depends_only_on_seed_and_image() {
    let process = gaussian(ScheduleConfig::Cosine, MNIST);
    let posterior = Posterior(process.as_ref());
    let visited = timesteps(process.as_ref(), 3).unwrap();
    let run = |images: &[f32], seed| {
        gaussian_bound(process.as_ref(), &posterior, images, &visited, seed, &mut |_| ()).unwrap().images
    };
    let images = greys(35 * MNIST.len());
    let all = run(&images, SEED);
    assert_eq!(all, run(&images, SEED));
    assert_eq!(all[..3], run(&images[..3 * MNIST.len()], SEED));
    assert_ne!(all, run(&images, Seed(5)));
}

/// An image of `shape` with a full and a half-full bar. The channels have different intensities.
fn bars(shape: ImageShape) -> Vec<f32> {
    let (height, width) = (shape.height, shape.width);
    let (rows, short_rows) = (height * 6 / 28..height * 22 / 28, height * 6 / 28..height * 9 / 28);
    let (columns, short_columns) = (width * 12 / 28..width * 15 / 28, width * 15 / 28..width * 20 / 28);
    let value = |p: usize| {
        let (channel, y, x) = (p / shape.pixels(), p / width % height, p % width);
        let full = 1.0 / (1 + channel) as f32;
        match (rows.contains(&y), short_rows.contains(&y)) {
            (true, _) if columns.contains(&x) => full,
            (_, true) if short_columns.contains(&x) => 0.5 * full,
            _ => 0.0,
        }
    };
    (0..shape.len()).map(value).collect()
}

/// Ink for which the prior is the distribution of the grains of `image` at T: its totals and its shares are those of the image.
fn ink(density: f32, density_end: f32, image: &[f32], shape: ImageShape) -> Ink {
    let totals = image.chunks_exact(shape.pixels()).flat_map(|plane| vec![plane.iter().sum::<f32>(); 257]);
    let fitted: Vec<f32> = totals.chain(image.iter().copied()).collect();
    Ink::new(&InkConfig { density, density_end, ..InkConfig::default() }, shape, &fitted).unwrap()
}

/// The clean state of `image`.
fn clean_state(ink: &Ink, image: &[f32]) -> Vec<f32> {
    let mut state = vec![0.0; image.len()];
    ink.codec().encode_image(image, &mut state);
    state
}

/// Returns the clean state of the image, whatever the degraded one is.
struct Oracle(Vec<f32>);

impl Denoiser for Oracle {
    fn denoise(&self, x_t: &[f32], _: Timestep) -> dm_degrade::Result<Vec<f32>> {
        Ok(self.0.iter().copied().cycle().take(x_t.len()).collect())
    }
}

/// Ignores the degraded image and returns a uniform intensity.
struct Even;

impl Denoiser for Even {
    fn denoise(&self, x_t: &[f32], _: Timestep) -> dm_degrade::Result<Vec<f32>> {
        Ok(vec![1.0; x_t.len()])
    }
}

/// Entropy of a Poisson number in bits.
fn poisson_entropy(mean: f64) -> f64 {
    if mean == 0.0 {
        return 0.0;
    }
    let (mut ln_p, mut entropy) = (-mean, 0.0);
    for k in 0..2000 {
        if k > 0 {
            ln_p += (mean / f64::from(k)).ln();
        }
        entropy -= ln_p.exp() * ln_p;
    }
    entropy / std::f64::consts::LN_2
}

#[test]
fn with_an_oracle_grains_cost_their_entropy_for_any_number_of_steps() {
    for (density, density_end) in [(4.0, 4.0), (64.0, 64.0), (64.0, 1.0)] {
        check_entropy(density, density_end, MNIST);
    }
    for shape in SHAPES {
        check_entropy(64.0, 1.0, shape);
    }
}

fn check_entropy(density: f32, density_end: f32, shape: ImageShape) {
    let image = bars(shape);
    let ink = ink(density, density_end, &image, shape);
    let oracle = Oracle(clean_state(&ink, &image));
    let images = image.repeat(40);
    let entropy: f64 = image.iter().map(|&v| poisson_entropy(f64::from(v * density))).sum();
    let mut totals = Vec::new();
    for steps in [1, 7, 60] {
        let visited = timesteps(&ink, steps).unwrap();
        let bound = ink_bound(&ink, &oracle, &images, &visited, SEED, &mut |_| ()).unwrap();
        assert!((sum(&bound) - bound.total).abs() < 1e-9);
        assert_eq!(bound.parts.len(), 3);
        totals.push(bound.images.clone());
        let [low, high] = bound.interval.unwrap();
        // An error of the full width of the interval is allowed, about four standard errors.
        let (middle, half) = (0.5 * (low + high), high - low);
        let expected = entropy / shape.len() as f64;
        assert!((middle - expected).abs() < half, "{shape}, {density}, {steps}: {middle} for {expected}");
    }
    let spread = |totals: &[f64]| {
        let mean = totals.iter().sum::<f64>() / totals.len() as f64;
        (totals.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / totals.len() as f64).sqrt()
    };
    // Only the random counts vary, as much for 60 steps as for one.
    let (one, many) = (spread(&totals[0]), spread(&totals[2]));
    assert!(many < 2.0 * one, "{shape}: {one} and {many}");
}

#[test]
fn with_an_oracle_the_bound_is_the_exact_likelihood_of_the_counts() {
    // Along any walk, -log p(n_0) is then a sum of Poisson terms of the counts.
    for shape in [&[MNIST][..], &SHAPES].concat() {
        for density_end in [16.0, 0.5] {
            check_exact(16.0, density_end, shape);
        }
    }
}

fn check_exact(density: f32, density_end: f32, shape: ImageShape) {
    let image = bars(shape);
    let ink = ink(density, density_end, &image, shape);
    let clean = clean_state(&ink, &image);
    let visited = timesteps(&ink, 25).unwrap();
    let ascending: Vec<Timestep> = visited.iter().rev().copied().collect();
    let bound = ink_bound(&ink, &Oracle(clean.clone()), &image, &visited, SEED, &mut |_| ()).unwrap();
    let film = Film::record(&ink, &clean, &ascending, &mut SEED.stream(METRIC, 0, 0)).unwrap();
    let cost = |(&n, &v): (&f32, &f32)| -> f64 {
        let mean = f64::from(v * density);
        if mean == 0.0 {
            return 0.0;
        }
        let ln_factorial: f64 = (1..=n as u32).map(|k| f64::from(k).ln()).sum();
        mean - f64::from(n) * mean.ln() + ln_factorial
    };
    let nats: f64 = film.counts(0).iter().zip(&image).map(cost).sum();
    let expected = nats / std::f64::consts::LN_2 / shape.len() as f64;
    assert!((bound.total - expected).abs() < 1e-4, "{shape}: {} for {expected}", bound.total);
    assert!((bound.irreducible.unwrap() - expected).abs() < 1e-9, "all of it is shot noise");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_bounds_hold_for_any_shape(channels in 1usize..=4, height in 8usize..=20, width in 8usize..=20) {
        let shape = ImageShape::new(channels, height, width);
        check_exact(16.0, 0.5, shape);
        // The bound of Gaussian noise adds up, and is larger for a denoiser that knows nothing.
        let process = gaussian(ScheduleConfig::Cosine, shape);
        let (posterior, images) = (Posterior(process.as_ref()), greys(2 * shape.len()));
        let visited = timesteps(process.as_ref(), 10).unwrap();
        let bound = |denoiser: &dyn Denoiser| {
            gaussian_bound(process.as_ref(), denoiser, &images, &visited, SEED, &mut |_| ()).unwrap()
        };
        let (best, even) = (bound(&posterior), bound(&Even));
        prop_assert!((sum(&best) - best.total).abs() < 1e-9);
        prop_assert!(best.terms.iter().all(|term| term.bits >= 0.0));
        prop_assert!(even.total > best.total);
    }
}

#[test]
fn grains_cost_more_without_knowledge_and_no_expected_term_is_negative() {
    for shape in [MNIST, SHAPES[1]] {
        let image = bars(shape);
        let ink = ink(16.0, 1.0, &image, shape);
        let visited = timesteps(&ink, 12).unwrap();
        let images = image.repeat(64);
        let oracle = Oracle(clean_state(&ink, &image));
        let best = ink_bound(&ink, &oracle, &images, &visited, SEED, &mut |_| ()).unwrap();
        let even = ink_bound(&ink, &Even, &images, &visited, SEED, &mut |_| ()).unwrap();
        assert!(even.total > best.total + 0.1, "{shape}: {} and {}", even.total, best.total);
        assert_eq!(even.irreducible, best.irreducible);
        for bound in [&best, &even] {
            for term in &bound.terms {
                // A divergence, estimated along the walks of the grains of 64 images: a value below zero is random.
                assert!(term.bits > -2e-3, "{shape}: {term:?}");
            }
        }
    }
}

#[test]
fn an_empty_image_has_no_grains_to_place() {
    for shape in [MNIST, SHAPES[1]] {
        let ink = ink(16.0, 16.0, &bars(shape), shape);
        let visited = timesteps(&ink, 5).unwrap();
        let empty = vec![0.0; shape.len()];
        let bound = ink_bound(&ink, &Even, &empty, &visited, SEED, &mut |_| ()).unwrap();
        assert!(bound.terms.iter().all(|term| term.bits == 0.0));
        assert!(bound.total > 0.0 && bound.total.is_finite() && bound.interval.is_none());
    }
}

#[test]
fn input_without_a_bound_is_refused_by_name() {
    let process = gaussian(ScheduleConfig::Cosine, MNIST);
    let visited = timesteps(process.as_ref(), 5).unwrap();
    let posterior = Posterior(process.as_ref());
    let message = |images: &[f32], visited: &[Timestep]| {
        gaussian_bound(process.as_ref(), &posterior, images, visited, SEED, &mut |_| ())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(message(&[], &visited), "images: expected 784 values, found 0");
    assert_eq!(message(&[0.5; 800], &visited), "images: expected 784 values, found 800");
    let mut odd = vec![0.0; MNIST.len()];
    odd[3] = f32::NAN;
    assert!(message(&odd, &visited).starts_with("images: row 0, column 3 is NaN"));
    for bad in [&visited[1..], &visited[..4], &[1000, 5, 5, 0].map(Timestep)[..]] {
        let text = message(&[0.0; MNIST.len()], bad);
        assert!(
            text.starts_with("gaussian bound: timesteps: expected timesteps that descend from 1000 to 0"),
            "{text}"
        );
    }
    let blur = DegradationConfig::Blur(BlurConfig::default()).build(MNIST, &[100.0]).unwrap();
    let visited = timesteps(blur.as_ref(), 5).unwrap();
    let text =
        gaussian_bound(blur.as_ref(), &Even, &[0.0; MNIST.len()], &visited, SEED, &mut |_| ()).unwrap_err();
    assert_eq!(text.to_string(), "gaussian bound: degradation: expected a Gaussian one, found blur");
}

#[test]
fn timestep_1_is_always_visited() {
    let process = gaussian(ScheduleConfig::Cosine, MNIST);
    let found =
        |steps| -> Vec<usize> { timesteps(process.as_ref(), steps).unwrap().iter().map(|t| t.0).collect() };
    assert_eq!(found(4), [1000, 563, 250, 63, 1, 0]);
    assert_eq!(found(40)[35..], [16, 10, 6, 3, 1, 0]);
    let ink = ink(16.0, 1.0, &bars(MNIST), MNIST);
    let uniform: Vec<usize> = timesteps(&ink, 4).unwrap().iter().map(|t| t.0).collect();
    assert_eq!(uniform, [1000, 750, 500, 250, 1, 0]);
    assert_eq!(found(1000), (0..=1000).rev().collect::<Vec<_>>());
    assert!(timesteps(process.as_ref(), 0).is_err() && timesteps(process.as_ref(), 1001).is_err());
}
