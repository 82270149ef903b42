//! Moving grains one by one: the reverse transition, and the draw from a table of running sums that it shares with the
//! film.

use dm_nn::data::{PIXELS, SIDE};
use dm_nn::rng::Rng;

use crate::heat::{Kernel, spread_columns};

/// Runs into which the 28 weights of a table are cut, and weights in a run.
const RUNS: usize = 4;
const RUN: usize = SIDE / RUNS;

/// 28 numbers, four runs of seven side by side: `[i][run]` is number `run * 7 + i`. Running sums then are a few
/// four-lane additions instead of 28 that wait for each other.
pub(super) type Lanes = [[f32; RUNS]; RUN];

/// Puts `weight(0..28)` into lanes.
#[inline]
pub(super) fn lanes(weight: impl Fn(usize) -> f32) -> Lanes {
    std::array::from_fn(|i| std::array::from_fn(|run| weight(run * RUN + i)))
}

/// Moves every grain of `counts` backward: from p to p' with probability kernel(p, p') h_s(p') / h_t(p), row first.
///
/// The row a grain goes to depends on its pixel, the column then only on its column and the new row. So all grains
/// first change rows, are counted again, and then change columns: one table of running sums per pixel and axis.
pub(super) fn move_grains(counts: &[f32], h_s: &[f32], kernel: &Kernel, rng: &mut Rng) -> Vec<f32> {
    // ahead[y'][x] = sum_x' h_s[y'][x'] k(x, x'): what a grain in column x finds in row y'.
    let ahead = spread_columns(kernel, h_s);
    let kernel = kernel.map(|row| lanes(|i| row[i]));
    let mut between = vec![0.0; PIXELS];
    for x in 0..SIDE {
        let column = lanes(|row| ahead[row * SIDE + x]);
        for (y, weights) in kernel.iter().enumerate() {
            let grains = counts[y * SIDE + x];
            scatter(grains, y, weights, &column, rng, |row| between[row * SIDE + x] += 1.0);
        }
    }
    let mut moved = vec![0.0; PIXELS];
    let rows = between.chunks_exact(SIDE).zip(h_s.chunks_exact(SIDE)).zip(moved.chunks_exact_mut(SIDE));
    for ((between, h_s), moved) in rows {
        let row = lanes(|column| h_s[column]);
        for (x, (&grains, weights)) in between.iter().zip(&kernel).enumerate() {
            scatter(grains, x, weights, &row, rng, |column| moved[column] += 1.0);
        }
    }
    moved
}

/// Draws a target in proportion to kernel * intensity for each of `grains` grains at `from`.
#[inline]
fn scatter(
    grains: f32,
    from: usize,
    kernel: &Lanes,
    intensity: &Lanes,
    rng: &mut Rng,
    mut land: impl FnMut(usize),
) {
    if grains < 1.0 {
        return;
    }
    let weights = std::array::from_fn(|i| std::array::from_fn(|run| kernel[i][run] * intensity[i][run]));
    let sums = cumulate(weights);
    for _ in 0..grains as u32 {
        land(pick(&sums, from, rng));
    }
}

/// Running sums of 28 weights.
#[inline]
pub(super) fn cumulate(mut weights: Lanes) -> Lanes {
    for i in 1..RUN {
        weights[i] = add(weights[i], weights[i - 1]);
    }
    let [a, b, c, _] = weights[RUN - 1];
    let before = [0.0, a, a + b, a + b + c];
    weights.map(|sums| add(sums, before))
}

#[inline]
fn add(a: [f32; RUNS], b: [f32; RUNS]) -> [f32; RUNS] {
    std::array::from_fn(|run| a[run] + b[run])
}

/// Weights that add up to less than this are none. Far below it f32 loses its digits and a draw could round beyond the
/// last index.
const LEAST: f32 = 1e-30;

/// Draws an index with the running sums `sums`; where they are all zero (no ink is expected in reach) the grain stays
/// at `stay`.
#[inline]
pub(super) fn pick(sums: &Lanes, stay: usize, rng: &mut Rng) -> usize {
    let total = sums[RUN - 1][RUNS - 1];
    if !(total >= LEAST && total.is_finite()) {
        return stay;
    }
    // Below `total` even after rounding, so an index of weight zero is never drawn. Sums never fall from one number to
    // the next, so how many are passed is the index, in whatever order they are counted.
    let at = rng.uniform() * total;
    let mut passed = [0; RUNS];
    for sums in sums {
        for (passed, sum) in passed.iter_mut().zip(sums) {
            *passed += i32::from(*sum <= at);
        }
    }
    passed.iter().sum::<i32>() as usize
}
