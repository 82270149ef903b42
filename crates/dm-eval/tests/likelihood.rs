//! The variational bounds against what they must be: closed forms of a normal law, entropies of Poisson counts under a
//! restorer that knows the image, non-negative terms, and refusal of what they are not defined for.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use dm_degrade::degradations::ink::{Ink, InkConfig};
use dm_degrade::degradations::{BlurConfig, GaussianConfig};
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{Degradation, DegradationConfig, Level, Restorer};
use dm_eval::likelihood::{Bound, gaussian_bound, ink_bound, levels};
use dm_nn::data::{PIXELS, SIDE};
use dm_nn::rng::{Seed, Stream};

const SEED: Seed = Seed(4);

fn gaussian(schedule: ScheduleConfig) -> Box<dyn Degradation> {
    let config = GaussianConfig { steps: 1000, schedule, range: 1.0, cold: false };
    DegradationConfig::Gaussian(config).build(&[]).unwrap()
}

/// Standard deviation of the grey pixels below, as a state.
const SPREAD: f64 = 0.2;

/// Images whose pixels are independent normals of mean 0 and [`SPREAD`], rounded to the nearest grey.
fn greys(n: usize) -> Vec<f32> {
    let mut rng = SEED.stream(Stream::Sample, 0, 0);
    let grey = |_| {
        let state = SPREAD * f64::from(rng.normal());
        ((0.5 + 0.5 * state) * 255.0).round().clamp(0.0, 255.0) as f32 / 255.0
    };
    (0..n * PIXELS).map(grey).collect()
}

/// The exact posterior mean for those pixels.
struct Posterior<'a>(&'a dyn Degradation);

impl Posterior<'_> {
    fn at(&self, level: usize) -> (f64, f64) {
        let (a, b) = self.0.signal_and_noise(Level(level)).unwrap();
        (a.into(), b.into())
    }
}

impl Restorer for Posterior<'_> {
    fn restore(&self, x_t: &[f32], level: Level) -> dm_degrade::Result<Vec<f32>> {
        let (a, b) = self.at(level.0);
        let gain = a * SPREAD.powi(2) / ((a * SPREAD).powi(2) + b * b);
        Ok(x_t.iter().map(|&x| (gain * f64::from(x)) as f32).collect())
    }
}

fn sum(bound: &Bound) -> f64 {
    let parts = bound.parts.iter().map(|part| part.bits);
    parts.chain(bound.terms.iter().map(|term| term.bits)).sum()
}

#[test]
fn a_normal_law_has_its_closed_form_term_by_term() {
    for schedule in [ScheduleConfig::Cosine, ScheduleConfig::Linear { beta_1: 1e-4, beta_t: 0.02 }] {
        let process = gaussian(schedule);
        let posterior = Posterior(process.as_ref());
        let visited = levels(process.as_ref(), 200).unwrap();
        let mut ticks = 0;
        let bound =
            gaussian_bound(process.as_ref(), &posterior, &greys(40), &visited, SEED, &mut |n| ticks += n)
                .unwrap();
        assert_eq!(ticks, 40 * (visited.len() - 1));
        assert_eq!((bound.n, bound.images.len(), bound.terms.len()), (40, 40, visited.len() - 1));
        assert!((sum(&bound) - bound.total).abs() < 1e-9);
        // The expected squared error is the posterior variance, whatever x_t is.
        let noise = 6.0 * (2.0 / (40.0 * PIXELS as f64)).sqrt();
        for term in bound.terms.iter().filter(|term| term.s > 0) {
            let ((a_t, b_t), (a_s, b_s)) = (posterior.at(term.t), posterior.at(term.s));
            let left = (SPREAD * b_t).powi(2) / ((a_t * SPREAD).powi(2) + b_t * b_t);
            let snr = (a_s / b_s).powi(2) - (a_t / b_t).powi(2);
            let expected = 0.5 * snr * left / std::f64::consts::LN_2;
            // Rounding to greys adds a twelfth of a squared grey to the variance, 4e-4 of it.
            assert!((term.bits / expected - 1.0).abs() < noise + 2e-3, "{term:?} for {expected}");
            assert!(term.bits >= 0.0);
        }
        assert!(bound.parts[0].bits >= 0.0 && bound.parts[0].bits < 1e-3);
        // No model needs fewer bits than the entropy. The smaller variance, right for a single image, is too small for
        // images that are noise: where b_t^2 grows like t, the finest chain still pays
        // sum 1/2 (1/(t-1) - ln(t/(t-1))) = gamma/2 nats, 0.42 bits, too many (less on the linear schedule, whose first
        // level holds two steps), and the decoder's cells are coarse.
        let width = 2.0 / 255.0;
        let entropy = (SPREAD / width * (std::f64::consts::TAU * std::f64::consts::E).sqrt()).log2();
        let all = levels(process.as_ref(), 1000).unwrap();
        let fine = gaussian_bound(process.as_ref(), &posterior, &greys(40), &all, SEED, &mut |_| ()).unwrap();
        let [low, high] = fine.interval.unwrap();
        assert!(low < fine.total && fine.total < high && high - low < 0.06, "{low} to {high}");
        assert!((0.25..0.65).contains(&(fine.total - entropy)), "{} for {entropy}", fine.total);
        assert!(bound.total > fine.total, "fewer steps, a worse model");
    }
}

#[test]
fn a_bound_depends_on_seed_and_image_alone() {
    let process = gaussian(ScheduleConfig::Cosine);
    let posterior = Posterior(process.as_ref());
    let visited = levels(process.as_ref(), 3).unwrap();
    let run = |images: &[f32], seed| {
        gaussian_bound(process.as_ref(), &posterior, images, &visited, seed, &mut |_| ()).unwrap().images
    };
    let images = greys(35);
    let all = run(&images, SEED);
    assert_eq!(all, run(&images, SEED));
    assert_eq!(all[..3], run(&images[..3 * PIXELS], SEED));
    assert_ne!(all, run(&images, Seed(5)));
}

/// An image with a bar of ink, one of half ink, and nothing else.
fn bars() -> Vec<f32> {
    let ink = |p: usize| match (p / SIDE, p % SIDE) {
        (6..22, 12..15) => 1.0,
        (6..9, 15..20) => 0.5,
        _ => 0.0,
    };
    (0..PIXELS).map(ink).collect()
}

fn ink(density: f32, density_end: f32, image: &[f32]) -> Ink {
    // The prior's total is the image's, and its shares are the image's at level T: the right model of this one image.
    let total: f32 = image.iter().sum();
    let fitted = [vec![total; 257], image.to_vec()].concat();
    Ink::new(&InkConfig { density, density_end, ..InkConfig::default() }, &fitted).unwrap()
}

/// Knows the image.
struct Oracle(Vec<f32>);

impl Restorer for Oracle {
    fn restore(&self, x_t: &[f32], _: Level) -> dm_degrade::Result<Vec<f32>> {
        Ok(self.0.iter().copied().cycle().take(x_t.len()).collect())
    }
}

/// Knows nothing: even ink.
struct Even;

impl Restorer for Even {
    fn restore(&self, x_t: &[f32], _: Level) -> dm_degrade::Result<Vec<f32>> {
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
fn an_oracles_grains_cost_their_entropy_whatever_the_steps() {
    let image = bars();
    for (density, density_end) in [(4.0, 4.0), (64.0, 64.0), (64.0, 1.0)] {
        let ink = ink(density, density_end, &image);
        let oracle = Oracle(ink.to_state(&image));
        let n = 40;
        let images = image.repeat(n);
        let entropy: f64 = image.iter().map(|&v| poisson_entropy(f64::from(v * density))).sum();
        let mut totals = Vec::new();
        for steps in [1, 7, 60] {
            let visited = levels(&ink, steps).unwrap();
            let bound = ink_bound(&ink, &oracle, &images, &visited, SEED, &mut |_| ()).unwrap();
            assert!((sum(&bound) - bound.total).abs() < 1e-9);
            assert_eq!(bound.parts.len(), 3);
            totals.push(bound.images.clone());
            let [low, high] = bound.interval.unwrap();
            // Twice the interval: five standard errors are allowed.
            let (middle, half) = (0.5 * (low + high), high - low);
            let expected = entropy / PIXELS as f64;
            assert!((middle - expected).abs() < half, "{density}, {steps}: {middle} for {expected}");
        }
        let spread = |totals: &[f64]| {
            let mean = totals.iter().sum::<f64>() / totals.len() as f64;
            (totals.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / totals.len() as f64).sqrt()
        };
        // Only the draw of the grains is left to vary: as much for 60 steps as for one.
        let (one, many) = (spread(&totals[0]), spread(&totals[2]));
        assert!(many < 2.0 * one, "{one} and {many}");
    }
}

#[test]
fn the_oracles_bound_is_the_likelihood_of_its_grains_exactly() {
    // Along any walk: -log p(n_0) is then a sum of Poisson terms of the very counts.
    let (image, density) = (bars(), 16.0);
    for density_end in [density, 0.5] {
        exactly(&image, density, &ink(density, density_end, &image));
    }
}

fn exactly(image: &[f32], density: f32, ink: &Ink) {
    let oracle = Oracle(ink.to_state(image));
    let visited = levels(ink, 25).unwrap();
    let ascending: Vec<Level> = visited.iter().rev().copied().collect();
    let bound = ink_bound(ink, &oracle, image, &visited, SEED, &mut |_| ()).unwrap();
    let mut rng = SEED.stream(Stream::Metric, 0, 0);
    let film =
        dm_degrade::degradations::ink::Film::record(ink, &ink.to_state(image), &ascending, &mut rng).unwrap();
    let cost = |(&n, &v): (&f32, &f32)| -> f64 {
        let mean = f64::from(v * density);
        if mean == 0.0 {
            return 0.0;
        }
        let ln_factorial: f64 = (1..=n as u32).map(|k| f64::from(k).ln()).sum();
        mean - f64::from(n) * mean.ln() + ln_factorial
    };
    let nats: f64 = film.counts(0).iter().zip(image).map(cost).sum();
    let expected = nats / std::f64::consts::LN_2 / PIXELS as f64;
    assert!((bound.total - expected).abs() < 1e-4, "{} for {expected}", bound.total);
    assert!((bound.floor.unwrap() - expected).abs() < 1e-9, "which is all shot noise");
}

#[test]
fn grains_cost_more_without_knowledge_and_no_term_pays_back() {
    let image = bars();
    let ink = ink(16.0, 1.0, &image);
    let visited = levels(&ink, 12).unwrap();
    let images = image.repeat(64);
    let oracle = Oracle(ink.to_state(&image));
    let best = ink_bound(&ink, &oracle, &images, &visited, SEED, &mut |_| ()).unwrap();
    let even = ink_bound(&ink, &Even, &images, &visited, SEED, &mut |_| ()).unwrap();
    assert!(even.total > best.total + 0.1, "{} and {}", even.total, best.total);
    assert_eq!(even.floor, best.floor);
    for bound in [&best, &even] {
        for term in &bound.terms {
            // A divergence, drawn along 64 x 900 walks: what is below zero is the draw's noise.
            assert!(term.bits > -2e-3, "{term:?}");
        }
    }
}

#[test]
fn a_blank_page_has_no_grains_to_place() {
    let ink = ink(16.0, 16.0, &bars());
    let visited = levels(&ink, 5).unwrap();
    let bound = ink_bound(&ink, &Even, &[0.0; PIXELS], &visited, SEED, &mut |_| ()).unwrap();
    assert!(bound.terms.iter().all(|term| term.bits == 0.0));
    assert!(bound.total > 0.0 && bound.total.is_finite() && bound.interval.is_none());
}

#[test]
fn what_has_no_bound_is_refused_by_name() {
    let process = gaussian(ScheduleConfig::Cosine);
    let visited = levels(process.as_ref(), 5).unwrap();
    let posterior = Posterior(process.as_ref());
    let say = |images: &[f32], visited: &[Level]| {
        gaussian_bound(process.as_ref(), &posterior, images, visited, SEED, &mut |_| ())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(say(&[], &visited), "images: expected 784 values, found 0");
    assert_eq!(say(&[0.5; 800], &visited), "images: expected 784 values, found 800");
    let mut odd = vec![0.0; PIXELS];
    odd[3] = f32::NAN;
    assert!(say(&odd, &visited).starts_with("images: row 0, column 3 is NaN"));
    for bad in [&visited[1..], &visited[..4], &[Level(1000), Level(5), Level(5), Level(0)][..]] {
        let text = say(&[0.0; PIXELS], bad);
        assert!(
            text.starts_with("gaussian bound: levels: expected levels that descend from 1000 to 0"),
            "{text}"
        );
    }
    let blur = DegradationConfig::Blur(BlurConfig::default()).build(&[100.0]).unwrap();
    let visited = levels(blur.as_ref(), 5).unwrap();
    let text = gaussian_bound(blur.as_ref(), &Even, &[0.0; PIXELS], &visited, SEED, &mut |_| ()).unwrap_err();
    assert_eq!(text.to_string(), "gaussian bound: degradation: expected a Gaussian one, found blur");
}

#[test]
fn levels_always_pass_level_one() {
    let process = gaussian(ScheduleConfig::Cosine);
    let found = |steps| -> Vec<usize> {
        levels(process.as_ref(), steps).unwrap().iter().map(|level| level.0).collect()
    };
    assert_eq!(found(4), [1000, 563, 250, 63, 1, 0]);
    assert_eq!(found(40)[35..], [16, 10, 6, 3, 1, 0]);
    let ink = ink(16.0, 1.0, &bars());
    let even: Vec<usize> = levels(&ink, 4).unwrap().iter().map(|level| level.0).collect();
    assert_eq!(even, [1000, 750, 500, 250, 1, 0]);
    assert_eq!(found(1000), (0..=1000).rev().collect::<Vec<_>>());
    assert!(levels(process.as_ref(), 0).is_err() && levels(process.as_ref(), 1001).is_err());
}
