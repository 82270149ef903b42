//! Sliced Wasserstein-2 distance: the root mean square, over random directions, of the exact one-dimensional distance
//! between the projected sets. It detects differences of any kind, not only of mean and covariance.

use dm_nn::rng::Seed;
use rayon::prelude::*;

use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::score::{Direction, Quantity, Score};
use crate::streams::METRIC;

/// Sliced Wasserstein-2 distance.
pub const SLICED_WASSERSTEIN: Quantity = Quantity {
    name: "sliced wasserstein",
    unit: "feature units",
    direction: Direction::Lower,
    source: "Rabin et al. 2012, doi:10.1007/978-3-642-24785-9_37",
};

/// Number of projections that `dm eval` uses.
pub const PROJECTIONS: usize = 256;

/// Sliced Wasserstein-2 distance over `projections` directions of `seed`; the sets may differ in size.
///
/// # Errors
/// If the sets differ in width, or there are no projections.
pub fn sliced_wasserstein(
    generated: &Features,
    reference: &Features,
    projections: usize,
    seed: Seed,
) -> Result<Score> {
    generated.same_width(reference, SLICED_WASSERSTEIN.name)?;
    if projections == 0 {
        return Err(EvalError::Argument {
            metric: SLICED_WASSERSTEIN.name,
            argument: "projections",
            expected: "at least 1".into(),
            found: "0".into(),
        });
    }
    let squared: Vec<f64> = (0..projections)
        .into_par_iter()
        .map(|i| {
            let direction = direction(reference.dim(), seed, i as u64);
            squared_wasserstein(&project(generated, &direction), &project(reference, &direction))
        })
        .collect();
    let value = (squared.iter().sum::<f64>() / projections as f64).sqrt();
    let setting = format!("{projections} projections, seed {}", seed.0);
    Ok(SLICED_WASSERSTEIN.score(value, generated.n(), reference.n(), setting))
}

/// A uniformly random unit vector.
fn direction(dim: usize, seed: Seed, index: u64) -> Vec<f64> {
    let mut rng = seed.stream(METRIC, index, 0);
    loop {
        let v: Vec<f64> = (0..dim).map(|_| f64::from(rng.normal())).collect();
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        // In one dimension the vector may be close to zero.
        if length > 1e-12 {
            return v.into_iter().map(|x| x / length).collect();
        }
    }
}

/// Sorted coordinates of the rows along `direction`.
fn project(set: &Features, direction: &[f64]) -> Vec<f64> {
    let mut out: Vec<f64> =
        set.rows().map(|row| row.iter().zip(direction).map(|(v, d)| v * d).sum()).collect();
    out.sort_unstable_by(f64::total_cmp);
    out
}

/// `integral_0^1 (F^-1(u) - G^-1(u))^2 du` of two sorted samples: exact for any two sizes.
pub(crate) fn squared_wasserstein(a: &[f64], b: &[f64]) -> f64 {
    let (n, m) = (a.len() as u64, b.len() as u64);
    let (mut i, mut j, mut at, mut sum) = (0u64, 0u64, 0u64, 0.0);
    // Positions in units of 1 / (n m): whether the steps of both coincide is decided in integers.
    while i < n && j < m {
        let (end_a, end_b) = ((i + 1) * m, (j + 1) * n);
        let next = end_a.min(end_b);
        let gap = a[i as usize] - b[j as usize];
        sum += (next - at) as f64 * gap * gap;
        at = next;
        i += u64::from(end_a == next);
        j += u64::from(end_b == next);
    }
    sum / (n as f64 * m as f64)
}

#[cfg(test)]
mod tests {
    use super::squared_wasserstein;

    #[test]
    fn sizes_may_differ() {
        // {0, 1} against {0, 0, 3}: a gap of 1 for quantiles from 1/2 to 2/3, and a gap of 2 from 2/3 to 1.
        let expected = 1.0 / 6.0 + 4.0 / 3.0;
        assert!((squared_wasserstein(&[0.0, 1.0], &[0.0, 0.0, 3.0]) - expected).abs() < 1e-15);
        // A set and the same set with every point twice are the same distribution.
        assert_eq!(squared_wasserstein(&[1.0, 4.0], &[1.0, 1.0, 4.0, 4.0]), 0.0);
    }
}
