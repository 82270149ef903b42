//! Moving grains: the reverse transition, and the draw from a table of running sums that it shares with the film.

use dm_nn::data::{PIXELS, SIDE};
use dm_nn::rng::Rng;

use crate::binomial;
use crate::heat::{Kernel, spread_columns};

/// Runs into which the 28 weights of a table are cut, and weights in a run.
const RUNS: usize = 4;
const RUN: usize = SIDE / RUNS;

/// 28 numbers, four runs of seven side by side: `[i][run]` is number `run * 7 + i`. Running sums then are a few
/// four-lane additions instead of 28 that wait for each other.
pub(super) type Lanes = [[f32; RUNS]; RUN];

/// Puts 28 numbers into lanes.
#[inline]
pub(super) fn lanes<'a>(numbers: impl Iterator<Item = &'a f32>) -> Lanes {
    let mut lanes = [[0.0; RUNS]; RUN];
    for (i, number) in numbers.take(SIDE).enumerate() {
        lanes[i % RUN][i / RUN] = *number;
    }
    lanes
}

/// Moves every grain of `counts` backward: from p to p' with probability kernel(p, p') h_s(p') / h_t(p), row first.
///
/// The row a grain goes to depends on its pixel, the column then only on its column and the new row. So all grains
/// first change rows, are counted again, and then change columns: one table of running sums per pixel and axis.
pub(super) fn move_grains(counts: &[f32], h_s: &[f32], kernel: &Kernel, rng: &mut Rng) -> Vec<f32> {
    // ahead[y'][x] = sum_x' h_s[y'][x'] k(x, x'): what a grain in column x finds in row y'.
    let ahead = spread_columns(kernel, h_s);
    let places: [Place; SIDE] = std::array::from_fn(|from| Place::new(from, &kernel[from]));
    let mut between = vec![0.0; PIXELS];
    for x in 0..SIDE {
        let column = lanes(ahead[x..].iter().step_by(SIDE));
        for (y, place) in places.iter().enumerate() {
            let land = |row: usize, grains: f32| between[row * SIDE + x] += grains;
            scatter(counts[y * SIDE + x], place, &column, rng, land);
        }
    }
    let mut moved = vec![0.0; PIXELS];
    let rows = between.chunks_exact(SIDE).zip(h_s.chunks_exact(SIDE)).zip(moved.chunks_exact_mut(SIDE));
    for ((between, h_s), moved) in rows {
        let row = lanes(h_s.iter());
        for (&grains, place) in between.iter().zip(&places) {
            scatter(grains, place, &row, rng, |column, grains| moved[column] += grains);
        }
    }
    moved
}

/// Weights that add up to less than this are none. Far below it f32 loses its digits and a draw could round beyond the
/// last index.
const LEAST: f32 = 1e-30;

/// Draws a target in proportion to kernel * intensity for each of `grains` grains at `place`. Where no ink is expected in
/// reach they stay.
#[inline]
fn scatter(grains: f32, place: &Place, intensity: &Lanes, rng: &mut Rng, mut land: impl FnMut(usize, f32)) {
    if grains < 1.0 {
        return;
    }
    let mut sums = cumulate(times(&place.kernel, intensity));
    let total = last(&sums);
    if !(total >= LEAST && total.is_finite()) {
        return land(place.from, grains);
    }
    let mut moving = grains as u32;
    let stay =
        place.kernel[place.from % RUN][place.from / RUN] * intensity[place.from % RUN][place.from / RUN];
    if stay > 0.5 * total {
        // Most stay: how many do not is one draw, whatever their number. Those who leave have running sums of their own,
        // for beside the weight of staying they would drown in its rounding.
        sums = cumulate(times(&place.elsewhere, intensity));
        let elsewhere = if last(&sums) < LEAST { 0.0 } else { f64::from(last(&sums)) };
        let leaving = (elsewhere / (elsewhere + f64::from(stay))).min(0.5);
        moving = binomial::draw(moving, leaving, rng);
        land(place.from, grains - moving as f32);
    }
    for _ in 0..moving {
        land(pick(&sums, rng), 1.0);
    }
}

/// A place on a line of 28: the kernel's weights of a step from there.
struct Place {
    from: usize,
    /// To all places.
    kernel: Lanes,
    /// To all but itself.
    elsewhere: Lanes,
}

impl Place {
    /// The place `from`, `row` being its row of the kernel.
    fn new(from: usize, row: &[f32; SIDE]) -> Self {
        let kernel = lanes(row.iter());
        let mut elsewhere = kernel;
        elsewhere[from % RUN][from / RUN] = 0.0;
        Self { from, kernel, elsewhere }
    }
}

/// The products of two times 28 numbers.
#[inline]
fn times(a: &Lanes, b: &Lanes) -> Lanes {
    std::array::from_fn(|i| std::array::from_fn(|run| a[i][run] * b[i][run]))
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

/// The sum of all weights.
#[inline]
fn last(sums: &Lanes) -> f32 {
    sums[RUN - 1][RUNS - 1]
}

/// Draws an index with the running sums `sums`.
#[inline]
pub(super) fn pick(sums: &Lanes, rng: &mut Rng) -> usize {
    // Below the last sum even after rounding, so an index of weight zero is never drawn. Sums never fall from one number
    // to the next, so how many are passed is the index, in whatever order they are counted.
    let at = rng.uniform() * last(sums);
    let mut passed = [0; RUNS];
    for sums in sums {
        for (passed, sum) in passed.iter_mut().zip(sums) {
            *passed += i32::from(*sum <= at);
        }
    }
    passed.iter().sum::<i32>() as usize
}
