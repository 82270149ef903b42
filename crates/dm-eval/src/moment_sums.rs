//! Mean and covariance of features that arrive in parts (Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise
//! algorithm for computing sample variances").
//!
//! Each part is centred on its own mean, so that no digits are lost to large sums of squares.

use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::frechet::{FRECHET, Moments};

/// Number of rows, mean and scatter matrix of all features added so far.
#[derive(Clone, Debug, Default)]
pub struct MomentSums {
    n: usize,
    /// The mean of the rows, `[dim]`.
    mean: Vec<f64>,
    /// The sum over rows of (x - mean)(x - mean)^T, [dim, dim].
    scatter: Vec<f64>,
}

impl MomentSums {
    /// Number of rows.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Adds the rows of `features`.
    ///
    /// # Errors
    /// If they have another width than the rows before them.
    pub fn add(&mut self, features: &Features) -> Result<()> {
        let (count, dim) = (features.n(), features.dim());
        if self.n == 0 {
            (self.mean, self.scatter) = (vec![0.0; dim], vec![0.0; dim * dim]);
        }
        if self.mean.len() != dim {
            return Err(EvalError::Width { metric: FRECHET.name, expected: self.mean.len(), found: dim });
        }
        // One row is its own mean, and has no scatter.
        let (mean, covariance) = if count == 1 {
            (features.row(0).to_vec(), vec![0.0; dim * dim])
        } else {
            let moments = Moments::of(features)?;
            (moments.mean().to_vec(), moments.covariance().to_vec())
        };
        let (before, added) = (self.n as f64, count as f64);
        let total = before + added;
        let difference: Vec<f64> = mean.iter().zip(&self.mean).map(|(new, old)| new - old).collect();
        let between = before * added / total;
        for (i, (row, new)) in self.scatter.chunks_mut(dim).zip(covariance.chunks(dim)).enumerate() {
            for (j, (sum, value)) in row.iter_mut().zip(new).enumerate() {
                *sum += value * (added - 1.0) + difference[i] * difference[j] * between;
            }
        }
        self.mean.iter_mut().zip(&difference).for_each(|(mean, d)| *mean += d * added / total);
        self.n += count;
        Ok(())
    }

    /// The moments of all rows (denominator n - 1).
    ///
    /// # Errors
    /// If there are fewer than two rows.
    pub fn moments(&self) -> Result<Moments> {
        if self.n < 2 {
            let (metric, set, needed) = (FRECHET.name, "generated", 2);
            return Err(EvalError::TooFew { metric, set, needed, found: self.n });
        }
        let covariance = self.scatter.iter().map(|value| value / (self.n - 1) as f64).collect();
        Moments::new(self.n, self.mean.clone(), covariance)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_division_gives_the_moments_of_the_whole(
            values in prop::collection::vec(-5.0f64..5.0, 6..240), shift in -1e6f64..1e6, part in 1usize..30
        ) {
            let (dim, n) = (3, values.len() / 3);
            let values: Vec<f64> = values[..n * dim].iter().map(|value| value + shift).collect();
            let mut sums = MomentSums::default();
            for rows in values.chunks(part * dim) {
                sums.add(&Features::new("part", rows.len() / dim, dim, rows.to_vec()).unwrap()).unwrap();
            }
            let whole = Moments::of(&Features::new("whole", n, dim, values).unwrap()).unwrap();
            let streamed = sums.moments().unwrap();
            prop_assert_eq!(streamed.n(), n);
            for (a, b) in whole.mean().iter().zip(streamed.mean()) {
                prop_assert!((a - b).abs() <= 1e-14 * (1.0 + shift.abs()), "{a} {b}");
            }
            for (a, b) in whole.covariance().iter().zip(streamed.covariance()) {
                prop_assert!((a - b).abs() <= 1e-8, "{a} {b}");
            }
        }
    }

    #[test]
    fn too_few_rows_and_other_widths_are_refused() {
        let mut sums = MomentSums::default();
        assert!(sums.moments().is_err());
        sums.add(&Features::new("a", 1, 2, vec![1.0, 2.0]).unwrap()).unwrap();
        assert!(sums.moments().is_err());
        assert!(sums.add(&Features::new("b", 1, 3, vec![1.0; 3]).unwrap()).is_err());
    }
}
