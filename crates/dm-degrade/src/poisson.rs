//! Poisson numbers by the quantile function, so that one uniform is one draw.
//!
//! A fixed uniform makes the count a monotone function of its mean: the frozen key that cold sampling needs, and draws
//! that do not depend on any library's version.
//!
//! The search walks up from 0, adding P(k) = P(k - 1) mean / k. A page of 784 pixels walks in step, eight pixels at a time:
//! they share k, so that the only division, 1 / k, comes out of a table.

#![allow(clippy::inline_always, reason = "a vector operation that is not inlined loses its instruction set")]

use pulp::{Arch, Simd, WithSimd};

/// Means above this are refused by configs: below it the search starts at a representable probability.
pub const MAX_MEAN: f64 = 600.0;

/// The uniform `u` in [0, 1) has 24 bits and stands for the middle of its cell, so that neither end is ever hit: a `u` of
/// zero, one pixel in twenty million, would otherwise be a count of zero at any mean.
pub const HALF_CELL: f64 = 1.0 / 33_554_432.0;

/// Numbers that walk up together.
const TOGETHER: usize = 8;
/// Steps between two looks at who has arrived.
const UNSEEN: usize = 4;
/// Steps in all: at the largest mean, the largest u is reached after 738.
const STEPS: usize = 768;

/// 1 / k for the k-th step, k from 1.
pub(crate) static RECIPROCALS: [f64; STEPS] = {
    let mut table = [0.0; STEPS];
    let mut k = 0;
    while k < STEPS {
        table[k] = 1.0 / (k + 1) as f64;
        k += 1;
    }
    table
};

/// The smallest k with P(Poisson(`mean`) <= k) > `u` + [`HALF_CELL`], for `u` in [0, 1) and `mean` in
/// [0, [`MAX_MEAN`]]; values outside are taken as the nearest inside.
pub fn quantile(mean: f32, u: f32) -> f32 {
    walk([mean], [u])[0]
}

/// [`quantile`] of every pair of `means` and `us`, bit for bit; as many as the shorter of the two has.
pub fn quantiles(means: &[f32], us: &[f32]) -> Vec<f32> {
    Arch::new().dispatch(Quantiles { means, us })
}

/// [`quantiles`] in the widest vectors of this machine; the results are the same in any.
struct Quantiles<'a> {
    means: &'a [f32],
    us: &'a [f32],
}

impl WithSimd for Quantiles<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let Self { means, us } = self;
        let mut counts = vec![0.0; means.len().min(us.len())];
        let chunks = counts.chunks_mut(TOGETHER).zip(means.chunks(TOGETHER).zip(us.chunks(TOGETHER)));
        for (counts, (means, us)) in chunks {
            // The last chunk may be short; what is not there has no ink.
            let whole = |part: &[f32]| std::array::from_fn(|i| part.get(i).copied().unwrap_or(0.0));
            let found: [f32; TOGETHER] = walk(whole(means), whole(us));
            counts.copy_from_slice(&found[..counts.len()]);
        }
        counts
    }
}

/// The quantiles of `N` means at their uniforms, walking up in step.
#[inline(always)]
fn walk<const N: usize>(means: [f32; N], us: [f32; N]) -> [f32; N] {
    // f64::max takes the number where the mean is none.
    #[allow(clippy::manual_clamp, reason = "clamp would keep what is no number")]
    let means = means.map(|mean| f64::from(mean).max(0.0).min(MAX_MEAN));
    let us = us.map(|u| f64::from(u).clamp(0.0, 1.0 - 2.0 * HALF_CELL) + HALF_CELL);
    let mut probability = means.map(|mean| (-mean).exp());
    let (mut below, mut counts) = (probability, [0.0f64; N]);
    for steps in RECIPROCALS.as_chunks::<UNSEEN>().0 {
        for reciprocal in steps {
            for i in 0..N {
                // Whoever has arrived stays: the sum only grows.
                counts[i] += if below[i] <= us[i] { 1.0 } else { 0.0 };
                probability[i] *= means[i] * reciprocal;
                below[i] += probability[i];
            }
        }
        if below.iter().zip(&us).all(|(below, u)| below > u) {
            break;
        }
    }
    counts.map(|count| count as f32)
}
