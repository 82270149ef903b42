//! Samplers against laws known in closed form: every value is an independent draw of a mixture of two normals, whose posterior
//! mean is exact. Stochastic samplers must have its law, solvers must converge to its probability flow at their order, and
//! cold diffusion loses the variance that theory says it loses.

use dm_degrade::degradations::GaussianConfig;
use dm_degrade::samplers::Variance;
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{Degradation, DegradationConfig, Denoiser, Noise, Result, SamplerKind, Sampling, Timestep};

use super::samplers::{name, run};
use super::slices::Slices;
use super::{MNIST, PIXELS, rng, worst};

/// Weight, mean and standard deviation of each part of the mixture.
pub type Mixture = &'static [(f64, f64, f64)];

const TWO: Mixture = &[(0.3, -1.0, 0.25), (0.7, 0.6, 0.35)];
pub const NORMAL: Mixture = &[(1.0, 0.0, 1.0)];

/// Gaussian noise on images so wide that clipping never bites.
fn process(timesteps: usize) -> Box<dyn Degradation> {
    let config = GaussianConfig { timesteps, schedule: ScheduleConfig::Cosine, range: 10.0, cold: false };
    DegradationConfig::Gaussian(config).build(MNIST, &[]).unwrap()
}

/// The exact posterior mean of the mixture under a process.
struct Exact<'a>(Mixture, &'a dyn Degradation);

impl Exact<'_> {
    fn at(&self, t: Timestep) -> (f64, f64) {
        let (a, b) = self.1.gaussian().unwrap().alpha_sigma(t);
        (a.into(), b.into())
    }
}

impl Denoiser for Exact<'_> {
    fn denoise(&self, x_t: &[f32], t: Timestep) -> Result<Vec<f32>> {
        let (a, b) = self.at(t);
        let mean = |x: &f32| {
            let (x, mut total, mut sum) = (f64::from(*x), 0.0, 0.0);
            for (weight, mean, spread) in self.0 {
                let variance = (a * spread).powi(2) + b * b;
                let off = x - a * mean;
                let likely = weight * (-0.5 * off * off / variance).exp() / variance.sqrt();
                total += likely;
                sum += likely * (mean + a * spread * spread / variance * off);
            }
            (sum / total) as f32
        };
        Ok(x_t.iter().map(mean).collect())
    }
}

/// The distribution function of the mixture where signal and noise are a and b.
fn below(mixture: Mixture, (a, b): (f64, f64), x: f64) -> f64 {
    let part = |(weight, mean, spread): &(f64, f64, f64)| {
        weight * normal_below((x - a * mean) / ((a * spread).powi(2) + b * b).sqrt())
    };
    mixture.iter().map(part).sum()
}

/// P(z <= x) of a standard normal: the series of Marsaglia 2004, to rounding within 7 standard deviations.
fn normal_below(x: f64) -> f64 {
    if x.abs() > 7.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum, mut k) = (x, x, 1.0);
    while f64::abs(term) > 1e-17 {
        k += 2.0;
        term *= x * x / k;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

/// sqrt(n) times the largest gap between the draws' distribution function and the mixture's (Kolmogorov and Smirnov);
/// above 1.95 once in 1,000 if the law is right.
pub fn gap(mixture: Mixture, draws: &[f32]) -> f64 {
    let mut sorted: Vec<f64> = draws.iter().map(|&x| f64::from(x)).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let each = sorted.iter().enumerate().map(|(i, &x)| {
        let due = below(mixture, (1.0, 0.0), x);
        (due - i as f64 / n).abs().max(((i + 1) as f64 / n - due).abs())
    });
    each.fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn samplers_reproduce_a_mixture() {
    // 300 timesteps: what the steps are too coarse for is below what 25,088 draws can show.
    let process = process(300);
    let exact = Exact(TWO, process.as_ref());
    let ddim = |eta| Sampling { eta, ..Sampling::new(SamplerKind::Ddim, 300) };
    for sampling in [
        Sampling::new(SamplerKind::Ancestral, 300),
        Sampling::new(SamplerKind::Ancestral2m, 300),
        larger_variance(300),
        Sampling::new(SamplerKind::DdpmNotebook, 300),
        ddim(0.0),
        ddim(0.5),
        ddim(1.0),
        Sampling::new(SamplerKind::Dpmpp2m, 300),
        Sampling::new(SamplerKind::Heun, 300),
    ] {
        let draws = run(sampling, process.as_ref(), &exact, 0..32).unwrap();
        let gap = gap(TWO, &draws);
        assert!(gap < 1.95, "{} with eta {}: {gap:.2}", name(&sampling), sampling.eta);
    }
}

/// DDPM's larger variance.
fn larger_variance(nfe: usize) -> Sampling {
    Sampling { variance: Variance::Beta, ..Sampling::new(SamplerKind::Ancestral, nfe) }
}

#[test]
fn the_test_has_power() {
    // Algorithm 1 of cold diffusion, and ancestral sampling in ten steps, do not have the law.
    let process = process(300);
    let exact = Exact(TWO, process.as_ref());
    for sampling in [Sampling::new(SamplerKind::ColdNaive, 300), larger_variance(10)] {
        let draws = run(sampling, process.as_ref(), &exact, 0..32).unwrap();
        assert!(gap(TWO, &draws) > 4.0, "{}", name(&sampling));
    }
}

#[test]
fn the_larger_variance_is_exact_for_standard_normal_images() {
    // In four steps: x_s given x_t is then normal with exactly this variance. The smaller one loses variance.
    let process = process(300);
    let exact = Exact(NORMAL, process.as_ref());
    let draws = |sampling| run(sampling, process.as_ref(), &exact, 0..32).unwrap();
    // The last step returns the posterior mean of x at t = 75, of variance a^2.
    let a = process.gaussian().unwrap().alpha_sigma(Timestep(75)).0;
    let scaled: Vec<f32> = draws(larger_variance(4)).iter().map(|x| x / a).collect();
    assert!(gap(NORMAL, &scaled) < 1.95);
    let scaled: Vec<f32> = draws(Sampling::new(SamplerKind::Ancestral, 4)).iter().map(|x| x / a).collect();
    assert!(gap(NORMAL, &scaled) > 4.0);
}

#[test]
fn ddim_with_eta_one_is_ancestral() {
    let process = process(300);
    let exact = Exact(TWO, process.as_ref());
    let ddim = Sampling { eta: 1.0, ..Sampling::new(SamplerKind::Ddim, 20) };
    let ancestral = Sampling::new(SamplerKind::Ancestral, 20);
    let [ddim, ancestral] = [ddim, ancestral].map(|s| run(s, process.as_ref(), &exact, 0..2).unwrap());
    assert!(worst(&ddim, &ancestral) < 1e-4, "{}", worst(&ddim, &ancestral));
}

#[test]
fn ancestral_with_variance_beta_over_every_timestep_is_the_notebooks() {
    let process = process(300);
    let exact = Exact(TWO, process.as_ref());
    let each = [larger_variance(300), Sampling::new(SamplerKind::DdpmNotebook, 300)];
    let [ancestral, notebook] = each.map(|s| run(s, process.as_ref(), &exact, 0..2).unwrap());
    assert!(worst(&ancestral, &notebook) < 1e-4, "{}", worst(&ancestral, &notebook));
}

/// Where the probability flow takes `x` from timestep T: it keeps the order of points, so quantile goes to quantile.
fn flow(exact: &Exact<'_>, x: f64) -> f64 {
    let due = below(exact.0, exact.at(Timestep(exact.1.timesteps())), x);
    let (mut low, mut high) = (-9.0, 9.0);
    while high - low > 1e-12 {
        let middle = 0.5 * (low + high);
        if below(exact.0, (1.0, 0.0), middle) < due { low = middle } else { high = middle }
    }
    low
}

#[test]
fn solvers_converge_to_the_probability_flow_at_their_order() {
    let process = process(1024);
    let exact = Exact(TWO, process.as_ref());
    let start = process.prior(&mut super::samplers::stream(0, Timestep(1024)));
    let truth: Vec<f64> = start.iter().map(|&x| flow(&exact, x.into())).collect();
    for (sampler, order) in [(SamplerKind::Ddim, 1.0), (SamplerKind::Dpmpp2m, 2.0), (SamplerKind::Heun, 2.0)]
    {
        let error = |intervals: usize| {
            let nfe = if sampler == SamplerKind::Heun { 2 * intervals - 1 } else { intervals };
            let found = run(Sampling::new(sampler, nfe), process.as_ref(), &exact, 0..1).unwrap();
            let squares = found.iter().zip(&truth).map(|(x, truth)| (f64::from(*x) - truth).powi(2));
            (squares.sum::<f64>() / PIXELS as f64).sqrt()
        };
        let errors = [16, 32, 64, 128].map(error);
        // The slope of ln error over ln steps by least squares, four points a factor 2 apart.
        let [a, b, c, d] = errors.map(f64::log2);
        let slope = (3.0 * (a - d) + (b - c)) / 10.0;
        assert!((slope - order).abs() < 0.3, "{}: order {slope:.2}, errors {errors:?}", sampler.name());
    }
}

/// Mean square of the states.
fn power(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / x.len() as f64
}

#[test]
fn algorithm_2_with_the_estimated_noise_is_ddim_and_an_euler_step_of_the_flow() {
    // x_s = x_t - D(x0, t, k) + D(x0, s, k) with k = (x_t - a_t x0) / b_t.
    let process = process(1024);
    let exact = Exact(TWO, process.as_ref());
    let x = process.degraded(&vec![0.4; PIXELS], Timestep(600), &process.sample_noise(&mut rng(7, 0)));
    let x0 = exact.denoise(&x, Timestep(600)).unwrap();
    let (a, b) = exact.at(Timestep(600));
    let eps: Vec<f32> =
        x.iter().zip(&x0).map(|(x, x0)| ((f64::from(*x) - a * f64::from(*x0)) / b) as f32).collect();
    let noise = Noise(eps.clone());
    let mut errors = Vec::new();
    for s in [536, 568, 584] {
        let (at_t, at_s) =
            (process.degraded(&x0, Timestep(600), &noise), process.degraded(&x0, Timestep(s), &noise));
        let cold: Vec<f32> = x.iter().zip(at_t.iter().zip(&at_s)).map(|(x, (t, s))| x - t + s).collect();
        // DDIM.
        let (a_s, b_s) = exact.at(Timestep(s));
        let ddim: Vec<f32> =
            x0.iter().zip(&eps).map(|(x0, e)| (a_s as f32) * x0 + (b_s as f32) * e).collect();
        assert!(worst(&cold, &ddim) < 2e-6, "{}", worst(&cold, &ddim));
        // The exact flow over the step, by quantiles.
        let step = |x: f32| {
            let due = below(TWO, (a, b), x.into());
            let (mut low, mut high) = (-9.0, 9.0);
            while high - low > 1e-12 {
                let middle = 0.5 * (low + high);
                if below(TWO, (a_s, b_s), middle) < due { low = middle } else { high = middle }
            }
            low
        };
        let squares = cold.iter().zip(&x).map(|(cold, x)| (f64::from(*cold) - step(*x)).powi(2));
        errors.push((squares.sum::<f64>() / PIXELS as f64).sqrt());
    }
    // An Euler step errs by the square of its length.
    for pair in errors.windows(2) {
        let order = (pair[0] / pair[1]).log2();
        assert!((order - 2.0).abs() < 0.25, "{errors:?}");
    }
}

#[test]
fn one_noise_per_sample_loses_variance_and_fresh_noise_loses_all_of_it() {
    // Standard normal images, exact denoiser. Under the frozen noise x_0 = c eps with
    // c = sqrt(e) int_0^1 a sqrt(1 - a^2) exp(-a^2/2) da; under fresh noises x_0 tends to 0. The right variance is 1.
    let process = process(1000);
    let exact = Exact(NORMAL, process.as_ref());
    let [frozen, fresh, flow] = [SamplerKind::Cold, SamplerKind::ColdFresh, SamplerKind::Ddim]
        .map(|sampler| power(&run(Sampling::new(sampler, 1000), process.as_ref(), &exact, 0..16).unwrap()));
    let n = 10_000;
    let at = |i: usize| (i as f64 + 0.5) / f64::from(n);
    let inside = |a: f64| a * (1.0 - a * a).sqrt() * (-0.5 * a * a).exp();
    let c = 0.5f64.exp() * (0..n as usize).map(|i| inside(at(i))).sum::<f64>() / f64::from(n);
    // Four standard errors of 12,544 squares, and one part in 100 for the 1,000 steps.
    let noise = 4.0 * (2.0f64 / 12_544.0).sqrt() + 0.01;
    assert!((frozen / (c * c) - 1.0).abs() < noise, "{frozen} for {}", c * c);
    assert!((flow - 1.0).abs() < noise, "{flow}");
    assert!(fresh < 0.01, "{fresh}");
}
