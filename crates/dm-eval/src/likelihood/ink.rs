//! The bound of Ink: how many bits the model needs at most for the *grain counts* that an image is turned into.
//!
//! What is bounded. An image I in [0, 1] becomes grains, n_0(p) ~ Poisson(L I(p)), L grains per full pixel; the bound is on
//! -log p(n_0), its mean over images and over that draw. It holds for the density L of the model alone, contains the shot
//! noise of the draw, -log p(n_0|I), which no model can save (the bound's floor), and says nothing of 256 greys: it
//! compares neither with another density nor with the bound of Gaussian noise.
//!
//! The model: N_T grains by the prior's law of the total, each placed by the prior's shares, then from level to level every
//! grain on its own from p to p' with probability K(p, p') h_s(p') / h_t(p), h the restored image spread to the level, and
//! Poisson numbers of mean (1 - L_t/L_s) h_s(p) of new ones beside them; at last to level 0 in the same way. (The sampler
//! stops before that and takes the restored image itself.) So that no place is impossible, [`EVEN`] of the restored ink is
//! spread evenly.
//!
//! The bound. Give every grain its label. The model treats labels alike, so that
//! log p(n_0) = log (N! / prod n_0(p)!) + log p(z_0, N), z_0 the list of places. The posterior q is the walk of each grain and
//! its fading: p_t = L_t/L_0 of them are left at t. A grain that is there at t pays log q(z_s|z_t,z_0) / p(z_s|z_t), and with
//! q(z_s|z_t,z_0) = K_(t-s)(z_s,z_t) K_s(z_0,z_s) / K_t(z_0,z_t) that is log K_s(z_0,z_s)/K_t(z_0,z_t) - log h_s(z_s)/h_t(z_t):
//! no sum over places is left. A grain that is not there at t is there at s with probability (p_s - p_t)/(1 - p_t), at z_s by
//! K_s(z_0,z_s), against the model's Poisson numbers, which may be any of the labels that are missing. Each term is drawn
//! along one walk of each grain, not averaged over walks: a term of one image may be negative, its expectation is a
//! divergence and may not. Along one walk most of what is random cancels from term to term; with the true image as h all of
//! it does.

use dm_degrade::degradations::ink::{Film, Ink};
use dm_degrade::heat::{Kernel, kernel, spread};
use dm_degrade::{Degradation, Level, Restorer};
use dm_nn::data::{PIXELS, SIDE};
use dm_nn::rng::{Seed, Stream};
use rayon::prelude::*;

use super::{Account, BATCH, Bound, bound, check, mean_bits};
use crate::error::Result;
use crate::score::Metric;

/// The bound of Ink.
pub const INK_BOUND: Metric = bound("ink bound", "this project: Ho et al. 2020, eq. 5, for walking grains");

/// Share of the restored ink that is spread evenly.
pub const EVEN: f64 = 1e-6;

/// Pieces into which the prior's law of the total is cut.
const PIECES: usize = 4096;

/// Bounds the negative log-likelihood of the grain counts of `images` [n, 784] in [0, 1] under the chain that visits
/// `levels` (see [`super::levels`]). Grains and walks are drawn from `seed`.
///
/// # Errors
/// If levels or images are not what is said here, or the network fails.
pub fn ink_bound(
    ink: &Ink,
    restorer: &dyn Restorer,
    images: &[f32],
    levels: &[Level],
    seed: Seed,
    tick: &mut dyn FnMut(usize),
) -> Result<Bound> {
    let n = check(INK_BOUND, ink, images, levels)?;
    let ascending: Vec<Level> = levels.iter().rev().copied().collect();
    let steps = ascending.len() - 1;
    let clean = ink.to_state(images);
    // Nats of each image: the total, the places at T, the order of the grains, then every step from below.
    let [mut total, mut places, mut order, mut shot] = [const { Vec::new() }; 4];
    let mut terms = vec![Vec::with_capacity(n); steps];
    for (batch, clean) in clean.chunks(BATCH * PIXELS).enumerate() {
        let film = |(i, x0): (usize, &[f32])| {
            let mut rng = seed.stream(Stream::Metric, (batch * BATCH + i) as u64, 0);
            Film::record(ink, x0, &ascending, &mut rng)
        };
        let films: Vec<Film> =
            clean.par_chunks_exact(PIXELS).enumerate().map(film).collect::<dm_degrade::Result<_>>()?;
        let count = |film: &Film| film.places(0).len();
        let most = films.iter().map(count).max().unwrap_or(0);
        let ln_factorial = ln_factorials(most);
        total.extend(films.iter().map(|film| -ln_total(ink, left(film, steps), &ln_factorial)));
        order.extend(films.iter().map(|film| {
            let each: f64 = film.counts(0).iter().map(|&n| ln_factorial[n as usize]).sum();
            each - ln_factorial[count(film)]
        }));
        let drawn = films.iter().zip(clean.chunks_exact(PIXELS));
        shot.extend(drawn.map(|(film, mean)| shot_noise(&film.counts(0), mean, &ln_factorial)));
        places.extend(films.iter().map(|film| at_the_end(ink, film, steps, &ln_factorial)));
        for i in 1..=steps {
            let (s, t) = (ascending[i - 1], ascending[i]);
            let counts: Vec<f32> = films.iter().flat_map(|film| film.counts(i)).collect();
            let mut restored = restorer.restore(&counts, t)?;
            ink.clip(&mut restored);
            let walk = Walk::new(ink, s, t);
            let pairs = films.par_iter().zip(restored.par_chunks_exact(PIXELS));
            terms[i - 1].par_extend(pairs.map(|(film, h_0)| walk.nats(ink, film, i, h_0, &ln_factorial)));
            tick(films.len());
        }
    }
    let mut account = Account::new(INK_BOUND, n);
    account.floor = Some(mean_bits(&shot));
    account.part("prior: places at T", &places);
    account.part("prior: number of grains", &total);
    account.part("order of the grains", &order);
    for (i, nats) in terms.iter().enumerate() {
        account.term(ascending[i + 1], ascending[i], nats);
    }
    Ok(account.close())
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

/// -ln of the probability of `counts` as Poisson numbers of `mean`, both `[784]`.
fn shot_noise(counts: &[f32], mean: &[f32], ln_factorial: &[f64]) -> f64 {
    let inked = counts.iter().zip(mean).filter(|(_, mean)| **mean > 0.0);
    let cost = |(&n, &mean): (&f32, &f32)| {
        f64::from(mean) - f64::from(n) * f64::from(mean).ln() + ln_factorial[n as usize]
    };
    inked.map(cost).sum()
}

/// ln of the prior's probability of `n` grains: a mixture of Poisson laws over its law of the total.
fn ln_total(ink: &Ink, n: usize, ln_factorial: &[f64]) -> f64 {
    let piece = |i: usize| {
        let mean = f64::from(ink.prior_total((i as f32 + 0.5) / PIECES as f32)).max(f64::MIN_POSITIVE);
        n as f64 * mean.ln() - mean - ln_factorial[n]
    };
    let pieces: Vec<f64> = (0..PIECES).map(piece).collect();
    let top = pieces.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + (pieces.iter().map(|piece| (piece - top).exp()).sum::<f64>() / PIECES as f64).ln()
}

/// Grains that are there in frame `i`.
fn left(film: &Film, i: usize) -> usize {
    film.seen(i).filter(|seen| *seen).count()
}

/// log p_T K_T(z_0, z_T) - log share(z_T), summed over the grains that are left, and log (1 - p_T) over those that are not;
/// the model leaves any of them alike.
fn at_the_end(ink: &Ink, film: &Film, last: usize, ln_factorial: &[f64]) -> f64 {
    let end = Level(ink.steps());
    let (walked, share, left) = (LnKernel::new(ink.tau(end)), ink.prior_share(), ink.left(end));
    let grain = |((from, to), seen): ((&u16, &u16), bool)| {
        if seen {
            left.ln() + walked.between(*from, *to) - ln(share[usize::from(*to)].into())
        } else {
            (1.0 - left).ln()
        }
    };
    let (all, left) = (film.places(0).len(), self::left(film, last));
    let choices = ln_factorial[all] - ln_factorial[left] - ln_factorial[all - left];
    choices + film.places(0).iter().zip(film.places(last)).zip(film.seen(last)).map(grain).sum::<f64>()
}

/// One step from t to s < t: its kernels.
struct Walk {
    s: Level,
    to_s: LnKernel,
    to_t: LnKernel,
    between: Kernel,
    /// Share of all grains that is left at s and at t.
    left: [f64; 2],
}

impl Walk {
    fn new(ink: &Ink, s: Level, t: Level) -> Self {
        let (tau_s, tau_t) = (ink.tau(s), ink.tau(t));
        Self {
            s,
            to_s: LnKernel::new(tau_s),
            to_t: LnKernel::new(tau_t),
            between: kernel(tau_t - tau_s),
            left: [ink.left(s), ink.left(t)],
        }
    }

    /// What the grains of `film` pay for the step from frame `i` to the one below, with the restored image `h_0`, in
    /// grains of level 0.
    fn nats(&self, ink: &Ink, film: &Film, i: usize, h_0: &[f32], ln_factorial: &[f64]) -> f64 {
        let sum: f64 = h_0.iter().map(|&h| f64::from(h)).sum();
        let even = (EVEN * sum / PIXELS as f64).max(f64::MIN_POSITIVE) as f32;
        let h_0: Vec<f32> = h_0.iter().map(|h| h + even).collect();
        let h_s = ink.intensity(&h_0, self.s);
        let h_t = spread(&self.between, &h_s);
        let (ln_s, ln_t) = (h_s.iter().map(|&h| ln(h.into())), h_t.iter().map(|&h| ln(h.into())));
        let (ln_s, ln_t): (Vec<f64>, Vec<f64>) = (ln_s.collect(), ln_t.collect());
        let [left_s, left_t] = self.left;
        let faded = 1.0 - left_t / left_s;
        let joining: f64 = h_s.iter().map(|&h| faded * f64::from(h)).sum();
        let grain = |z_0: u16, z_s: u16, z_t: u16, seen| match seen {
            (_, true) => {
                self.to_s.between(z_0, z_s)
                    - self.to_t.between(z_0, z_t)
                    - (ln_s[usize::from(z_s)] - ln_t[usize::from(z_t)])
            }
            (true, false) => {
                let joins = ((left_s - left_t) / (1.0 - left_t)).ln();
                joins + self.to_s.between(z_0, z_s) - faded.ln() - ln_s[usize::from(z_s)]
            }
            (false, false) => ((1.0 - left_s) / (1.0 - left_t)).ln(),
        };
        let places = film.places(0).iter().zip(film.places(i - 1)).zip(film.places(i));
        let grains = places.zip(film.seen(i - 1).zip(film.seen(i)));
        let grains = grains.map(|(((z_0, z_s), z_t), seen)| grain(*z_0, *z_s, *z_t, seen));
        let missing = |i| film.places(0).len() - left(film, i);
        let choices = ln_factorial[missing(i)] - ln_factorial[missing(i - 1)];
        choices + joining + grains.sum::<f64>()
    }
}

/// ln of one axis of the kernel.
struct LnKernel([[f64; SIDE]; SIDE]);

impl LnKernel {
    fn new(tau: f64) -> Self {
        Self(kernel(tau).map(|row| row.map(|k| ln(k.into()))))
    }

    /// ln K between two pixels.
    fn between(&self, from: u16, to: u16) -> f64 {
        let (from, to) = (usize::from(from), usize::from(to));
        self.0[from / SIDE][to / SIDE] + self.0[from % SIDE][to % SIDE]
    }
}

/// ln, finite where f32 has run out of small numbers.
fn ln(value: f64) -> f64 {
    value.max(f64::from(f32::MIN_POSITIVE)).ln()
}
