//! What few network evaluations cost Ink, with the exact posterior mean among 32 digits in place of a network: variety, because
//! a posterior that holds its estimate over a long step moves towards the mean of what is possible.

use dm_degrade::degradations::ink::{Ink, InkConfig};
use dm_degrade::{Denoiser, Result, SamplerKind, Sampling, Timestep};
use rayon::prelude::*;

use super::collapse::{DIGITS, digits, mean};
use super::samplers::run;
use super::slices::Slices;
use super::{MNIST, PIXELS, worst};

/// The exact posterior mean among equally likely images: grains are independent Poisson numbers.
struct AmongGrains<'a> {
    ink: &'a Ink,
    states: Vec<Vec<f32>>,
}

impl Denoiser for AmongGrains<'_> {
    fn denoise(&self, x_t: &[f32], t: Timestep) -> Result<Vec<f32>> {
        // log of the means, and their sum.
        let known = |state: &Vec<f32>| {
            let mut mean = vec![0.0; state.len()];
            self.ink.mean_counts(state, t, &mut mean);
            let log: Vec<f64> = mean.iter().map(|&h| f64::from(h).max(1e-12).ln()).collect();
            (log, mean.iter().map(|&h| f64::from(h)).sum::<f64>())
        };
        let known: Vec<(Vec<f64>, f64)> = self.states.par_iter().map(known).collect();
        let estimate = |x: &[f32]| {
            let score = |(log, total): &(Vec<f64>, f64)| {
                x.iter().zip(log).map(|(&n, log)| f64::from(n) * log).sum::<f64>() - total
            };
            let scores: Vec<f64> = known.iter().map(score).collect();
            let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - best).exp()).collect();
            let total: f64 = weights.iter().sum();
            let pixel = |p: usize| {
                let sum: f64 = self.states.iter().zip(&weights).map(|(s, w)| w * f64::from(s[p])).sum();
                (sum / total) as f32
            };
            (0..PIXELS).map(pixel).collect::<Vec<_>>()
        };
        Ok(x_t.par_chunks_exact(PIXELS).flat_map_iter(estimate).collect())
    }
}

/// How often each digit is sampled with `nfe` evaluations, of 128 samples; samples that are no digit are not counted.
fn drawn(config: &InkConfig, sampler: SamplerKind, nfe: usize) -> Vec<usize> {
    let images = digits();
    let total: f32 = images[0].iter().sum();
    let ink = Ink::new(config, MNIST, &[vec![total; 257], mean(&images)].concat()).unwrap();
    let states: Vec<Vec<f32>> = images.iter().map(|image| ink.state(image)).collect();
    let among = AmongGrains { ink: &ink, states: states.clone() };
    let found = run(Sampling::new(sampler, nfe), &ink, &among, 0..128).unwrap();
    let mut seen = vec![0; DIGITS];
    for state in found.chunks_exact(PIXELS) {
        let near = |digit: &Vec<f32>| worst(&ink.image(digit), &ink.image(state)) < 0.1;
        if let Some(digit) = states.iter().position(near) {
            seen[digit] += 1;
        }
    }
    seen
}

/// exp of the entropy: how many equally frequent digits would be as varied.
fn variety(seen: &[usize]) -> f64 {
    let total = seen.iter().sum::<usize>() as f64;
    let share = seen.iter().filter(|&&n| n > 0).map(|&n| n as f64 / total);
    share.map(|p| -p * p.ln()).sum::<f64>().exp()
}

#[test]
fn seven_evaluations_cost_variety_and_an_extrapolated_estimate_saves_some() {
    // 128 samples of 32 equally likely digits are as varied as 28 or so of them.
    let default = InkConfig::default();
    let cold = InkConfig { density: 256.0, density_end: 256.0, ..InkConfig::default() };
    let variety = |config, sampler| {
        let seen = drawn(config, sampler, 7);
        assert_eq!(seen.iter().sum::<usize>(), 128, "every sample is a digit");
        variety(&seen)
    };
    let [held, extrapolated] =
        [SamplerKind::Ancestral, SamplerKind::Ancestral2m].map(|s| variety(&default, s));
    assert!(held < 22.0 && extrapolated > held + 1.5, "{held:.1} and {extrapolated:.1}");
    // Many grains at every timestep, and their small noise, leave even less.
    let cold = variety(&cold, SamplerKind::Ancestral);
    assert!(cold < held - 4.0, "{cold:.1} and {held:.1}");
}
