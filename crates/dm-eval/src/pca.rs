//! The first two principal components of real features, for plots. They are fitted to real images only, so that all models are
//! projected in the same way.

use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::frechet::Moments;

/// The two directions of largest variance of a set, and its mean.
pub struct Pca {
    mean: Vec<f64>,
    axes: [Vec<f64>; 2],
    /// Share of the total variance along each component.
    pub explained: [f64; 2],
}

impl Pca {
    /// Fits the components to `real`.
    ///
    /// # Errors
    /// If there are fewer than two rows or columns, or the eigenvalues do not converge.
    pub fn fit(real: &Features) -> Result<Self> {
        const NAME: &str = "principal components";
        let moments = Moments::of(real)?;
        let dim = moments.dim();
        if dim < 2 {
            return Err(EvalError::Argument {
                metric: NAME,
                argument: "number of features",
                expected: "at least 2".into(),
                found: dim.to_string(),
            });
        }
        let eigen = moments.eigen(NAME)?;
        let values = &eigen.eigenvalues;
        let total: f64 = values.iter().map(|value| value.max(0.0)).sum::<f64>().max(f64::MIN_POSITIVE);
        let mut order: Vec<usize> = (0..dim).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        // The sign of a vector is arbitrary; its largest entry is made positive.
        let axis = |k: usize| {
            let vector = eigen.eigenvectors.column(order[k]);
            let largest = vector.iter().copied().fold(0.0f64, |a, v| if v.abs() > a.abs() { v } else { a });
            vector.iter().map(|v| v * largest.signum()).collect()
        };
        Ok(Self {
            mean: moments.mean().to_vec(),
            axes: [axis(0), axis(1)],
            explained: [0, 1].map(|k| values[order[k]].max(0.0) / total),
        })
    }

    /// Coordinates of each row of `set` along both components, `[n]`, relative to the mean of the fitted set.
    ///
    /// # Errors
    /// If the set has another width than the fitted one.
    pub fn project(&self, set: &Features) -> Result<Vec<[f64; 2]>> {
        if set.dim() != self.mean.len() {
            let (expected, found) = (self.mean.len(), set.dim());
            return Err(EvalError::Width { metric: "principal components", expected, found });
        }
        let along = |row: &[f64], axis: &[f64]| {
            row.iter().zip(&self.mean).zip(axis).map(|((v, m), a)| (v - m) * a).sum()
        };
        Ok(set.rows().map(|row| [along(row, &self.axes[0]), along(row, &self.axes[1])]).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn axes_of_a_set_drawn_along_known_directions() {
        // Variance 8 along (3, 4) / 5, variance 2 along (-4, 3) / 5, none along the third axis; mean (1, 1, 1).
        let (u, v) = ([0.6, 0.8, 0.0], [-0.8, 0.6, 0.0]);
        let row = |(a, b): (f64, f64)| (0..3).map(|i| 1.0 + a * u[i] + b * v[i]).collect::<Vec<_>>();
        let points = [(2.0, 1.0), (2.0, -1.0), (-2.0, 1.0), (-2.0, -1.0)];
        let set = Features::new("rows", 4, 3, points.into_iter().flat_map(row).collect()).unwrap();
        let pca = Pca::fit(&set).unwrap();
        assert!((pca.explained[0] - 0.8).abs() < 1e-12 && (pca.explained[1] - 0.2).abs() < 1e-12);
        // The largest entry of each axis is positive: the second is (0.8, -0.6).
        for (found, (a, b)) in pca.project(&set).unwrap().into_iter().zip(points) {
            assert!((found[0] - a).abs() < 1e-12 && (found[1] + b).abs() < 1e-12, "{found:?}");
        }
        assert!(pca.project(&Features::new("narrow", 1, 2, vec![0.0; 2]).unwrap()).is_err());
        assert!(Pca::fit(&Features::new("narrow", 3, 1, vec![0.0; 3]).unwrap()).is_err());
    }
}
