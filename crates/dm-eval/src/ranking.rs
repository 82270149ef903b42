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
#[derive(Clone, Copy)]
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn copies_are_no_best_and_the_random_choice_does_not_look() {
        let realism = [0.5, f64::INFINITY, 2.0, 0.1, 2.0];
        let guesses = [Guess { class: 3, next: 5, confidence: 0.7 }; 5];
        let nearest = [(4.0, 7); 5];
        let near_copy = [false, true, false, false, false];
        let pool = Pool { realism: &realism, guesses: &guesses, nearest: &nearest, near_copy: &near_copy };
        let chosen = ranking(&pool, 3, Seed(1)).unwrap();
        let rows = |list: &[Ranked]| list.iter().map(|image| image.index).collect::<Vec<_>>();
        assert_eq!((rows(&chosen.best), rows(&chosen.worst)), (vec![2, 4, 0], vec![3, 0, 4]));
        assert_eq!((chosen.pool, chosen.near_copies), (5, 1));
        assert_eq!((chosen.best[0].nearest_distance, chosen.best[0].nearest_training), (2.0, 7));
        // The same places whatever their realism.
        let blind = Pool { realism: &[1.0; 5], ..pool };
        assert_eq!(rows(&ranking(&blind, 3, Seed(1)).unwrap().random), rows(&chosen.random));
        // More than there are: all there are.
        assert_eq!(rows(&ranking(&pool, 9, Seed(1)).unwrap().random).len(), 5);
        assert!(ranking(&Pool { near_copy: &near_copy[..4], ..pool }, 3, Seed(1)).is_err());
    }
}
