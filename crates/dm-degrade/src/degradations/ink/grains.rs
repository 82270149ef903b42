//! Moving grains one by one: the reverse transition, and the draw from a row of a kernel that it shares with the film.

use dm_nn::data::{PIXELS, SIDE};
use dm_nn::rng::Rng;

use crate::heat::{Kernel, spread_columns};

/// Moves every grain of `counts` backward: from p to p' with probability kernel(p, p') h_s(p') / h_t(p), row first.
///
/// The row a grain goes to depends on its pixel, the column then only on its column and the new row. So all grains
/// first change rows, are counted again, and then change columns: one table of running sums per pixel and axis.
pub(super) fn move_grains(counts: &[f32], h_s: &[f32], kernel: &Kernel, rng: &mut Rng) -> Vec<f32> {
    // ahead[y'][x] = sum_x' h_s[y'][x'] k(x, x'): what a grain in column x finds in row y'.
    let ahead = spread_columns(kernel, h_s);
    let mut between = vec![0.0; PIXELS];
    for x in 0..SIDE {
        let column: [f32; SIDE] = std::array::from_fn(|row| ahead[row * SIDE + x]);
        for (y, weights) in kernel.iter().enumerate() {
            let grains = counts[y * SIDE + x];
            scatter(grains, y, weights, &column, rng, |row| between[row * SIDE + x] += 1.0);
        }
    }
    let mut moved = vec![0.0; PIXELS];
    let rows = between.chunks_exact(SIDE).zip(h_s.chunks_exact(SIDE)).zip(moved.chunks_exact_mut(SIDE));
    for ((between, h_s), moved) in rows {
        for (x, (&grains, weights)) in between.iter().zip(kernel).enumerate() {
            scatter(grains, x, weights, h_s, rng, |column| moved[column] += 1.0);
        }
    }
    moved
}

/// Draws a target in proportion to kernel * intensity for each of `grains` grains at `from`.
fn scatter(
    grains: f32,
    from: usize,
    kernel: &[f32; SIDE],
    intensity: &[f32],
    rng: &mut Rng,
    mut land: impl FnMut(usize),
) {
    if grains < 1.0 {
        return;
    }
    let sums = cumulate(kernel.iter().zip(intensity).map(|(k, h)| k * h));
    for _ in 0..grains as u32 {
        land(pick(&sums, from, rng));
    }
}

/// Running sums of 28 weights.
pub(super) fn cumulate(weights: impl Iterator<Item = f32>) -> [f32; SIDE] {
    let mut sums = [0.0; SIDE];
    let mut sum = 0.0;
    for (out, weight) in sums.iter_mut().zip(weights) {
        sum += weight;
        *out = sum;
    }
    sums
}

/// Weights that add up to less than this are none. Far below it f32 loses its digits and a draw could round beyond the
/// last index.
const LEAST: f32 = 1e-30;

/// Draws an index with the running sums `sums`; where they are all zero (no ink is expected in reach) the grain stays
/// at `stay`.
pub(super) fn pick(sums: &[f32; SIDE], stay: usize, rng: &mut Rng) -> usize {
    let total = sums[SIDE - 1];
    if !(total >= LEAST && total.is_finite()) {
        return stay;
    }
    // Below `total` even after rounding, so an index of weight zero is never drawn.
    let at = rng.uniform() * total;
    sums.iter().map(|&sum| u32::from(sum <= at)).sum::<u32>() as usize
}
