//! Moving grains: the reverse transition, and the odds of where a grain goes that it shares with the film.

use dm_nn::data::{PIXELS, SIDE};
use dm_nn::rng::Rng;
use pulp::Arch;

use crate::binomial;
use crate::heat::{Kernel, spread_columns};

/// Runs into which the 28 weights of a line are cut, and weights in a run. The last run is empty.
const RUNS: usize = 8;
const RUN: usize = 4;

/// 28 numbers, runs of four side by side: `[i][run]` is number `4 run + i`. Running sums then are a few additions of eight
/// lanes instead of 28 that wait for each other.
type Lanes = [[f32; RUNS]; RUN];

/// Puts `weight(0..28)` into lanes.
#[inline(always)]
fn lanes(weight: impl Fn(usize) -> f32) -> Lanes {
    let at = |i: usize| if i < SIDE { weight(i) } else { 0.0 };
    std::array::from_fn(|i| std::array::from_fn(|run| at(run * RUN + i)))
}

/// Moves every grain of `counts` backward: from p to p' with probability kernel(p, p') h_s(p') / h_t(p), row first.
///
/// The row a grain goes to depends on its pixel, the column then only on its column and the new row. So all grains
/// first change rows, are counted again, and then change columns: one table of odds per pixel and axis.
pub(super) fn move_grains(counts: &[f32], h_s: &[f32], kernel: &Kernel, rng: &mut Rng) -> Vec<f32> {
    // ahead[y'][x] = sum_x' h_s[y'][x'] k(x, x'): what a grain in column x finds in row y'.
    let ahead = spread_columns(kernel, h_s);
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let places: [Place; SIDE] = std::array::from_fn(|from| Place::new(from, &kernel[from]));
            let mut between = vec![0.0; PIXELS];
            for x in 0..SIDE {
                let column = lanes(|row| ahead[row * SIDE + x]);
                for (y, place) in places.iter().enumerate() {
                    let land = |row: usize, grains: f32| between[row * SIDE + x] += grains;
                    scatter(counts[y * SIDE + x], place, &column, rng, land);
                }
            }
            let mut moved = vec![0.0; PIXELS];
            for y in 0..SIDE {
                let line = y * SIDE..(y + 1) * SIDE;
                let (between, h_s, moved) = (&between[line.clone()], &h_s[line.clone()], &mut moved[line]);
                let row = lanes(|column| h_s[column]);
                for (place, &grains) in places.iter().zip(between) {
                    scatter(grains, place, &row, rng, |column, grains| moved[column] += grains);
                }
            }
            moved
        },
    )
}

/// Draws a target in proportion to kernel * intensity for each of `grains` grains at `place`.
#[inline(always)]
fn scatter(grains: f32, place: &Place, intensity: &Lanes, rng: &mut Rng, mut land: impl FnMut(usize, f32)) {
    if grains < 1.0 {
        return;
    }
    let odds = Odds::new(place, intensity);
    let mut moving = grains as u32;
    let mut among = odds.elsewhere + odds.stay;
    if odds.stay > odds.elsewhere {
        // Most grains stay: how many do not is one draw, whatever their number.
        let leaving = f64::from(odds.elsewhere) / (f64::from(odds.elsewhere) + f64::from(odds.stay));
        moving = binomial::draw(moving, leaving, rng);
        among = odds.elsewhere;
        land(place.from, grains - moving as f32);
    }
    for _ in 0..moving {
        land(odds.pick(among, rng), 1.0);
    }
}

/// A place on a line of 28, and the kernel's weights of a step from there.
pub(super) struct Place {
    from: usize,
    /// To all other places.
    elsewhere: Lanes,
    /// To none. It is kept apart: where nearly all stay, the rest would drown in its rounding.
    stay: f32,
}

impl Place {
    /// The place `from`, `kernel` being its row of the kernel.
    pub(super) fn new(from: usize, kernel: &[f32; SIDE]) -> Self {
        Self { from, elsewhere: lanes(|to| if to == from { 0.0 } else { kernel[to] }), stay: kernel[from] }
    }

    /// Where a grain goes by the kernel alone.
    pub(super) fn odds(&self) -> Odds {
        Odds::new(self, &[[1.0; RUNS]; RUN])
    }
}

/// Weights that add up to less than this are none. Far below it f32 loses its digits and a draw could round beyond the
/// last index.
const LEAST: f32 = 1e-30;

/// Where a grain at `from` goes.
pub(super) struct Odds {
    from: usize,
    /// Running sums of the weights of all other places.
    sums: Lanes,
    /// The last of them.
    elsewhere: f32,
    /// Weight of staying.
    stay: f32,
}

impl Odds {
    /// In proportion to kernel * `intensity`. Where they all add up to nothing, for no ink is expected in reach, it stays.
    #[inline(always)]
    fn new(place: &Place, intensity: &Lanes) -> Self {
        let Place { from, elsewhere, stay } = place;
        let weight = |i: usize, run: usize| elsewhere[i][run] * intensity[i][run];
        let sums = cumulate(std::array::from_fn(|i| std::array::from_fn(|run| weight(i, run))));
        let stay = stay * intensity[from % RUN][from / RUN];
        let odds = Self { from: *from, sums, elsewhere: sums[RUN - 1][RUNS - 1], stay };
        let total = odds.elsewhere + stay;
        if total >= LEAST && total.is_finite() { odds } else { Self { elsewhere: 0.0, stay: 1.0, ..odds } }
    }

    /// Draws a place of any.
    pub(super) fn draw(&self, rng: &mut Rng) -> usize {
        self.pick(self.elsewhere + self.stay, rng)
    }

    /// Draws a place whose running sum is below `among`; staying comes last.
    #[inline(always)]
    fn pick(&self, among: f32, rng: &mut Rng) -> usize {
        // Below `among` even after rounding, so a place of weight zero is never drawn. Sums never fall from one number to
        // the next, so how many are passed is the place, in whatever order they are counted.
        let at = rng.uniform() * among;
        let mut passed = [0.0f32; RUNS];
        for sums in &self.sums {
            for (passed, sum) in passed.iter_mut().zip(sums) {
                *passed += if *sum <= at { 1.0 } else { 0.0 };
            }
        }
        let [a, b, c, d, e, f, g, h] = passed;
        let passed = (((a + e) + (c + g)) + ((b + f) + (d + h))) as usize;
        // All are passed, the empty run too, where `at` has reached the last sum.
        if passed < SIDE { passed } else { self.from }
    }
}

/// Running sums of 28 weights; those of the empty run are the last of them.
#[inline(always)]
fn cumulate(mut weights: Lanes) -> Lanes {
    for i in 1..RUN {
        weights[i] = add(weights[i], weights[i - 1]);
    }
    let mut before = [0.0; RUNS];
    for run in 1..RUNS {
        before[run] = before[run - 1] + weights[RUN - 1][run - 1];
    }
    weights.map(|sums| add(sums, before))
}

#[inline(always)]
fn add(a: [f32; RUNS], b: [f32; RUNS]) -> [f32; RUNS] {
    std::array::from_fn(|run| a[run] + b[run])
}
