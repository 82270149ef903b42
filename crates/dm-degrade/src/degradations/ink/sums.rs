//! Drawing an index in proportion to weights, from a table of their running sums.
//!
//! The weights of a line are kept in four runs side by side: `[i][run]` is number `run * RUN + i`, so that running sums are
//! a few four-lane additions instead of a chain as long as the line. A line that does not fill its runs ends in weights of
//! zero, which are never drawn.

#![allow(
    clippy::inline_always,
    reason = "the length of the runs has to be known where these functions are used"
)]

use dm_nn::rng::Rng;

use crate::heat::Kernel;

/// Calls the function with the shortest runs that hold a line of `$len` numbers, at most 128: `$function::<RUN>(...)`.
macro_rules! with_runs {
    ($len:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $len {
            0..=28 => $function::<7>($($argument),*),
            29..=32 => $function::<8>($($argument),*),
            33..=64 => $function::<16>($($argument),*),
            _ => $function::<32>($($argument),*),
        }
    };
}
pub(super) use with_runs;

/// Runs side by side.
pub(super) const RUNS: usize = 4;

/// Up to `RUNS * RUN` numbers in runs of `RUN`.
pub(super) type Lanes<const RUN: usize> = [[f32; RUNS]; RUN];

/// Puts up to `RUNS * RUN` numbers into lanes.
#[inline(always)]
pub(super) fn lanes<'a, const RUN: usize>(numbers: impl Iterator<Item = &'a f32>) -> Lanes<RUN> {
    let mut lanes = [[0.0; RUNS]; RUN];
    for (i, number) in numbers.take(RUNS * RUN).enumerate() {
        lanes[i % RUN][i / RUN] = *number;
    }
    lanes
}

/// The products of two lines, number by number.
#[inline(always)]
pub(super) fn products<const RUN: usize>(a: &Lanes<RUN>, b: &Lanes<RUN>) -> Lanes<RUN> {
    std::array::from_fn(|i| std::array::from_fn(|run| a[i][run] * b[i][run]))
}

/// Running sums of weights.
#[inline(always)]
pub(super) fn cumulate<const RUN: usize>(mut weights: Lanes<RUN>) -> Lanes<RUN> {
    for i in 1..RUN {
        weights[i] = add(weights[i], weights[i - 1]);
    }
    let [a, b, c, _] = weights[RUN - 1];
    let before = [0.0, a, a + b, a + b + c];
    weights.map(|sums| add(sums, before))
}

#[inline(always)]
fn add(a: [f32; RUNS], b: [f32; RUNS]) -> [f32; RUNS] {
    std::array::from_fn(|run| a[run] + b[run])
}

/// The sum of all weights.
#[inline(always)]
pub(super) fn total<const RUN: usize>(sums: &Lanes<RUN>) -> f32 {
    sums[RUN - 1][RUNS - 1]
}

/// Draws an index with the running sums `sums`; uses one uniform.
#[inline(always)]
pub(super) fn sample_index<const RUN: usize>(sums: &Lanes<RUN>, rng: &mut Rng) -> usize {
    // `at` is below the total even after rounding, so that an index of weight zero is never drawn. Running sums never fall,
    // so that the index is the number of sums that are at most `at`, in whatever order they are counted.
    let at = rng.uniform() * total(sums);
    let mut passed = [0; RUNS];
    for sums in sums {
        for (passed, sum) in passed.iter_mut().zip(sums) {
            *passed += i32::from(*sum <= at);
        }
    }
    passed.iter().sum::<i32>() as usize
}

/// A random walk along one axis.
pub(super) trait Walk {
    /// Draws the next place of a walker at `from`; uses one uniform.
    fn step(&self, from: usize, rng: &mut Rng) -> usize;
}

impl<const RUN: usize> Walk for Vec<Lanes<RUN>> {
    fn step(&self, from: usize, rng: &mut Rng) -> usize {
        sample_index(&self[from], rng)
    }
}

/// The random walk whose transition probabilities are `kernel`.
pub(super) fn walk(kernel: &Kernel) -> Box<dyn Walk> {
    fn table<const RUN: usize>(kernel: &Kernel) -> Box<dyn Walk> {
        let row = |from: usize| cumulate(lanes::<RUN>(kernel.row(from).iter()));
        Box::new((0..kernel.len()).map(row).collect::<Vec<_>>())
    }
    with_runs!(kernel.len(), table(kernel))
}
