//! The bound of Ink: how many bits a model needs at most to describe the *grain counts* that an image is turned into.
//!
//! **What is bounded.** An image I in [0, 1] becomes grains, n_0(p) ~ Poisson(L I(p)) with L grains per full pixel. The bound is
//! an upper bound on -log p(n_0), averaged over images and over the random counts. It is specific to the density L of the
//! model. It contains the shot noise -log p(n_0 | I), which no model can save ([`Bound::irreducible`]), and says nothing about
//! 256 intensities. It can therefore not be compared with a bound for another density or with the bound of Gaussian noise.
//!
//! **The model.** The numbers of grains of the channels follow the prior, and each grain is placed in its channel by the prior's
//! shares. From timestep t to s each grain moves independently from p to p' with probability K(p, p') h_s(p') / h_t(p), where h is
//! the estimated image spread to the timestep, and Poisson((1 - L_t/L_s) h_s(p)) new grains join at each p. The last step to
//! timestep 0 has the same form. (The sampler omits this step and returns the estimate itself.) A share of the estimate,
//! [`EVEN_SHARE`], is spread evenly so that no place is impossible.
//!
//! **The bound.** Give each grain of a channel a label. The model treats all labels alike, so that
//! log p(n_0) = log (N! / prod n_0(p)!) + log p(z_0, N) for each channel, where z_0 is the list of the places of its N grains.
//! Under the posterior q each grain walks and fades, and the share p_t = L_t/L_0 of the grains is left at t. A grain that is left at
//! t contributes log q(z_s|z_t,z_0) / p(z_s|z_t). With q(z_s|z_t,z_0) = K_(t-s)(z_s,z_t) K_s(z_0,z_s) / K_t(z_0,z_t) this is
//! log K_s(z_0,z_s)/K_t(z_0,z_t) - log h_s(z_s)/h_t(z_t), without a sum over places. A grain that is not left at t is left at s
//! with probability (p_s - p_t)/(1 - p_t), and its place is drawn from K_s(z_0,z_s). In the model it is one of the joining
//! grains, which may carry any of the missing labels.
//!
//! Each term is computed along one random walk per grain and not averaged over walks. A term of one image may therefore be
//! negative, although its expectation, a divergence, is not. Along one walk most of the randomness cancels between terms; with
//! the true image as h all of it cancels.

use dm_degrade::degradations::ink::{Film, Ink};
use dm_degrade::{Degradation, Denoiser, Timestep};
use dm_nn::rng::Seed;
use rayon::prelude::*;

use super::bound::{Bound, BoundBuilder, quantity};
use super::chain::{BATCH, clean_states};
use super::ink_walk::{GrainCounts, LnKernel, Walk, ln};
use crate::error::Result;
use crate::score::Quantity;
use crate::streams::METRIC;

pub use super::ink_walk::EVEN_SHARE;

/// The bound of Ink.
pub const INK_BOUND: Quantity =
    quantity("ink bound", "this project: Ho et al. 2020, eq. 5, for walking grains");

/// Number of quantiles over which the prior's distribution of the totals is averaged.
const QUANTILES: usize = 4096;

/// Bounds the negative log-likelihood of the grain counts of `images` [n, C, H, W] in [0, 1] under the chain that visits
/// `timesteps` (see [`super::timesteps`]). Counts and walks are drawn from `seed`. After each step of a batch `progress` receives
/// the number of images in the batch.
///
/// # Errors
/// If `images` are not whole images in [0, 1], `timesteps` do not descend from T to 0, or the denoiser fails.
pub fn ink_bound(
    ink: &Ink,
    denoiser: &dyn Denoiser,
    images: &[f32],
    timesteps: &[Timestep],
    seed: Seed,
    progress: &mut dyn FnMut(usize),
) -> Result<Bound> {
    let clean = clean_states(INK_BOUND, ink, images, timesteps)?;
    let (shape, len) = (ink.shape(), ink.shape().len());
    let n = clean.len() / len;
    let ascending: Vec<Timestep> = timesteps.iter().rev().copied().collect();
    let steps = ascending.len() - 1;
    // Nats of each image.
    let [mut totals, mut places, mut order, mut shot_noise] = [const { Vec::new() }; 4];
    let mut terms = vec![Vec::with_capacity(n); steps];
    for (batch, clean) in clean.chunks(BATCH * len).enumerate() {
        let record = |(i, x0): (usize, &[f32])| {
            let mut rng = seed.stream(METRIC, (batch * BATCH + i) as u64, 0);
            Film::record(ink, x0, &ascending, &mut rng)
        };
        let films: Vec<Film> =
            clean.par_chunks_exact(len).enumerate().map(record).collect::<dm_degrade::Result<_>>()?;
        let most = films.iter().map(|film| film.places(0).len()).max().unwrap_or(0);
        let ln_factorial = ln_factorials(most);
        for (film, mean) in films.iter().zip(clean.chunks_exact(len)) {
            let (counts, grains) = (film.counts(0), GrainCounts::of(film, shape));
            totals.push(-ln_totals(ink, &grains.left(film, steps), &ln_factorial));
            let pixels: f64 = counts.iter().map(|&n| ln_factorial[n as usize]).sum();
            order.push(pixels - grains.all.iter().map(|&n| ln_factorial[n]).sum::<f64>());
            shot_noise.push(poisson_nats(&counts, mean, &ln_factorial));
            places.push(places_at_end(ink, film, &grains, steps, &ln_factorial));
        }
        for i in 1..=steps {
            let (s, t) = (ascending[i - 1], ascending[i]);
            let counts: Vec<f32> = films.iter().flat_map(|film| film.counts(i)).collect();
            let mut estimates = denoiser.denoise(&counts, t)?;
            estimates.chunks_exact_mut(len).for_each(|x0| ink.codec().clip(x0));
            let walk = Walk::new(ink, s, t);
            let pairs = films.par_iter().zip(estimates.par_chunks_exact(len));
            terms[i - 1].par_extend(pairs.map(|(film, h_0)| walk.nats(ink, film, i, h_0, &ln_factorial)));
            progress(films.len());
        }
    }
    let mut bound = BoundBuilder::new(INK_BOUND, n, len);
    bound.set_irreducible(&shot_noise);
    bound.add_part("prior: places at T", &places);
    bound.add_part("prior: number of grains", &totals);
    bound.add_part("order of the grains", &order);
    for (i, nats) in terms.iter().enumerate() {
        bound.add_term(ascending[i + 1], ascending[i], nats);
    }
    Ok(bound.finish())
}

/// ln k! for k = 0..=`most`.
fn ln_factorials(most: usize) -> Vec<f64> {
    let mut sum = 0.0;
    let next = |k: usize| {
        sum += if k > 1 { (k as f64).ln() } else { 0.0 };
        sum
    };
    (0..=most).map(next).collect()
}

/// The negative log-probability of `counts` as independent Poisson numbers with the given means, both `[C, H, W]`.
fn poisson_nats(counts: &[f32], mean: &[f32], ln_factorial: &[f64]) -> f64 {
    let positive = counts.iter().zip(mean).filter(|(_, mean)| **mean > 0.0);
    let nats = |(&n, &mean): (&f32, &f32)| {
        f64::from(mean) - f64::from(n) * f64::from(mean).ln() + ln_factorial[n as usize]
    };
    positive.map(nats).sum()
}

/// ln of the prior's probability that the channels have the given numbers of grains at T: Poisson numbers whose means are the
/// same quantile of each channel's distribution of totals, averaged over the quantiles.
fn ln_totals(ink: &Ink, grains: &[usize], ln_factorial: &[f64]) -> f64 {
    let at_quantile = |i: usize| -> f64 {
        let u = (i as f32 + 0.5) / QUANTILES as f32;
        let channel = |(channel, &n): (usize, &usize)| {
            let mean = f64::from(ink.prior_total(channel, u)).max(f64::MIN_POSITIVE);
            n as f64 * mean.ln() - mean - ln_factorial[n]
        };
        grains.iter().enumerate().map(channel).sum()
    };
    let terms: Vec<f64> = (0..QUANTILES).map(at_quantile).collect();
    let max = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + (terms.iter().map(|term| (term - max).exp()).sum::<f64>() / QUANTILES as f64).ln()
}

/// The cost of the places at T, which frame `last` shows: log p_T K_T(z_0, z_T) - log share(z_T) for each grain that is left, and
/// log (1 - p_T) for each grain that has faded. In the model, any of a channel's grains may be the ones that are left.
fn places_at_end(ink: &Ink, film: &Film, grains: &GrainCounts, last: usize, ln_factorial: &[f64]) -> f64 {
    let end = Timestep(ink.timesteps());
    let (kernel, share, p_t) =
        (LnKernel::new(ink.shape(), ink.tau(end)), ink.prior_share(), ink.share_left(end));
    let grain = |((from, to), seen): ((&u16, &u16), bool)| {
        if seen {
            p_t.ln() + kernel.between(*from, *to) - ln(share[usize::from(*to)].into())
        } else {
            (1.0 - p_t).ln()
        }
    };
    let choices =
        |(&all, left): (&usize, usize)| ln_factorial[all] - ln_factorial[left] - ln_factorial[all - left];
    let choices: f64 = grains.all.iter().zip(grains.left(film, last)).map(choices).sum();
    choices + film.places(0).iter().zip(film.places(last)).zip(film.seen(last)).map(grain).sum::<f64>()
}
