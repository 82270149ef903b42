//! Poisson random numbers by the quantile function: every draw uses one uniform number.
//!
//! With a fixed uniform the count is a monotone function of its mean, so that one uniform gives related counts at all
//! timesteps, which cold diffusion needs. The draws do not depend on any library's version.
//!
//! The search starts at 0 and adds P(k) = P(k - 1) mean / k. Eight pixels are searched at a time: they share k, so that the
//! only division, 1 / k, comes from a table.

#![allow(clippy::inline_always, reason = "a vector operation that is not inlined loses its instruction set")]

use dm_nn::simd::arch;
use pulp::{Simd, WithSimd};

/// The largest mean that configs accept. Up to this mean the search starts at a probability that f64 can represent.
pub const MAX_MEAN: f64 = 600.0;

/// Half the width of the cell that a uniform of 24 bits stands for. The middle of the cell is used, so that neither 0 nor 1
/// occurs: a uniform of zero, one in sixteen million, would otherwise give a count of zero at any mean.
pub const HALF_CELL: f64 = 1.0 / 33_554_432.0;

/// Numbers that are searched together.
const TOGETHER: usize = 8;
/// Steps of the search between two checks whether all numbers have been found.
const STEPS_PER_CHECK: usize = 4;
/// Steps in all: with the largest mean, the largest u is reached after 738.
const STEPS: usize = 768;

/// 1 / k for k from 1.
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
/// [0, [`MAX_MEAN`]]. Values outside these intervals are clamped to them.
pub fn quantile(mean: f32, u: f32) -> f32 {
    search([mean], [u])[0]
}

/// Replaces every mean in `values` by its [`quantile`] at the uniform in `us`, bit for bit. If the slices differ in length,
/// the shorter one decides how many means are replaced.
pub fn quantiles(values: &mut [f32], us: &[f32]) {
    arch().dispatch(Quantiles { values, us });
}

/// [`quantiles`] in the widest vectors of this machine; the results are the same in any.
struct Quantiles<'a> {
    values: &'a mut [f32],
    us: &'a [f32],
}

impl WithSimd for Quantiles<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let count = self.values.len().min(self.us.len());
        let (values, us) = (&mut self.values[..count], &self.us[..count]);
        for (values, us) in values.chunks_mut(TOGETHER).zip(us.chunks(TOGETHER)) {
            // The last chunk may be short; it is filled up with means of zero.
            let whole = |part: &[f32]| std::array::from_fn(|i| part.get(i).copied().unwrap_or(0.0));
            let found: [f32; TOGETHER] = search(whole(values), whole(us));
            values.copy_from_slice(&found[..values.len()]);
        }
    }
}

/// The quantiles of `N` means at their uniforms, searched side by side.
#[inline(always)]
fn search<const N: usize>(means: [f32; N], us: [f32; N]) -> [f32; N] {
    // f64::max returns the other number where the mean is NaN.
    #[allow(clippy::manual_clamp, reason = "clamp would keep NaN")]
    let means = means.map(|mean| f64::from(mean).max(0.0).min(MAX_MEAN));
    let us = us.map(|u| f64::from(u).clamp(0.0, 1.0 - 2.0 * HALF_CELL) + HALF_CELL);
    let mut probability = means.map(|mean| (-mean).exp());
    let (mut below, mut counts) = (probability, [0.0f64; N]);
    for steps in RECIPROCALS.as_chunks::<STEPS_PER_CHECK>().0 {
        for reciprocal in steps {
            for i in 0..N {
                // A count that has been found stays: the sum only grows.
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
