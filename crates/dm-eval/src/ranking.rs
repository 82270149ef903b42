//! Best, worst and random images of a declared pool, by a rule fixed beforehand: realism. Near copies of training images are
//! left out of the best. Drawing them is left out.

use dm_nn::rng::{Seed, Stream};
use serde::Serialize;

use crate::error::{EvalError, Result};
use crate::judge::Guess;

/// One image of the pool and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// Place in the pool.
    pub index: usize,
    /// Realism; infinite (null in JSON) for a copy of a reference image.
    pub realism: f64,
    /// The class the judge sees.
    pub class: u8,
    /// Its probability.
    pub confidence: f64,
    /// Distance to the nearest training image in pixels, whole images of ink in [0, 1].
    pub nearest_distance: f64,
    /// That training image.
    pub nearest_training: u32,
    /// Whether it is a near copy: nearer to that training image than that one's own nearest neighbour.
    pub near_copy: bool,
}

/// The three selections.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// Images in the pool.
    pub pool: usize,
    /// Near copies among them, left out of `best`.
    pub near_copies: usize,
    /// Seed of the random selection.
    pub seed: u64,
    /// Highest realism first.
    pub best: Vec<Ranked>,
    /// Lowest realism first.
    pub worst: Vec<Ranked>,
    /// Drawn without looking.
    pub random: Vec<Ranked>,
}

/// What is known of a pool, one entry per image each.
pub struct Pool<'a> {
    /// Realism.
    pub realism: &'a [f64],
    /// The judge's guesses.
    pub guesses: &'a [Guess],
    /// Squared distance to, and number of, the nearest training image, in pixels.
    pub nearest: &'a [(f64, u32)],
    /// Whether each is a near copy.
    pub near_copy: &'a [bool],
}

/// Selects `count` of each kind, or all there are; equal realism in order of index.
///
/// # Errors
/// Lists of different length.
pub fn ranking(pool: &Pool<'_>, count: usize, seed: Seed) -> Result<Ranking> {
    let n = pool.realism.len();
    for found in [pool.guesses.len(), pool.nearest.len(), pool.near_copy.len()] {
        if found != n {
            return Err(EvalError::Length { set: "pool".into(), expected: n, found });
        }
    }
    let ranked = |index: usize| Ranked {
        index,
        realism: pool.realism[index],
        class: pool.guesses[index].class,
        confidence: pool.guesses[index].confidence,
        nearest_distance: pool.nearest[index].0.sqrt(),
        nearest_training: pool.nearest[index].1,
        near_copy: pool.near_copy[index],
    };
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| pool.realism[b].total_cmp(&pool.realism[a]));
    let best = order.iter().filter(|&&i| !pool.near_copy[i]).take(count);
    let drawn = seed.stream(Stream::Metric, 0, 0).permutation(n);
    Ok(Ranking {
        pool: n,
        near_copies: pool.near_copy.iter().filter(|&&copy| copy).count(),
        seed: seed.0,
        best: best.map(|&i| ranked(i)).collect(),
        worst: order.iter().rev().take(count).map(|&i| ranked(i)).collect(),
        random: drawn.iter().take(count).map(|&i| ranked(i as usize)).collect(),
    })
}
