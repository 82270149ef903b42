//! Realism of single images (Kynkaanniemi et al. 2019, section 5): `max_i r_i / |x - y_i|` over real images y_i with the
//! distance r_i to their k-th neighbour. Above 1 the image lies in the real manifold.
//!
//! As in the paper only the half of the balls with the smaller radii takes part: large balls belong to outliers, which
//! would call anything near them real. A copy of a real image has infinite realism; choosing what is shown as "best", and
//! leaving near copies out of it, is the caller's business.

use crate::distances::{Exclude, nearest};
use crate::error::Result;
use crate::features::Features;
use crate::score::{Direction, Metric, Score};
use crate::screen::Screen;

/// Median realism of a set.
pub const REALISM: Metric = Metric {
    name: "median realism",
    unit: "radii per distance",
    direction: Direction::Higher,
    source: "Kynkaanniemi et al. 2019, arXiv:1904.06991",
};

/// Realism of every generated image; infinite for a copy of a real one.
///
/// # Errors
/// Sets of different width; `k` = 0; a reference of `k` rows or fewer.
pub fn realism(generated: &Features, reference: &Features, k: usize) -> Result<Vec<f64>> {
    generated.same_width(reference, REALISM.name)?;
    let radii = nearest(reference, reference, k, Exclude::Own)?.kth_squared();
    let mut sorted = radii.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted[(sorted.len() - 1) / 2];
    let kept: Vec<usize> = (0..radii.len()).filter(|&i| radii[i] <= median).collect();
    let centres = reference.select(&kept)?;

    let screen = Screen::new(generated, &centres);
    let squared = screen.fold(
        |_| 0.0,
        |best: &mut f64, stripe| {
            screen.bounds(stripe, |row, low, _| {
                let radius = radii[kept[row]];
                // The ratio is at most radius / low: below the best so far there is no need to look closer.
                if *best < f64::INFINITY && (low <= 0.0 || radius > *best * low) {
                    *best = best.max(ratio(radius, screen.direct(stripe.query, row)));
                }
            });
        },
    );
    Ok(squared.into_iter().map(f64::sqrt).collect())
}

/// Squared realism towards one ball. 0 / 0 is a copy of an image that has k copies of its own: infinite too.
fn ratio(squared_radius: f64, squared_distance: f64) -> f64 {
    if squared_distance == 0.0 { f64::INFINITY } else { squared_radius / squared_distance }
}

/// The median of [`realism`] over the generated set.
///
/// # Errors
/// As [`realism`].
pub fn median_realism(generated: &Features, reference: &Features, k: usize) -> Result<Score> {
    let mut values = realism(generated, reference, k)?;
    values.sort_unstable_by(f64::total_cmp);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    let median = if low == high { low } else { f64::midpoint(low, high) };
    Ok(REALISM.score(median, generated.n(), reference.n(), format!("k = {k}, smaller half of the radii")))
}
