//! The reverse transition of moving grains, and the forward transition of grains that fade and walk.

use dm_nn::rng::Rng;

use super::sums::{Lanes, RUNS, cumulate, lanes, products, sample_index, total, with_runs};
use crate::binomial;
use crate::heat::{Kernel, PlaneKernel, spread_columns};

/// Moves every grain of one channel's `counts` backward, into `moved`: from p to p' with probability
/// kernel(p, p') h_s(p') / h_t(p). All slices are `[H, W]`.
///
/// The row that a grain goes to depends on its pixel; the column then depends only on the old column and the new row. So all
/// grains first change rows, are counted again, and then change columns, with one table of running sums per pixel and axis.
pub(super) fn move_grains(
    counts: &[f32],
    h_s: &[f32],
    kernel: &PlaneKernel,
    rng: &mut Rng,
    moved: &mut [f32],
) {
    let (height, width) = (kernel.height(), kernel.width());
    // within_row[y'][x] = sum_x' h_s[y'][x'] k(x, x'): the intensity that a grain in column x finds in row y'.
    let mut within_row = vec![0.0; counts.len()];
    spread_columns(width, h_s, &mut within_row);
    let mut between = vec![0.0; counts.len()];
    with_runs!(height.len(), change_rows(counts, &within_row, height, width.len(), rng, &mut between));
    with_runs!(width.len(), change_columns(&between, h_s, width, rng, moved));
}

/// The forward transition of whole `counts` `[C, H, W]`: keeps every grain with the probability `keep`, in [0, 1], moves
/// the kept ones by `kernel`, and writes the new counts to `out`.
pub fn thin_and_walk(counts: &[f32], keep: f64, kernel: &PlaneKernel, rng: &mut Rng, out: &mut [f32]) {
    // Binomial draws are for probabilities of at most one half: of those that stay or of those that fade.
    let mut kept = |n: f32| match keep {
        _ if n < 1.0 => 0.0,
        keep if keep <= 0.5 => binomial::sample(n as u32, keep.max(0.0), rng) as f32,
        keep => n - binomial::sample(n as u32, (1.0 - keep).max(0.0), rng) as f32,
    };
    let thinned: Vec<f32> = counts.iter().map(|&n| kept(n)).collect();
    // With an even intensity, the reverse transition is the walk itself, because the kernel is symmetric.
    let pixels = kernel.height().len() * kernel.width().len();
    let even = vec![1.0; pixels];
    for (counts, out) in thinned.chunks_exact(pixels).zip(out.chunks_exact_mut(pixels)) {
        move_grains(counts, &even, kernel, rng, out);
    }
}

/// Moves the grains of `counts` to other rows of their column, in proportion to kernel and `intensity`.
fn change_rows<const RUN: usize>(
    counts: &[f32],
    intensity: &[f32],
    kernel: &Kernel,
    width: usize,
    rng: &mut Rng,
    moved: &mut [f32],
) {
    let places = Place::<RUN>::all(kernel);
    moved.fill(0.0);
    for x in 0..width {
        let column = lanes(intensity[x..].iter().step_by(width));
        for (y, place) in places.iter().enumerate() {
            let land = |row: usize, grains: f32| moved[row * width + x] += grains;
            scatter(counts[y * width + x], place, &column, rng, land);
        }
    }
}

/// Moves the grains of `counts` to other columns of their row, in proportion to kernel and `intensity`.
fn change_columns<const RUN: usize>(
    counts: &[f32],
    intensity: &[f32],
    kernel: &Kernel,
    rng: &mut Rng,
    moved: &mut [f32],
) {
    let (places, width) = (Place::<RUN>::all(kernel), kernel.len());
    moved.fill(0.0);
    let rows = counts.chunks_exact(width).zip(intensity.chunks_exact(width));
    for ((counts, intensity), moved) in rows.zip(moved.chunks_exact_mut(width)) {
        let row = lanes(intensity.iter());
        for (&grains, place) in counts.iter().zip(&places) {
            scatter(grains, place, &row, rng, |column, grains| moved[column] += grains);
        }
    }
}

/// Weights that add up to less than this count as zero. Far below it f32 loses its digits, and a draw could round beyond the
/// last index.
const SMALLEST_TOTAL: f32 = 1e-30;

/// Draws a target in proportion to kernel * intensity for each of `grains` grains at `place`. If no intensity is within
/// reach, the grains stay.
#[inline]
fn scatter<const RUN: usize>(
    grains: f32,
    place: &Place<RUN>,
    intensity: &Lanes<RUN>,
    rng: &mut Rng,
    mut land: impl FnMut(usize, f32),
) {
    if grains < 1.0 {
        return;
    }
    let mut sums = cumulate(products(&place.kernel, intensity));
    let all = total(&sums);
    if !(all >= SMALLEST_TOTAL && all.is_finite()) {
        return land(place.from, grains);
    }
    let mut moving = grains as u32;
    let stay =
        place.kernel[place.from % RUN][place.from / RUN] * intensity[place.from % RUN][place.from / RUN];
    if stay > 0.5 * all {
        // Most grains stay, so that one binomial draw decides how many leave. The targets of the leaving grains have their
        // own running sums, because added to the weight of staying their weights would be lost in rounding.
        sums = cumulate(products(&place.elsewhere, intensity));
        let elsewhere = if total(&sums) < SMALLEST_TOTAL { 0.0 } else { f64::from(total(&sums)) };
        let leaving = (elsewhere / (elsewhere + f64::from(stay))).min(0.5);
        moving = binomial::sample(moving, leaving, rng);
        land(place.from, grains - moving as f32);
    }
    for _ in 0..moving {
        land(sample_index(&sums, rng), 1.0);
    }
}

/// A place on a line: the kernel's weights of a step from there.
struct Place<const RUN: usize> {
    from: usize,
    /// To all places.
    kernel: Lanes<RUN>,
    /// To all but itself.
    elsewhere: Lanes<RUN>,
}

impl<const RUN: usize> Place<RUN> {
    /// Every place of the kernel's line, at most `RUNS * RUN` of them.
    fn all(kernel: &Kernel) -> Vec<Self> {
        debug_assert!(kernel.len() <= RUNS * RUN);
        (0..kernel.len()).map(|from| Self::new(from, kernel.row(from))).collect()
    }

    /// The place `from`; `row` is its row of the kernel.
    fn new(from: usize, row: &[f32]) -> Self {
        let kernel = lanes(row.iter());
        let mut elsewhere = kernel;
        elsewhere[from % RUN][from / RUN] = 0.0;
        Self { from, kernel, elsewhere }
    }
}
