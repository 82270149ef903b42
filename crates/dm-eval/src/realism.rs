//! Realism of single images (Kynkaanniemi et al. 2019, section 5): `max_i r_i / |x - y_i|` over the real images y_i, where r_i
//! is the distance of y_i to its k-th neighbour. An image with a realism above 1 lies in the real manifold.
//!
//! As in the paper, only the half of the balls with the smaller radii is used: large balls belong to outliers, and anything
//! near an outlier would count as real. A copy of a real image has infinite realism; [`crate::ranking`] excludes near copies.

use crate::distance_bounds::DistanceBounds;
use crate::distances::knn_radii;
use crate::error::Result;
use crate::features::Features;
use crate::score::{Direction, Quantity, Score};

/// Median realism of a set.
pub const REALISM: Quantity = Quantity {
    name: "median realism",
    unit: "radii per distance",
    direction: Direction::Higher,
    source: "Kynkaanniemi et al. 2019, arXiv:1904.06991",
};

/// Realism of each generated image; infinite for a copy of a real image.
///
/// # Errors
/// If the sets differ in width, `k` is 0, or the reference has `k` rows or fewer.
pub fn realism(generated: &Features, reference: &Features, k: usize) -> Result<Vec<f64>> {
    generated.same_width(reference, REALISM.name)?;
    let radii = knn_radii(reference, k)?.squared;
    let mut sorted = radii.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted[(sorted.len() - 1) / 2];
    let kept: Vec<usize> = (0..radii.len()).filter(|&i| radii[i] <= median).collect();
    let centres = reference.select(&kept)?;

    let bounds = DistanceBounds::new(generated, &centres);
    let squared = bounds.fold(
        |_| 0.0,
        |best: &mut f64, stripe| {
            bounds.bounds(stripe, |row, low, _| {
                let radius = radii[kept[row]];
                // The ratio is at most radius / low. If that is below the best ratio so far, the pair is skipped.
                if *best < f64::INFINITY && (low <= 0.0 || radius > *best * low) {
                    *best = best.max(ratio(radius, bounds.exact(stripe.query, row)));
                }
            });
        },
    );
    Ok(squared.into_iter().map(f64::sqrt).collect())
}

/// Squared realism with respect to one ball. 0 / 0 occurs for a copy of an image with k further copies; it is infinite too.
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
