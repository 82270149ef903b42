//! The Frechet distance at n = infinity, extrapolated along a straight line that is fitted to its values at several n.
//!
//! At finite n the distance is too large by about c / n, where c depends on the model (Chong & Forsyth 2020). Two models with
//! different c are therefore compared fairly only in the limit. Only the generated set is extrapolated: the reference is the
//! same for all models, and the bias from its own n remains in the value. No interval is computed, because an interval needs
//! independent sets.

use dm_nn::rng::Seed;

use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::frechet::{Moments, frechet_distance};
use crate::score::{Direction, Quantity, Score};
use crate::streams::METRIC;

/// Frechet distance extrapolated to infinitely many generated images.
pub const FD_INFINITY: Quantity = Quantity {
    name: "frechet distance at n = infinity",
    unit: "squared feature units",
    direction: Direction::Lower,
    source: "Chong & Forsyth 2020, arXiv:1911.07023",
};

/// Number of set sizes on the line.
pub const POINTS: usize = 15;

/// The fitted line `distance = intercept + slope / n` and the points it was fitted to.
#[derive(Clone, Debug, PartialEq)]
pub struct Extrapolation {
    /// (n, distance) for rising n; the last n is that of the whole generated set.
    pub points: Vec<(usize, f64)>,
    /// The distance in the limit. It may be slightly negative for a set that is as good as real images.
    pub intercept: f64,
    /// The constant c of the bias c / n.
    pub slope: f64,
    /// Number of rows of the reference set.
    pub n_reference: usize,
    /// Seed of the random subsets.
    pub seed: Seed,
}

impl Extrapolation {
    /// The intercept as a score.
    pub fn score(&self) -> Score {
        let n = self.points.last().map_or(0, |&(n, _)| n);
        let setting = format!("{} sizes, seed {}", self.points.len(), self.seed.0);
        FD_INFINITY.score(self.intercept, n, self.n_reference, setting)
    }
}

/// Fits the line to [`POINTS`] set sizes from n / 10 to n. Each set is a random subset without repetition.
///
/// # Errors
/// If the sets differ in width, or if the reference set or a tenth of the generated set has no more rows than columns.
pub fn fd_infinity(generated: &Features, reference: &Features, seed: Seed) -> Result<Extrapolation> {
    const NAME: &str = FD_INFINITY.name;
    generated.same_width(reference, NAME)?;
    generated.at_least(10 * (generated.dim() + 1), "generated", NAME)?;
    reference.at_least(reference.dim() + 1, "reference", NAME)?;
    let target = Moments::of(reference)?;
    let n = generated.n();
    let mut points = Vec::with_capacity(POINTS);
    for i in 0..POINTS {
        // Rounded up: the smallest size is a tenth of n or more, the largest is n itself.
        let size = n.div_ceil(10) + (n - n.div_ceil(10)) * i / (POINTS - 1);
        let order = seed.stream(METRIC, i as u64, 0).permutation(n);
        let rows: Vec<usize> = order[..size].iter().map(|&row| row as usize).collect();
        points.push((size, frechet_distance(&Moments::of(&generated.select(&rows)?)?, &target)?));
    }
    let (intercept, slope) = fit_line(&points)?;
    Ok(Extrapolation { points, intercept, slope, n_reference: reference.n(), seed })
}

/// The least-squares line through the points (n, distance) as a function of 1 / n: (intercept, slope).
///
/// # Errors
/// If there are fewer than two different n, or one of them is 0.
pub fn fit_line(points: &[(usize, f64)]) -> Result<(f64, f64)> {
    let count = points.len() as f64;
    let x_mean = points.iter().map(|&(n, _)| 1.0 / n as f64).sum::<f64>() / count;
    let y_mean = points.iter().map(|&(_, y)| y).sum::<f64>() / count;
    let (mut xx, mut xy) = (0.0, 0.0);
    for &(n, y) in points {
        let x = 1.0 / n as f64 - x_mean;
        xx += x * x;
        xy += x * (y - y_mean);
    }
    if points.iter().all(|&(n, _)| n == 0 || n == points[0].0) || !xx.is_finite() {
        return Err(EvalError::Argument {
            metric: FD_INFINITY.name,
            argument: "points",
            expected: "two different n, none of them 0".into(),
            found: format!("{points:?}"),
        });
    }
    let slope = xy / xx;
    Ok((y_mean - slope * x_mean, slope))
}
