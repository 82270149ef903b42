//! Frechet distance between two Gaussians fitted to features:
//! `|mu_1 - mu_2|^2 + Tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))`. With features of the Inception network this is the FID.
//!
//! The trace of the root is computed as the sum of the singular values of `S_1^(1/2) S_2^(1/2)`. Each of these roots comes
//! from a symmetric eigendecomposition in which negative and rounding-size eigenvalues are set to 0. This avoids the root of
//! a non-symmetric matrix, complex numbers, and an `eps` on the diagonal. The bias at finite n is treated in
//! `fd_infinity.rs`. A bootstrap over images is not offered, because duplicates shift the value.

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, Dyn, SVD, SymmetricEigen};
use serde::Serialize;

use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::score::{Direction, Quantity, Score};

/// Frechet distance at the given n.
pub const FRECHET: Quantity = Quantity {
    name: "frechet distance",
    unit: "squared feature units",
    direction: Direction::Lower,
    source: "Heusel et al. 2017, arXiv:1706.08500",
};

/// The most iterations of a decomposition, per row of its matrix. Two or three are common.
const ITERATIONS: usize = 100;

/// Mean and covariance (denominator n - 1) of a feature set, which determine its Frechet distance to another set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moments {
    n: usize,
    mean: Vec<f64>,
    covariance: Vec<f64>,
}

impl Moments {
    /// Moments of `features`, in two passes: the mean is subtracted before anything is squared.
    ///
    /// # Errors
    /// If there are fewer than two rows.
    pub fn of(features: &Features) -> Result<Self> {
        const ROWS: usize = 4096;
        features.at_least(2, "given", FRECHET.name)?;
        let (n, dim) = (features.n(), features.dim());
        let mut mean = vec![0.0; dim];
        for row in features.rows() {
            mean.iter_mut().zip(row).for_each(|(m, v)| *m += v);
        }
        mean.iter_mut().for_each(|m| *m /= n as f64);

        let mut covariance = vec![0.0; dim * dim];
        let mut centred = vec![0.0; ROWS.min(n) * dim];
        for rows in features.values().chunks(ROWS * dim) {
            let centred = &mut centred[..rows.len()];
            for (out, row) in centred.chunks_exact_mut(dim).zip(rows.chunks_exact(dim)) {
                for ((o, v), m) in out.iter_mut().zip(row).zip(&mean) {
                    *o = v - m;
                }
            }
            let count = centred.len() / dim;
            let rows = DMatrixView::from_slice(centred, dim, count);
            let mut target = DMatrixViewMut::from_slice(&mut covariance, dim, dim);
            target.gemm(1.0 / (n - 1) as f64, &rows, &rows.transpose(), 1.0);
        }
        Ok(Self { n, mean, covariance })
    }

    /// Moments computed elsewhere: `mean` (dim values) and `covariance` (dim x dim values) of `n` rows.
    ///
    /// # Errors
    /// If the lengths disagree, a value is not finite, or the covariance is not symmetric to 1e-9 of its largest entry.
    pub fn new(n: usize, mean: Vec<f64>, covariance: Vec<f64>) -> Result<Self> {
        let dim = mean.len();
        let mean = Features::new("mean", 1, dim, mean)?;
        let covariance = Features::new("covariance", dim, dim, covariance)?;
        let largest = covariance.values().iter().fold(0.0f64, |a, v| a.max(v.abs()));
        for i in 0..dim {
            for j in 0..i {
                let (lower, upper) = (covariance.row(i)[j], covariance.row(j)[i]);
                if (lower - upper).abs() > 1e-9 * largest {
                    return Err(EvalError::Argument {
                        metric: FRECHET.name,
                        argument: "covariance",
                        expected: format!("a symmetric matrix: ({i}, {j}) = ({j}, {i}) = {upper}"),
                        found: lower.to_string(),
                    });
                }
            }
        }
        Ok(Self { n, mean: mean.values().to_vec(), covariance: covariance.values().to_vec() })
    }

    /// Number of rows from which the moments were computed.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of features.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// Mean, `[dim]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Covariance, [dim, dim].
    pub fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    fn trace(&self) -> f64 {
        self.covariance.iter().step_by(self.dim() + 1).sum()
    }

    /// `V diag(sqrt(l))` of `S = V diag(l) V^T`, a factor of `S^(1/2)` up to a rotation on the right.
    fn root_factor(&self) -> Result<DMatrix<f64>> {
        let dim = self.dim();
        let eigen = self.eigen(FRECHET.name)?;
        let values = &eigen.eigenvalues;
        let largest = values.iter().copied().fold(0.0, f64::max);
        // A smaller eigenvalue is a rounding error. Its square root would be 1e8 times as large as the error itself.
        let noise = dim as f64 * f64::EPSILON * largest;
        let mut factor = eigen.eigenvectors;
        for (mut column, &value) in factor.column_iter_mut().zip(values) {
            column *= if value > noise { value.sqrt() } else { 0.0 };
        }
        Ok(factor)
    }

    /// Eigenvalues, in no order, and eigenvectors of the covariance, for the metric `name`.
    pub(crate) fn eigen(&self, name: &'static str) -> Result<SymmetricEigen<f64, Dyn>> {
        let dim = self.dim();
        let matrix = DMatrix::from_row_slice(dim, dim, &self.covariance);
        SymmetricEigen::try_new(matrix, f64::EPSILON, ITERATIONS * dim)
            .ok_or(EvalError::Eigenvalues { metric: name, dim })
    }
}

/// Squared Frechet distance of two Gaussians, at least 0. (For equal Gaussians rounding may give a tiny negative number; 0 is
/// returned then.)
///
/// The distance is also defined for singular covariances (constant features, or n below the number of features). They are
/// not an error here, but [`frechet`] refuses such n.
///
/// # Errors
/// If the moments differ in size, or the eigenvalues do not converge.
pub fn frechet_distance(generated: &Moments, reference: &Moments) -> Result<f64> {
    let dim = reference.dim();
    if generated.dim() != dim {
        return Err(EvalError::Width { metric: FRECHET.name, expected: dim, found: generated.dim() });
    }
    let means: f64 = generated.mean.iter().zip(&reference.mean).map(|(a, b)| (a - b) * (a - b)).sum();
    // With S_i^(1/2) = F_i V_i^T, the rotations V_i do not change the singular values of
    // S_1^(1/2) S_2^(1/2) = V_1 F_1^T F_2 V_2^T.
    let (first, second) = (generated.root_factor()?, reference.root_factor()?);
    let product = first.transpose() * second;
    let singular: f64 = SVD::try_new(product, false, false, f64::EPSILON, ITERATIONS * dim)
        .ok_or(EvalError::Eigenvalues { metric: FRECHET.name, dim })?
        .singular_values
        .sum();
    Ok((means + generated.trace() + reference.trace() - 2.0 * singular).max(0.0))
}

/// Frechet distance of two feature sets.
///
/// # Errors
/// If the sets differ in width, a set has no more rows than columns (its covariance is then singular because of n, not
/// because of the images), or the eigenvalues do not converge.
pub fn frechet(generated: &Features, reference: &Features) -> Result<Score> {
    generated.same_width(reference, FRECHET.name)?;
    reference.at_least(reference.dim() + 1, "reference", FRECHET.name)?;
    frechet_to(generated, &Moments::of(reference)?)
}

/// Frechet distance of `generated` to a set of which only the moments are known.
///
/// # Errors
/// As [`frechet`].
pub fn frechet_to(generated: &Features, reference: &Moments) -> Result<Score> {
    if generated.dim() != reference.dim() {
        let (expected, found) = (reference.dim(), generated.dim());
        return Err(EvalError::Width { metric: FRECHET.name, expected, found });
    }
    generated.at_least(reference.dim() + 1, "generated", FRECHET.name)?;
    frechet_of_moments(&Moments::of(generated)?, reference)
}

/// Frechet distance of two sets of which only the moments are known.
///
/// # Errors
/// As [`frechet`].
pub fn frechet_of_moments(generated: &Moments, reference: &Moments) -> Result<Score> {
    let (metric, dim) = (FRECHET.name, reference.dim());
    for (set, moments) in [("generated", generated), ("reference", reference)] {
        if moments.n() <= dim {
            return Err(EvalError::TooFew { metric, set, needed: dim + 1, found: moments.n() });
        }
    }
    Ok(FRECHET.score(frechet_distance(generated, reference)?, generated.n(), reference.n(), ""))
}
